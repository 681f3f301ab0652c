"""Offline scoring: feature rows of many transactions, and what the model said of each of them."""
