"""The predictions that called a transaction a fraud."""

import pyarrow as pa
import pyarrow.compute as pc

from pipeline_code.contracts.serving import Decision

__all__ = ["flagged"]


def flagged(predictions: pa.Table, threshold: float) -> pa.ChunkedArray:
    """Whether each was called a fraud: as was decided, or by its score; null if neither is told.

    Args:
        predictions: Of the schema `PREDICTIONS`.
        threshold: The least score that calls for a review.
    """
    decided = pc.not_equal(predictions["decision"], pa.scalar(Decision.APPROVE.value))
    return pc.coalesce(decided, pc.greater_equal(predictions["score"], pa.scalar(threshold)))
