"""The comparison of two models by a paired bootstrap on the same rows.

compare(champion, challenger, rows).as_dict()["metrics"]["average_precision"]
# {"a": 0.68, "b": 0.71, "difference": 0.03, "low": 0.01, "high": 0.05, "verdict": "B is better"}

Both models are measured on the same cards of each draw, so that what makes a window easy or hard
for both does not blur their difference.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pipeline_code.common.exits import BadInput
from pipeline_code.contracts.reviews import CARDS_REVIEWED_A_DAY
from pipeline_code.evaluate.columns import columns_of
from pipeline_code.quality.bootstrap import CONFIDENCE, SEED, Resampling, interval
from pipeline_code.quality.metrics import WeightedMetrics
from pipeline_code.quality.scored import Floats, ScoredRows
from pipeline_code.train.model import Model
from pipeline_code.train.rows import FeatureRows

__all__ = ["A_IS_BETTER", "B_IS_BETTER", "NO_DIFFERENCE", "Comparison", "Difference", "compare"]

A_IS_BETTER, B_IS_BETTER, NO_DIFFERENCE = "A is better", "B is better", "no real difference"
# The default and the fewest: with less, an interval's ends are those of a handful of draws.
RESAMPLES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How B differs from A in one figure, and where the difference lies with 95 % confidence."""

    a: float
    b: float
    difference: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """Which of the two is better; none is unless the interval leaves out zero."""
        if self.low > 0:
            return B_IS_BETTER
        return A_IS_BETTER if self.high < 0 else NO_DIFFERENCE

    def as_dict(self) -> dict[str, Any]:
        """The figures and the verdict."""
        return {**asdict(self), "verdict": self.verdict}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two models on the same rows. Of every figure more is better."""

    rows: int
    frauds: int
    cards: int
    reviews_per_day: int
    resamples: int
    metrics: Mapping[str, Difference]

    def as_dict(self) -> dict[str, Any]:
        """What was compared on, and each metric's difference."""
        return {
            "rows": self.rows,
            "frauds": self.frauds,
            "cards": self.cards,
            "reviews_per_day": self.reviews_per_day,
            "resamples": self.resamples,
            "confidence": CONFIDENCE,
            "metrics": {name: metric.as_dict() for name, metric in self.metrics.items()},
        }


def compare(
    model_a: Model,
    model_b: Model,
    rows: FeatureRows,
    *,
    reviews_per_day: int = CARDS_REVIEWED_A_DAY,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Comparison:
    """Has both models score the same rows, and says where they differ.

    Args:
        model_a: The one that is there, usually the champion.
        model_b: The one that would replace it.
        rows: Labelled feature rows that neither model learned from, without the cards known to be
            compromised (`pipeline_code.evaluate.protocol.compromised`).
        reviews_per_day: How many cards people can look at each day; for the amounts saved.
        resamples: How often cards are drawn.
        seed: The same seed gives the same intervals.

    Raises:
        BadInput: A model takes features that the rows have not; or the rows hold no fraud, or
            nothing else; or there are too few resamples.
    """
    if resamples < RESAMPLES:
        raise BadInput(f"resamples must be at least {RESAMPLES}, got {resamples}")
    scored = [ScoredRows.of(model, rows, columns_of(model)) for model in (model_a, model_b)]
    return compare_scored(
        *scored,
        reviews_per_day=reviews_per_day,
        resamples=resamples,
        seed=seed,
    )


def compare_scored(
    a: ScoredRows,
    b: ScoredRows,
    *,
    reviews_per_day: int = CARDS_REVIEWED_A_DAY,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Comparison:
    """The comparison of scores that were given already; both of the same rows, in one order."""
    yardsticks = {
        name: WeightedMetrics.of(one, reviews_per_day) for name, one in (("a", a), ("b", b))
    }

    def both(weights: Floats) -> dict[str, float]:
        return {
            f"{name}.{figure}": value
            for name, yardstick in yardsticks.items()
            for figure, value in yardstick.measure(weights).items()
        }

    draws = Resampling.of(a, resamples, seed).figures(both)
    cards = len(np.unique(a.customers))
    values = both(np.ones(cards))
    return Comparison(
        rows=len(a),
        frauds=int(a.labels.sum()),
        cards=cards,
        reviews_per_day=reviews_per_day,
        resamples=resamples,
        metrics={
            figure: _difference(figure, values, draws)
            for figure in (name.removeprefix("a.") for name in values if name.startswith("a."))
        },
    )


def _difference(
    figure: str, values: Mapping[str, float], draws: Mapping[str, Floats]
) -> Difference:
    a, b = values[f"a.{figure}"], values[f"b.{figure}"]
    between = interval(draws[f"b.{figure}"] - draws[f"a.{figure}"])
    return Difference(a=a, b=b, difference=b - a, low=between.low, high=between.high)
