"""ministack's Lambda."""
