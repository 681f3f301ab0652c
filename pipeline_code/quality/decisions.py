"""The confusion matrix if every transaction that reaches a threshold is called a fraud."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from pipeline_code.quality.scored import Floats, ScoredRows

__all__ = ["Confusion", "Decisions"]

# How many times as much recall counts as precision, by the name of the F measure.
F_MEASURES = {"f0_5": 0.5, "f1": 1.0, "f2": 2.0}


@dataclass(frozen=True, slots=True)
class Confusion:
    """Transactions by what they are and what they were called; counts, or sums of weights."""

    true_negatives: float
    false_positives: float
    false_negatives: float
    true_positives: float

    def rates(self) -> dict[str, float]:
        """The rates, by the names that SageMaker's model quality has for them.

        0 where nothing was called a fraud, as no fraud was found then.
        """
        right, wrong = self.true_positives, self.false_positives
        frauds = right + self.false_negatives
        genuine = wrong + self.true_negatives
        precision = right / (right + wrong) if right + wrong else 0.0
        recall = right / frauds if frauds else 0.0
        false_alarms = wrong / genuine if genuine else 0.0
        return {
            "recall": recall,
            "precision": precision,
            "accuracy": (right + self.true_negatives) / (frauds + genuine),
            "true_positive_rate": recall,
            "true_negative_rate": 1 - false_alarms,
            "false_positive_rate": false_alarms,
            "false_negative_rate": 1 - recall,
            **{name: _f_measure(precision, recall, beta) for name, beta in F_MEASURES.items()},
        }

    def best_constant(self) -> Mapping[str, float]:
        """The best that calling all transactions the same can do in each measure."""
        frauds = self.true_positives + self.false_negatives
        rate = frauds / (frauds + self.true_negatives + self.false_positives)
        return {
            "recall": 1.0,
            "precision": rate,
            "accuracy": max(rate, 1 - rate),
            **{name: _f_measure(rate, 1.0, beta) for name, beta in F_MEASURES.items()},
        }


@dataclass(frozen=True, slots=True)
class Decisions:
    """Each card's transactions by what they are and what they were called.

    Attributes:
        flagged: Which transactions reach the threshold.
        counts: A row a card: true negatives, false positives, false negatives, true positives.
    """

    flagged: npt.NDArray[np.bool_]
    counts: Floats

    @classmethod
    def of(cls, scored: ScoredRows, threshold: float) -> Self:
        """Calls every transaction a fraud that reaches the threshold."""
        return cls.flagging(scored, scored.scores >= threshold)

    @classmethod
    def flagging(cls, scored: ScoredRows, flagged: npt.NDArray[np.bool_]) -> Self:
        """Calls just these transactions frauds."""
        customers, card = np.unique(scored.customers, return_inverse=True)
        kind = 2 * (scored.labels == 1) + flagged
        counts = np.bincount(card * 4 + kind, minlength=4 * len(customers))
        return cls(flagged, counts.reshape(-1, 4).astype(np.float64))

    def confusion(self, weights: Floats | None = None) -> Confusion:
        """The counts if each card counts as often as its weight; once each if omitted."""
        totals = self.counts.sum(axis=0) if weights is None else weights @ self.counts
        return Confusion(*(float(total) for total in totals))


def _f_measure(precision: float, recall: float, beta: float) -> float:
    below = beta**2 * precision + recall
    return (1 + beta**2) * precision * recall / below if below else 0.0
