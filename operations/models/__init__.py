"""Versions of the model: registered, decided on, compared and traced to what they came from."""
