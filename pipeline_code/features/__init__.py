"""Every feature, defined once, and the drivers that compute it in batch and online."""
