"""Stream consumer: customers' states."""
