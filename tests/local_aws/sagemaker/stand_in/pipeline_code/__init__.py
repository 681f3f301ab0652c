"""Shadows the image's package of this name."""
