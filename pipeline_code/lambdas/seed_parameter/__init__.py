"""Creates the parameter that names the approved model, and never resets it."""
