"""The metrics that an evaluation measures first, each with its uncertainty."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from pipeline_code.common.money import MINOR_PER_UNIT
from pipeline_code.contracts.reviews import CARDS_REVIEWED_A_DAY
from pipeline_code.quality.bootstrap import Resampling
from pipeline_code.quality.ranking import Ranking
from pipeline_code.quality.reviews import CardDays
from pipeline_code.quality.scored import Floats, ScoredRows

RESAMPLES = 200


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure and how far it would move on other cards of the same days."""

    value: float
    standard_deviation: float


def auc_roc(scored: ScoredRows) -> float:
    """Probability that a fraud scores above a genuine transaction."""
    return float(roc_auc_score(scored.labels, scored.scores))


def average_precision(scored: ScoredRows) -> float:
    """Precision averaged over recall."""
    return float(average_precision_score(scored.labels, scored.scores))


def card_precision(scored: ScoredRows, k: int = CARDS_REVIEWED_A_DAY) -> list[float]:
    """Card precision@k of each test day: which part of the k cards reviewed has a fraud."""
    return [float(found / k) for found in CardDays.of(scored).review(k).found]


@dataclass(frozen=True, slots=True)
class WeightedMetrics:
    """Rows prepared to be measured many times, with other weights of the cards each time."""

    ranking: Ranking
    card_days: CardDays
    reviews_per_day: int

    @classmethod
    def of(cls, scored: ScoredRows, reviews_per_day: int = CARDS_REVIEWED_A_DAY) -> Self:
        """Sorts the rows once."""
        return cls(Ranking.of(scored), CardDays.of(scored), reviews_per_day)

    def measure(self, weights: Floats | None = None) -> dict[str, float]:
        """The figures if each card counts as often as its weight; once each if omitted.

        Amounts are in currency units, what is saved is so by `reviews_per_day` reviews.
        """
        counted = np.ones(len(self.card_days.amounts)) if weights is None else weights
        areas = self.ranking.areas(counted)
        reviewed = self.card_days.review(CARDS_REVIEWED_A_DAY, counted)
        spent = (
            reviewed
            if self.reviews_per_day == CARDS_REVIEWED_A_DAY
            else self.card_days.review(self.reviews_per_day, counted)
        )
        return {
            "auc_roc": areas.auc_roc,
            "average_precision": areas.average_precision,
            "card_precision_at_100": reviewed.card_precision,
            "saved_share": spent.saved_share,
            "saved_amount": spent.saved / MINOR_PER_UNIT,
        }


def with_deviation(
    statistic: Callable[[Floats], Mapping[str, float]], resampling: Resampling
) -> dict[str, Metric]:
    """The figures with each card counted once, and their deviations over the draws."""
    draws = resampling.figures(statistic)
    return {
        name: Metric(value, deviation(draws.get(name)))
        for name, value in statistic(np.ones(resampling.cards)).items()
    }


def measure(
    scored: ScoredRows, *, reviews_per_day: int = CARDS_REVIEWED_A_DAY
) -> dict[str, Metric]:
    """The yardstick's figures with their deviations, by a bootstrap over cards."""
    yardstick = WeightedMetrics.of(scored, reviews_per_day)
    return with_deviation(yardstick.measure, Resampling.of(scored, RESAMPLES))


def deviation(draws: Floats | None) -> float:
    """The standard deviation of a figure's draws; those where it is undefined do not count."""
    known = np.empty(0) if draws is None else draws[~np.isnan(draws)]
    # A deviation needs two values.
    return float(np.std(known, ddof=1)) if len(known) > 1 else 0.0
