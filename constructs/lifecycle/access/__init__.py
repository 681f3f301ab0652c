"""Permissions: what roles and keys let whom do, and why a wildcard is meant."""
