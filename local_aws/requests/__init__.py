"""The rules for requests: which are served, and of what shape."""
