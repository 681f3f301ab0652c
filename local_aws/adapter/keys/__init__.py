"""ministack's KMS, and what other services keep under keys."""
