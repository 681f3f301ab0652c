"""Areas under curves of rows whose cards have weights: one pass a resample, as ranks never change.

scikit-learn sorts again for each set of weights; a bootstrap asks for a thousand.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from pipeline_code.quality.scored import Floats, ScoredRows

__all__ = ["CurveAreas", "Ranking"]


@dataclass(frozen=True, slots=True)
class CurveAreas:
    """Both areas, by the definitions of scikit-learn's `sample_weight`."""

    auc_roc: float
    average_precision: float


@dataclass(frozen=True, slots=True)
class Ranking:
    """Rows in order of falling score.

    Attributes:
        cards: The index, among the customers in order of their ids, of each row's card.
        frauds: 1 where the row is a fraud.
        ends: The last row of each group of equal scores.
    """

    cards: npt.NDArray[np.int64]
    frauds: Floats
    ends: npt.NDArray[np.int64]

    @classmethod
    def of(cls, scored: ScoredRows) -> Self:
        """Ranks the rows."""
        order = np.argsort(-scored.scores, kind="stable")
        cards = np.unique(scored.customers, return_inverse=True)[1]
        falls = np.flatnonzero(np.diff(scored.scores[order]))
        return cls(
            cards=cards[order],
            frauds=scored.labels[order].astype(np.float64),
            ends=np.append(falls, len(order) - 1),
        )

    def areas(self, weights: Floats) -> CurveAreas:
        """The areas if each card counts as often as its weight; some fraud and genuine row must."""
        row_weights = weights[self.cards]
        reviewed = np.cumsum(row_weights)[self.ends]
        caught = np.cumsum(row_weights * self.frauds)[self.ends]
        wrong = reviewed - caught
        newly_caught = np.diff(caught, prepend=0.0)
        heights = caught - newly_caught / 2
        raised = newly_caught > 0
        return CurveAreas(
            auc_roc=float(np.diff(wrong, prepend=0.0) @ heights / (wrong[-1] * caught[-1])),
            average_precision=float(
                newly_caught[raised] @ (caught[raised] / reviewed[raised]) / caught[-1]
            ),
        )
