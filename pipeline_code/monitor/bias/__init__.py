"""Bias: whether groups are treated as the baseline's were."""
