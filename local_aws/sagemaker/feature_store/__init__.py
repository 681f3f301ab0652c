"""Feature groups and their records, online and offline."""
