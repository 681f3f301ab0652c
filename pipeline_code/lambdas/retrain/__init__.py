"""Starts the training pipeline when the monitors ask for it."""
