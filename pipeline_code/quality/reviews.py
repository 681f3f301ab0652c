"""Reviews: each day the cards with the highest scores are looked at, so many as people can.

A card's score on a day is the highest among its transactions of that day; equal scores rank by
customer id. A review finds out whether the card has a fraud on that day. A card found that way is
blocked: it is not looked at on later days, and what would have been its frauds until the window
ends is saved, that day's included. It is the card precision@k of the Fraud Detection Handbook,
with amounts besides.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
import numpy.typing as npt

from pipeline_code.common.money import MINOR_PER_UNIT
from pipeline_code.quality.scored import Floats, ScoredRows

__all__ = ["CardDays", "ReviewOutcome", "cost_curve"]


@dataclass(frozen=True, slots=True)
class ReviewOutcome:
    """What a number of reviews a day came to.

    Attributes:
        per_day: How many cards could be looked at.
        found: Compromised cards that were found, each day.
        saved: Amount of their frauds from that day on, in minor units.
        saved_share: The part that this is of all frauds' amount.
    """

    per_day: int
    found: Floats
    saved: float
    saved_share: float

    @property
    def card_precision(self) -> float:
        """Which part of the reviews finds a compromised card, on the mean of the days."""
        return float(self.found.sum() / (self.per_day * len(self.found)))

    def as_dict(self) -> dict[str, float]:
        """The figures, the amount in currency units."""
        return {
            "reviews_per_day": self.per_day,
            "card_precision": self.card_precision,
            "found": float(self.found.sum()),
            "saved_amount": self.saved / MINOR_PER_UNIT,
            "saved_share": self.saved_share,
        }


@dataclass(frozen=True, slots=True)
class CardDays:
    """One row for each card and day that it was used on, in the order in which reviews take them.

    Attributes:
        days: Where each day's rows are.
        cards: The index, among the customers in order of their ids, of each row's card.
        scores: The card's score on that day.
        frauds: Whether it has a fraud on that day.
        ahead: Amount of the card's frauds on that day and later.
        amounts: Amount of each card's frauds, all days.
    """

    days: tuple[slice, ...]
    cards: npt.NDArray[np.int64]
    scores: Floats
    frauds: npt.NDArray[np.bool_]
    ahead: Floats
    amounts: Floats

    @classmethod
    def of(cls, scored: ScoredRows) -> Self:
        """Gathers transactions into cards' days."""
        customers, card = np.unique(scored.customers, return_inverse=True)
        days, day = np.unique(scored.days, return_inverse=True)
        # Of one card a later day comes first, which makes sums over what lies ahead plain sums.
        keys, row = np.unique(card * len(days) + (len(days) - 1 - day), return_inverse=True)
        cards, day_of = keys // len(days), len(days) - 1 - keys % len(days)
        scores = np.full(len(keys), -np.inf)
        np.maximum.at(scores, row, scored.scores)
        frauds = np.bincount(row, scored.labels, len(keys))
        lost = np.bincount(row, scored.labels * scored.amounts.astype(np.float64), len(keys))
        amounts = np.bincount(cards, lost, len(customers))
        ahead = np.cumsum(lost) - (np.cumsum(amounts) - amounts)[cards]
        order = np.lexsort((cards, -scores, day_of))
        firsts = np.searchsorted(day_of[order], np.arange(len(days) + 1))
        return cls(
            days=tuple(slice(*pair) for pair in pairwise(firsts)),
            cards=cards[order],
            scores=scores[order],
            frauds=frauds[order] > 0,
            ahead=ahead[order],
            amounts=amounts.astype(np.float64),
        )

    def review(self, per_day: int, weights: Floats | None = None) -> ReviewOutcome:
        """Reviews so many cards a day.

        Args:
            per_day: How many cards can be looked at.
            weights: How often each card counts; its copies are looked at one by one, and all of
                them are blocked once one is found. Once each if omitted.
        """
        count = np.ones(len(self.amounts)) if weights is None else weights
        blocked = np.zeros(len(count), dtype=np.bool_)
        found, saved = np.zeros(len(self.days)), 0.0
        for index, day in enumerate(self.days):
            cards = self.cards[day]
            copies = np.where(blocked[cards], 0.0, count[cards])
            taken = np.clip(per_day - (np.cumsum(copies) - copies), 0.0, copies)
            hits = np.flatnonzero(self.frauds[day] & (taken > 0))
            found[index] = taken[hits].sum()
            saved += float(taken[hits] @ self.ahead[day][hits])
            blocked[cards[hits]] = True
        total = float(count @ self.amounts)
        return ReviewOutcome(per_day, found, saved, saved / total if total else 0.0)

    @property
    def compromised(self) -> int:
        """How many cards have a fraud on any of the days."""
        return len(np.unique(self.cards[self.frauds]))

    def threshold(self, per_day: int) -> float:
        """The lowest score that flags at most so many cards a day, on the mean of the days.

        Cards beyond the budget that share a score are all left out, so that what is flagged does
        not depend on how ties are broken.
        """
        budget = per_day * len(self.days)
        if budget >= len(self.scores):
            return 0.0
        first_without = np.sort(self.scores)[::-1][budget]
        return float(np.nextafter(first_without, np.inf))


def cost_curve(card_days: CardDays, capacities: Iterable[int]) -> list[ReviewOutcome]:
    """Amount saved against reviews spent, in order of the number of reviews a day."""
    return [card_days.review(per_day) for per_day in sorted(capacities)]
