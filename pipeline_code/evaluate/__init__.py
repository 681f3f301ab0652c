"""Scores a model on later rows, against the champion; the entry point `evaluate`."""
