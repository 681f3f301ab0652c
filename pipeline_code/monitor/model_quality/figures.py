"""The figures of labelled predictions, in the baseline and in traffic alike.

Two weeks are compared that differ in how many transactions, cards and frauds they have. So reviews
are a part of each day's cards and not a number of them, and of the calibration error what chance
alone gives is taken off.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from pipeline_code.quality.bootstrap import Resampling
from pipeline_code.quality.calibration import SHARES, calibration
from pipeline_code.quality.curves import curves
from pipeline_code.quality.decisions import Decisions
from pipeline_code.quality.metrics import Metric, with_deviation
from pipeline_code.quality.ranking import Ranking
from pipeline_code.quality.reviews import CardDays
from pipeline_code.quality.scored import Floats, ScoredRows

__all__ = ["FIGURES", "WeightedQuality", "metrics_document"]

# By the names of `binary_classification_metrics`: what CloudWatch and people call them.
FIGURES = {
    "average_precision": "AveragePrecision",
    "auc": "AucRoc",
    "card_precision": "CardPrecision",
    "recall": "Recall",
    "precision": "Precision",
    "f1": "F1",
    "calibration_error": "CalibrationError",
    "prevalence": "Prevalence",
}

# The mean distance of a normal variable from its mean, in deviations.
MEAN_DISTANCE = float(np.sqrt(2 / np.pi))


@dataclass(frozen=True, slots=True)
class WeightedQuality:
    """Judged predictions prepared to be measured many times, with other weights of their cards.

    WeightedQuality.of(scored, flagged, reviewed_share=0.05).measure()["average_precision"]

    Attributes:
        place: Which bin of the calibration each prediction is in, in order of the ranking.
        excess: Its score less its label, in that order.
        spread: How far its label may be from its score, squared, in that order.
        per_day: How many cards are reviewed a day.
    """

    ranking: Ranking
    card_days: CardDays
    decisions: Decisions
    place: npt.NDArray[np.int8]
    excess: Floats
    spread: Floats
    per_day: int

    @classmethod
    def of(
        cls, scored: ScoredRows, flagged: npt.NDArray[np.bool_], *, reviewed_share: float
    ) -> Self:
        """Sorts the predictions once.

        Args:
            scored: The predictions and what became of them.
            flagged: Which of them were called frauds.
            reviewed_share: The part of a day's cards that are reviewed.
        """
        card_days = CardDays.of(scored)
        order = np.argsort(-scored.scores, kind="stable")
        scores = scored.scores[order]
        # By values and not by places, so that the order of rows with one score does not matter.
        edges = np.unique(np.quantile(scores, SHARES, method="lower"))
        return cls(
            ranking=Ranking.of(scored),
            card_days=card_days,
            decisions=Decisions.flagging(scored, flagged),
            place=np.searchsorted(edges, scores, side="left").astype(np.int8),
            excess=scores - scored.labels[order],
            spread=scores * (1 - scores),
            per_day=max(1, round(reviewed_share * cards_a_day(card_days))),
        )

    def measure(self, weights: Floats | None = None) -> dict[str, float]:
        """The figures if each card counts as often as its weight; once each if omitted."""
        counted = np.ones(len(self.card_days.amounts)) if weights is None else weights
        areas = self.ranking.areas(counted)
        confusion = self.decisions.confusion(counted)
        frauds = confusion.true_positives + confusion.false_negatives
        genuine = confusion.true_negatives + confusion.false_positives
        return {
            **confusion.rates(),
            "auc": areas.auc_roc,
            "average_precision": areas.average_precision,
            "card_precision": self.card_days.review(self.per_day, counted).card_precision,
            "calibration_error": self._calibration_error(counted[self.ranking.cards]),
            "prevalence": frauds / (frauds + genuine),
        }

    def _calibration_error(self, weights: Floats) -> float:
        """The expected calibration error beyond that of perfect probabilities, 0 if it is below."""
        distance = np.abs(np.bincount(self.place, weights * self.excess)).sum()
        chance = MEAN_DISTANCE * np.sqrt(np.bincount(self.place, weights * self.spread)).sum()
        return float(max(distance - chance, 0.0) / weights.sum())


def cards_a_day(card_days: CardDays) -> float:
    """How many cards are used on a day, on the mean of the days."""
    return len(card_days.cards) / len(card_days.days)


def metrics_document(
    scored: ScoredRows, yardstick: WeightedQuality, resamples: int
) -> tuple[dict[str, Any], Mapping[str, Metric]]:
    """The section `binary_classification_metrics`, and the figures in it."""
    figures = with_deviation(yardstick.measure, Resampling.of(scored, resamples))
    confusion = yardstick.decisions.confusion()
    document = {
        "confusion_matrix": {
            "0": {"0": int(confusion.true_negatives), "1": int(confusion.false_positives)},
            "1": {"0": int(confusion.false_negatives), "1": int(confusion.true_positives)},
        },
        **{name: asdict(figure) for name, figure in figures.items()},
        # No resampling changes which constant is best by more than the share of frauds.
        **{
            f"{name}_best_constant_classifier": {"value": value, "standard_deviation": 0.0}
            for name, value in confusion.best_constant().items()
        },
        **curves(scored),
    }
    return document, figures


def calibration_document(scored: ScoredRows) -> dict[str, Any]:
    """The section `calibration`, as evaluation.json has it."""
    measured = calibration(scored)
    return {
        **asdict(measured),
        "bins": [asdict(each) for each in measured.bins],
        "expected_over_observed": measured.expected_over_observed,
    }
