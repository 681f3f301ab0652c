"""Captured requests and responses of an endpoint: what monitoring, labels and parity share."""
