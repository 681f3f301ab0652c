"""Pure functions that several entry points share."""
