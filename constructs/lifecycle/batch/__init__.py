"""Stage 5, beside the endpoint: scoring whole days at once."""

from lifecycle.batch.scoring import BatchScoring, BatchScoringConfig

__all__ = ["BatchScoring", "BatchScoringConfig"]
