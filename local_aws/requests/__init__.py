"""Which requests are answered, and of what shape."""
