"""Feature values of many records, a column each, with what is missing or no number counted."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Column", "columns_of"]


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One feature's values.

    Attributes:
        numbers: The values that are finite numbers, in the order of records.
        missing: Records without the feature, or with null.
        wrong: Records where it is something else than a finite number.
    """

    numbers: npt.NDArray[np.float64]
    missing: int = 0
    wrong: int = 0

    @property
    def present(self) -> int:
        """Records that have a value, of whatever type."""
        return len(self.numbers) + self.wrong

    @property
    def inferred_type(self) -> str:
        """Integral, Fractional, or Unknown if there is no number."""
        if len(self.numbers) == 0:
            return "Unknown"
        return "Integral" if self.integral_share == 1 else "Fractional"

    @property
    def integral_share(self) -> float:
        """The share of the numbers that are whole."""
        return float(np.mean(self.numbers == np.floor(self.numbers))) if len(self.numbers) else 1.0

    @property
    def completeness(self) -> float:
        """The share of records that have a value."""
        records = self.present + self.missing
        return self.present / records if records else 1.0


def columns_of(records: Iterable[Mapping[str, Any]]) -> dict[str, Column]:
    """The columns of records that may differ in their features, in order of first appearance."""
    values: dict[str, list[Any]] = {}
    total = 0
    for record in records:
        for name, value in record.items():
            values.setdefault(name, []).append(value)
        total += 1
    return {name: _column(given, total) for name, given in values.items()}


def _column(given: list[Any], total: int) -> Column:
    numbers = [float(value) for value in given if _is_number(value)]
    nulls = sum(value is None for value in given)
    return Column(
        numbers=np.array(numbers, np.float64),
        missing=total - len(given) + nulls,
        wrong=len(given) - nulls - len(numbers),
    )


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond what a double holds
        return False
