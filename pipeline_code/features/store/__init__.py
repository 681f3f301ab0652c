"""States in the feature groups: their records, reading them, and bringing them up to date."""
