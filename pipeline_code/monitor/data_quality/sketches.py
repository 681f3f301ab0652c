"""The sketch of a dataset that streams by: by feature, counts in buckets and moments.

The memory does not depend on the number of records. Two sketches over the same buckets add up to
that of both datasets.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from pipeline_code.captures.chunks import Chunk
from pipeline_code.monitor.data_quality.grids import Grid
from pipeline_code.monitor.data_quality.sketch_kernel import (
    COUNT,
    HIGH,
    LOW,
    MEAN,
    MOMENTS,
    SQUARES,
    TOTAL,
    WHOLE,
    add_numbers,
)

__all__ = ["Sketch", "Summary"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Of a feature that the baseline does not have.
NO_EDGES = Grid((), ())


def _nothing() -> Floats:
    moments = np.zeros(MOMENTS)
    moments[LOW], moments[HIGH] = np.inf, -np.inf
    return moments


@dataclass(slots=True, eq=False)
class _Part:
    """One feature's part of a sketch."""

    grid: Grid
    counts: Ints
    moments: Floats = field(default_factory=_nothing)
    wrong: int = 0

    def add(self, numbers: Floats) -> None:
        # The kernel takes no array that is read-only, as Arrow's are.
        numbers = np.require(numbers, np.float64, ["C", "W"])
        lookup = self.grid.lookup
        add_numbers(
            numbers,
            numbers.view(np.int64),
            self.grid.array,
            lookup.cells,
            lookup.shift,
            lookup.lowest,
            self.counts,
            self.moments,
        )

    def merge(self, other: "_Part") -> None:
        self.counts += other.counts
        self.wrong += other.wrong
        mine, theirs = self.moments, other.moments
        both = mine[COUNT] + theirs[COUNT]
        if both:
            apart = theirs[MEAN] - mine[MEAN]
            mine[SQUARES] += theirs[SQUARES] + apart**2 * mine[COUNT] * theirs[COUNT] / both
            mine[MEAN] += apart * theirs[COUNT] / both
        for place in (COUNT, WHOLE, TOTAL):
            mine[place] += theirs[place]
        mine[LOW], mine[HIGH] = min(mine[LOW], theirs[LOW]), max(mine[HIGH], theirs[HIGH])


def _finite(figure: float) -> float:
    """A figure that JSON has: sums of numbers near the largest double are beyond it."""
    largest = float(np.finfo(np.float64).max)
    return float(np.nan_to_num(figure, nan=largest, posinf=largest, neginf=-largest))


@dataclass(frozen=True, slots=True, eq=False)
class Summary:
    """What is known of one feature in the end.

    Attributes:
        grid: The buckets; without edges if the baseline does not have the feature.
        counts: Of the numbers, by fine bucket.
        moments: As `sketch_kernel` names them.
        records: Records of the whole dataset.
        wrong: Records where the value is something else than a finite number.
    """

    grid: Grid
    counts: Ints
    moments: Floats
    records: int
    wrong: int

    @property
    def numbers(self) -> int:
        """Records where the value is a finite number."""
        return int(self.moments[COUNT])

    @property
    def present(self) -> int:
        """Records that have a value, of whatever type."""
        return self.numbers + self.wrong

    @property
    def missing(self) -> int:
        """Records without the feature, or with null."""
        return self.records - self.present

    @property
    def completeness(self) -> float:
        """The share of records that have a value."""
        return self.present / self.records if self.records else 1.0

    @property
    def integral_share(self) -> float:
        """The share of the numbers that are whole."""
        return float(self.moments[WHOLE] / self.moments[COUNT]) if self.numbers else 1.0

    @property
    def inferred_type(self) -> str:
        """Integral, Fractional, or Unknown if there is no number."""
        if self.numbers == 0:
            return "Unknown"
        return "Integral" if self.integral_share == 1 else "Fractional"

    @property
    def mean(self) -> float:
        """The mean of the numbers."""
        return _finite(self.moments[MEAN])

    @property
    def sum(self) -> float:
        """The sum of the numbers."""
        return _finite(self.moments[TOTAL])

    @property
    def std_dev(self) -> float:
        """The numbers' standard deviation, that of a population."""
        return _finite(np.sqrt(self.moments[SQUARES] / self.moments[COUNT]))

    @property
    def low(self) -> float:
        """The smallest number."""
        return float(self.moments[LOW])

    @property
    def high(self) -> float:
        """The largest number."""
        return float(self.moments[HIGH])


class Sketch:
    """Everything kept of one dataset.

    sketch = Sketch({"amount_minor": Grid.of(baseline)})
    sketch.add(chunk)
    sketch.summaries()["amount_minor"].mean
    """

    def __init__(self, grids: Mapping[str, Grid]) -> None:
        self._grids = grids
        self._parts: dict[str, _Part] = {}
        self.records = 0

    def add(self, chunk: Chunk) -> None:
        """Takes some more records."""
        self.records += chunk.records
        for name, numbers, wrong in zip(chunk.names, chunk.values, chunk.wrong, strict=True):
            part = self._part(name)
            part.add(numbers)
            part.wrong += int(wrong)

    def merge(self, other: "Sketch") -> None:
        """Takes all of another sketch over the same buckets."""
        self.records += other.records
        for name, part in other._parts.items():
            self._part(name).merge(part)

    def summaries(self) -> dict[str, Summary]:
        """What is known of each feature that occurred, in order of first appearance."""
        return {
            name: Summary(part.grid, part.counts, part.moments, self.records, part.wrong)
            for name, part in self._parts.items()
        }

    def _part(self, name: str) -> _Part:
        if name not in self._parts:
            grid = self._grids.get(name, NO_EDGES)
            self._parts[name] = _Part(grid, np.zeros(grid.buckets, np.int64))
        return self._parts[name]
