"""Builds the container image during a deployment."""
