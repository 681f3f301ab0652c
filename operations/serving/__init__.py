"""The endpoint and batch transform: scored with, probed for parity, and given a shadow."""
