"""Detection by fraud scenario and by customer segment, and whether segments are treated alike.

Equal opportunity: a fraud should be as likely to be caught whoever its victim is. The difference
of the best and the worst segment's recall is measured for each kind of segment. With few frauds
some difference is certain, so only what is beyond chance is held against a model: the lower end of
the difference's interval, by a bootstrap over cards.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from pipeline_code.common.money import MINOR_PER_UNIT
from pipeline_code.quality.bootstrap import Interval, Resampling, interval
from pipeline_code.quality.metrics import Metric, deviation
from pipeline_code.quality.scored import Floats, ScoredRows
from pipeline_code.quality.segments import KINDS

__all__ = ["SCENARIOS", "Difference", "Group", "by_scenario", "by_segment", "proven_bias"]

# The simulated frauds, by code; of others nobody knows a scenario.
SCENARIOS = ("unknown", "large amount", "compromised terminal", "leaked card")
# A segment with fewer has a recall that says next to nothing.
FEWEST_FRAUDS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Rows that have something in common.

    Attributes:
        fraud_amount: In currency units.
        recall: Part of the frauds that reaches the review threshold; None without frauds.
        caught_amount_share: The same part of the frauds' amount; None without frauds.
        false_positive_rate: Part of the genuine transactions that reaches it; None without any.
    """

    name: str
    rows: int
    frauds: int
    fraud_amount: float
    recall: Metric | None
    caught_amount_share: float | None
    false_positive_rate: Metric | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """By how much recall differs between the segments of one kind that have enough frauds."""

    kind: str
    best: str
    worst: str
    recall_difference: float
    interval: Interval

    @property
    def proven(self) -> float:
        """The part that is beyond chance."""
        return max(0.0, self.interval.low)


def by_scenario(
    scored: ScoredRows, flagged: npt.NDArray[np.bool_], resampling: Resampling
) -> list[Group]:
    """Detection of each scenario that has frauds; genuine transactions belong to none."""
    frauds = scored.labels == 1
    known, codes = np.unique(scored.scenarios[frauds], return_inverse=True)
    names = [
        SCENARIOS[code] if 0 <= code < len(SCENARIOS) else f"scenario {code}" for code in known
    ]
    of_row = np.full(len(scored), -1)
    of_row[frauds] = codes
    return _Tally.of(scored, flagged, of_row, names, resampling).groups()


def by_segment(
    scored: ScoredRows, flagged: npt.NDArray[np.bool_], resampling: Resampling
) -> tuple[dict[str, list[Group]], list[Difference]]:
    """Detection in each segment of each kind, and the differences of the kinds it is known of."""
    groups, differences = {}, []
    for kind in KINDS:
        if kind.name in scored.segments:
            codes = scored.segments[kind.name].astype(np.int64)
            tally = _Tally.of(scored, flagged, codes, kind.segments, resampling)
            groups[kind.name] = tally.groups()
            found = tally.difference(kind.name)
            differences += [] if found is None else [found]
    return groups, differences


def proven_bias(differences: Sequence[Difference]) -> float:
    """The largest difference that is beyond chance; 0 if no kind could be judged."""
    return max((difference.proven for difference in differences), default=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tally:
    """Sums and rates of each group, and the rates of each draw: [draw, group]."""

    names: Sequence[str]
    totals: Mapping[str, Floats]
    rates: Mapping[str, Floats]
    drawn: Mapping[str, Floats]

    @classmethod
    def of(
        cls,
        scored: ScoredRows,
        flagged: npt.NDArray[np.bool_],
        codes: npt.NDArray[np.int64],
        names: Sequence[str],
        resampling: Resampling,
    ) -> Self:
        """Adds up rows by their group's code; a row with a negative code is in no group."""
        sums = _card_sums(scored, flagged, codes, len(names))
        draws = [_rates(sums, weights) for weights in resampling.draws()]
        return cls(
            names=names,
            totals={name: table.sum(axis=0) for name, table in sums.items()},
            rates=_rates(sums, np.ones(resampling.cards)),
            drawn={
                rate: np.array([draw[rate] for draw in draws]).reshape(len(draws), len(names))
                for rate in ("recall", "false_positive_rate")
            },
        )

    def groups(self) -> list[Group]:
        return [self._group(index, name) for index, name in enumerate(self.names)]

    def difference(self, kind: str) -> Difference | None:
        """None if fewer than two segments have enough frauds."""
        judged = np.flatnonzero(self.totals["frauds"] >= FEWEST_FRAUDS)
        if len(judged) < 2:  # noqa: PLR2004 - a difference takes two
            return None
        recall, drawn = self.rates["recall"], self.drawn["recall"]
        best, worst = judged[recall[judged].argmax()], judged[recall[judged].argmin()]
        return Difference(
            kind=kind,
            best=self.names[best],
            worst=self.names[worst],
            recall_difference=float(recall[best] - recall[worst]),
            interval=interval(drawn[:, best] - drawn[:, worst]),
        )

    def _group(self, index: int, name: str) -> Group:
        total = {name: float(sums[index]) for name, sums in self.totals.items()}
        return Group(
            name=name,
            rows=int(total["rows"]),
            frauds=int(total["frauds"]),
            fraud_amount=total["amount"],
            recall=self._metric("recall", index),
            caught_amount_share=(
                total["caught_amount"] / total["amount"] if total["amount"] else None
            ),
            false_positive_rate=self._metric("false_positive_rate", index),
        )

    def _metric(self, rate: str, index: int) -> Metric | None:
        value = float(self.rates[rate][index])
        return None if np.isnan(value) else Metric(value, deviation(self.drawn[rate][:, index]))


def _card_sums(
    scored: ScoredRows,
    flagged: npt.NDArray[np.bool_],
    codes: npt.NDArray[np.int64],
    groups: int,
) -> dict[str, Floats]:
    """Sums over each card's rows in each group: [card, group]."""
    customers, card = np.unique(scored.customers, return_inverse=True)
    inside = codes >= 0
    index = card[inside] * groups + codes[inside]
    fraud, caught = scored.labels[inside] == 1, flagged[inside]
    lost = np.where(fraud, scored.amounts[inside] / MINOR_PER_UNIT, 0.0)
    values = {
        "rows": np.ones(len(index)),
        "frauds": fraud,
        "caught": fraud & caught,
        "amount": lost,
        "caught_amount": lost * caught,
        "false_alarms": ~fraud & caught,
    }
    return {
        name: np.bincount(index, each.astype(np.float64), len(customers) * groups)
        .reshape(-1, groups)
        .astype(np.float64)
        for name, each in values.items()
    }


def _rates(sums: Mapping[str, Floats], weights: Floats) -> dict[str, Floats]:
    """Each group's rates; not a number where there is nothing to divide by."""
    total = {name: weights @ table for name, table in sums.items()}
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "recall": total["caught"] / total["frauds"],
            "false_positive_rate": total["false_alarms"] / (total["rows"] - total["frauds"]),
        }
