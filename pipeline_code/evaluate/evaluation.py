"""One model measured on later rows: what the pipeline's evaluation and the backtest both do.

evaluation = evaluate(model, rows, reviews_per_day=100)
evaluation.metrics["average_precision"].value
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pipeline_code.common.exits import BadInput
from pipeline_code.contracts.reviews import CARDS_REVIEWED_A_DAY
from pipeline_code.evaluate.groups import Difference, Group, by_scenario, by_segment, proven_bias
from pipeline_code.quality.bootstrap import Resampling
from pipeline_code.quality.calibration import Calibration, calibration
from pipeline_code.quality.decisions import Decisions
from pipeline_code.quality.metrics import (
    RESAMPLES,
    Metric,
    WeightedMetrics,
    with_deviation,
)
from pipeline_code.quality.reviews import ReviewOutcome, cost_curve
from pipeline_code.quality.scored import Floats, ScoredRows
from pipeline_code.train.model import Model
from pipeline_code.train.rows import FeatureRows

__all__ = ["CAPACITIES", "Evaluation", "evaluate"]

# Reviews a day at which the cost curve is drawn.
CAPACITIES = (10, 20, 30, 50, 75, 100, 150, 200, 300, 400, 500, 700, 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What was measured.

    Attributes:
        metrics: Of the ranking, by name (`pipeline_code.quality.metrics`).
        threshold: The lowest score that keeps the flagged cards within the reviews there are.
        reviewed: What these reviews find, if each day's highest scores are looked at.
        card_recall: Part of the compromised cards that these reviews find.
        rates: Of calling fraud what reaches the threshold, by SageMaker's names.
        differences: Of recall between segments, for the kinds with enough frauds.
    """

    scored: ScoredRows
    reviews_per_day: int
    metrics: Mapping[str, Metric]
    threshold: float
    reviewed: ReviewOutcome
    card_recall: float
    decisions: Decisions
    rates: Mapping[str, Metric]
    cost_curve: Sequence[ReviewOutcome]
    calibration: Calibration
    scenarios: Sequence[Group]
    segments: Mapping[str, Sequence[Group]]
    differences: Sequence[Difference]

    @property
    def bias(self) -> float:
        """The difference in recall between segments that is beyond chance."""
        return proven_bias(self.differences)

    def sections(self) -> dict[str, Any]:
        """The parts of evaluation.json that are in our own form; amounts in currency units."""
        return {
            "reviews": self._reviews(),
            "cost_curve": [point.as_dict() for point in self.cost_curve],
            "calibration": {
                **asdict(self.calibration),
                "expected_over_observed": self.calibration.expected_over_observed,
            },
            "scenarios": [asdict(group) for group in self.scenarios],
            "segments": {
                kind: [asdict(group) for group in groups] for kind, groups in self.segments.items()
            },
            "bias": {
                "value": self.bias,
                "differences": [
                    {**asdict(difference), "proven": difference.proven}
                    for difference in self.differences
                ],
            },
        }

    def _reviews(self) -> dict[str, Any]:
        saved = {name: asdict(self.metrics[name]) for name in ("saved_share", "saved_amount")}
        return {
            "per_day": self.reviews_per_day,
            "threshold": self.threshold,
            "card_precision": self.reviewed.card_precision,
            "card_recall": self.card_recall,
            "transaction_precision": asdict(self.rates["precision"]),
            "transaction_recall": asdict(self.rates["recall"]),
            **saved,
        }


def evaluate(
    model: Model, rows: FeatureRows, *, reviews_per_day: int = CARDS_REVIEWED_A_DAY
) -> Evaluation:
    """Has a model score rows that it did not learn from, and measures how well it does.

    Args:
        model: Takes the features that the rows have.
        rows: Labelled feature rows, without the cards known to be compromised.
        reviews_per_day: How many cards people can look at each day.

    Raises:
        BadInput: The rows hold no fraud, or nothing else; or there are no reviews.
    """
    return measured(ScoredRows.of(model, rows), reviews_per_day)


def measured(scored: ScoredRows, reviews_per_day: int) -> Evaluation:
    """The evaluation of scores that were given already."""
    if reviews_per_day < 1:
        raise BadInput(f"reviews_per_day must be at least 1, got {reviews_per_day}")
    resampling = Resampling.of(scored, RESAMPLES)
    yardstick = WeightedMetrics.of(scored, reviews_per_day)
    threshold = yardstick.card_days.threshold(reviews_per_day)
    decisions = Decisions.of(scored, threshold)

    def rates(weights: Floats) -> dict[str, float]:
        return decisions.confusion(weights).rates()

    reviewed = yardstick.card_days.review(reviews_per_day)
    segments, differences = by_segment(scored, decisions.flagged, resampling)
    return Evaluation(
        scored=scored,
        reviews_per_day=reviews_per_day,
        metrics=with_deviation(yardstick.measure, resampling),
        threshold=threshold,
        reviewed=reviewed,
        card_recall=float(reviewed.found.sum() / yardstick.card_days.compromised),
        decisions=decisions,
        rates=with_deviation(rates, resampling),
        cost_curve=cost_curve(yardstick.card_days, {*CAPACITIES, reviews_per_day}),
        calibration=calibration(scored),
        scenarios=by_scenario(scored, decisions.flagged, resampling),
        segments=segments,
        differences=differences,
    )
