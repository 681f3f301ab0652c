"""Stands in for the image's package."""
