"""Fits one model on a window of feature rows; the entry point `train`."""
