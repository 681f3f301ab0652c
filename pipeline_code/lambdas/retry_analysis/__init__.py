"""Starts failed analyses again."""
