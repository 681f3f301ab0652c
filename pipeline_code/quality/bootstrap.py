"""The bootstrap over cards: how far a figure would move on other cards of the same days.

Cards and not transactions are drawn, since a card's transactions resemble each other.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_code.quality.scored import Floats, ScoredRows

__all__ = ["CONFIDENCE", "SEED", "Interval", "Resampling", "interval"]

CONFIDENCE = 0.95
SEED = 7

Statistic = Callable[[Floats], Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Interval:
    """Where a figure lies with the stated confidence."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Resampling:
    """Draws of cards, with replacement; the same seed gives the same draws."""

    cards: int
    frauds_of_card: Floats
    rows_of_card: Floats
    resamples: int
    seed: int = SEED

    @classmethod
    def of(cls, scored: ScoredRows, resamples: int, seed: int = SEED) -> "Resampling":
        """Prepares to draw from the cards of these rows."""
        customers, card = np.unique(scored.customers, return_inverse=True)
        return cls(
            cards=len(customers),
            frauds_of_card=np.bincount(card, scored.labels, len(customers)).astype(np.float64),
            rows_of_card=np.bincount(card, minlength=len(customers)).astype(np.float64),
            resamples=resamples,
            seed=seed,
        )

    def draws(self) -> Iterator[Floats]:
        """How often each card was drawn, once a resample."""
        generator = np.random.default_rng(self.seed)
        for _ in range(self.resamples):
            drawn = generator.integers(self.cards, size=self.cards)
            weights = np.bincount(drawn, minlength=self.cards).astype(np.float64)
            # A resample without any fraud, or with nothing else, ranks nothing.
            if 0 < weights @ self.frauds_of_card < weights @ self.rows_of_card:
                yield weights

    def figures(self, statistic: Statistic) -> dict[str, Floats]:
        """Each figure of a statistic, once a draw; empty where no draw ranks anything."""
        rows = [statistic(weights) for weights in self.draws()]
        return {name: np.array([row[name] for row in rows]) for name in (rows[0] if rows else {})}


def interval(values: npt.ArrayLike) -> Interval:
    """The percentile interval of a figure's draws; the draws where it is undefined do not count."""
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    if len(known) == 0:
        return Interval(float("-inf"), float("inf"))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(known, (tail, 1 - tail))
    return Interval(float(low), float(high))
