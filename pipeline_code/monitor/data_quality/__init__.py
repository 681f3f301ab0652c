"""Data quality: whether features are distributed as the baseline's."""
