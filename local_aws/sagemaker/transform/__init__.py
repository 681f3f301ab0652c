"""Batch Transform."""
