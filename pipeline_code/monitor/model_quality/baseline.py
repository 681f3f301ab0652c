"""The baseline of model quality: how well a model does on the rows it was evaluated with."""

from typing import Any

from pipeline_code.contracts.reviews import CARDS_REVIEWED_A_DAY
from pipeline_code.monitor.model_quality.constraints import suggest
from pipeline_code.monitor.model_quality.figures import (
    WeightedQuality,
    calibration_document,
    cards_a_day,
    metrics_document,
)
from pipeline_code.quality.metrics import RESAMPLES
from pipeline_code.quality.reviews import CardDays
from pipeline_code.quality.scored import ScoredRows

__all__ = ["compute"]


def compute(
    scored: ScoredRows, *, threshold: float, reviews_per_day: int = CARDS_REVIEWED_A_DAY
) -> tuple[Any, Any]:
    """The documents `statistics.json` and `constraints.json`.

    Args:
        scored: All test rows, those of cards known to be compromised too: the endpoint is asked
            about them as well.
        threshold: The score from which on a transaction is reviewed.
        reviews_per_day: How many cards people can look at each day.
    """
    share = min(1.0, reviews_per_day / cards_a_day(CardDays.of(scored)))
    yardstick = WeightedQuality.of(scored, scored.scores >= threshold, reviewed_share=share)
    metrics, figures = metrics_document(scored, yardstick, RESAMPLES)
    frauds = int(scored.labels.sum())
    statistics = {
        "version": 0.0,
        "dataset": {"item_count": len(scored)},
        "binary_classification_metrics": metrics,
        "calibration": calibration_document(scored),
    }
    constraints = suggest(figures, frauds=frauds, threshold=threshold, reviewed_share=share)
    return statistics, constraints.document()
