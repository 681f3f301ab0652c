"""The limits of attribution drift: by how much other cards and terminals would differ.

A week's attributions depend on who paid where: a few compromised terminals make the risk features
matter. So both are drawn again, cards and terminals, and a row counts as often as its card times
its terminal was drawn (a bootstrap of two owners). Drawing cards alone raised false alarms in
simulated weeks. Two such draws, one as large as the baseline and one as large as what is analyzed,
differ as two quiet weeks may.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from pipeline_code.monitor.attribution.attributions import agreement, shift

__all__ = ["CLARIFY_AGREEMENT", "Limits", "drawn_limits"]

Floats = npt.NDArray[np.float64]
Owners = Sequence[npt.NDArray[np.int64]]

# Below this Clarify reports drift.
CLARIFY_AGREEMENT = 0.9
# Less of all contributions than this may always change its feature.
LEAST_SHIFT = 0.15
# What a quiet week may exceed by chance, in each figure.
FALSE_ALARM_RATE = 0.01
DRAWS = 200
SEED = 20180403
# Analyses of so many records have limits of their own; fewer are not judged.
SIZES = (200, 500, 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What holds for an analysis of so many records, or more."""

    records: int
    least_agreement: float
    largest_shift: float

    @classmethod
    def parse(cls, document: Any) -> Self:
        """Reads what `document` writes."""
        return cls(
            records=int(document["records"]),
            least_agreement=float(document["ndcg_at_least"]),
            largest_shift=float(document["shift_at_most"]),
        )

    def document(self) -> dict[str, float]:
        """An entry of the constraints."""
        return {
            "records": self.records,
            "ndcg_at_least": round(self.least_agreement, 4),
            "shift_at_most": round(self.largest_shift, 4),
        }


def drawn_limits(sizes: Floats, owners: Owners) -> list[Limits]:
    """The limits that the baseline's own rows suggest, by rising number of records.

    Args:
        sizes: The size of each contribution: a row a record, a column a feature.
        owners: Whose each record is: its card and its terminal.
    """
    random = np.random.default_rng(SEED)
    indices = [np.unique(owner, return_inverse=True)[1] for owner in owners]
    return [_limits(sizes, indices, records, random) for records in SIZES]


def _limits(sizes: Floats, owners: Owners, records: int, random: np.random.Generator) -> Limits:
    pairs = [
        (_drawn(sizes, owners, len(sizes), random), _drawn(sizes, owners, records, random))
        for _ in range(DRAWS)
    ]
    agreements = [agreement(first, second) for first, second in pairs]
    shifts = [shift(first, second) for first, second in pairs]
    return Limits(
        records=records,
        least_agreement=min(
            CLARIFY_AGREEMENT, float(np.quantile(agreements, FALSE_ALARM_RATE, method="lower"))
        ),
        largest_shift=max(
            LEAST_SHIFT, float(np.quantile(shifts, 1 - FALSE_ALARM_RATE, method="higher"))
        ),
    )


def _drawn(sizes: Floats, owners: Owners, records: int, random: np.random.Generator) -> Floats:
    """The mean size of contributions in about so many records of owners drawn with replacement."""
    weights = np.ones(len(sizes))
    for index, owner in enumerate(owners):
        known = int(owner.max()) + 1
        # Fewer records come of fewer cards, which go to all terminals.
        count = known if index else max(1, round(known * records / len(sizes)))
        weights *= np.bincount(random.integers(known, size=count), minlength=known)[owner]
    # Cards and terminals that never met tell nothing; the whole does.
    mean: Floats = np.average(sizes, axis=0, weights=weights if weights.any() else None)
    return mean
