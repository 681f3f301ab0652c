"""The effect of declining, without a review, transactions from a score on.

Reviews are few, and what they get wrong costs minutes. A decline is final, so it asks for
precision: among all that reaches the threshold, so large a part has to be fraud.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from pipeline_code.common.exits import BadInput
from pipeline_code.quality.scored import ScoredRows

__all__ = ["DECLINE_PRECISION", "DeclineEffect"]

DECLINE_PRECISION = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclineEffect:
    """What declining from a threshold on would have done on the test rows.

    Attributes:
        precision: The part of the declined that has to be fraud.
        threshold: The lowest score from which on it is, and that asks for a review at least. None
            if there is none: nothing is then declined.
        recall: The part of all frauds that is declined.
    """

    precision: float
    threshold: float | None
    recall: float

    @classmethod
    def of(cls, scored: ScoredRows, *, precision: float, review_threshold: float) -> Self:
        """The lowest threshold with that precision on these rows.

        Raises:
            BadInput: The precision is no share above 0.
        """
        if not 0 < precision <= 1:
            raise BadInput(f"decline_precision must be above 0 and at most 1, got {precision}")
        order = np.argsort(-scored.scores, kind="stable")
        scores, frauds = scored.scores[order], np.cumsum(scored.labels[order])
        # Rows that share a score are declined together or not at all.
        last = np.append(scores[1:] != scores[:-1], True)
        reached = frauds >= precision * np.arange(1, len(scores) + 1)
        indices = np.flatnonzero(last & reached & (scores >= review_threshold))
        if len(indices) == 0:
            return cls(precision=precision, threshold=None, recall=0.0)
        index = indices[-1]
        recall = float(frauds[index] / frauds[-1])
        return cls(precision=precision, threshold=float(scores[index]), recall=recall)

    def as_dict(self) -> dict[str, Any]:
        """As evaluation.json has it."""
        return {
            "precision": self.precision,
            "threshold": self.threshold,
            "transaction_recall": self.recall,
        }
