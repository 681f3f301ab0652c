"""Model Monitor's schedules, definitions and runs."""
