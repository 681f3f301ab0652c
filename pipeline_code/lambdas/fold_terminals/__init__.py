"""Stream consumer: terminals' states."""
