"""How far quiet records may be from the baseline: drawn from the baseline itself.

A draw takes a random half of the owners (customers or terminals) as the baseline. Of the other
half's records it takes successive ones from a random time on, as the analysis of an hour or of a
week does, as few or as many. So it holds all that makes quiet records differ: other owners, each
with several records that are alike, another time of the day and of the week, and chance. From many
draws follows what a distance exceeds next to never: its mean and some standard deviations.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_code.monitor.distances import Distance, measure
from pipeline_code.monitor.grids import Grid

__all__ = ["LEAST_THRESHOLDS", "MINIMUM_RECORDS", "Draws", "Limits"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Places = npt.NDArray[np.int16]

DRAWS = 100
# Fewer records say nothing about ten buckets.
MINIMUM_RECORDS = 200
# Each size of sample that is drawn is so many times the one before.
STEP = 3
# Below these no feature is said to have drifted, however much alike the baseline's halves are.
LEAST_THRESHOLDS: Mapping[Distance, float] = {
    Distance.POPULATION_STABILITY: 0.15,
    Distance.JENSEN_SHANNON: 0.15,
    Distance.KOLMOGOROV_SMIRNOV: 0.15,
    Distance.CATEGORICAL: 0.15,
}
# Three distances of two dozen features are looked at each hour; a false alarm costs a training.
DEVIATIONS = 5.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What one distance may be, by the number of records; more records than the last: the last."""

    records: tuple[int, ...]
    values: tuple[float, ...]


class Draws:
    """Draws from one baseline by the owners of its records.

    Args:
        owners: Each record's owner, in the order of time.
        random: What is drawn from.
    """

    def __init__(self, owners: npt.NDArray[np.generic], random: np.random.Generator) -> None:
        names, codes = np.unique(owners, return_inverse=True)
        half = len(names) // 2
        self._halves = np.array(
            [
                np.isin(codes, random.permutation(len(names))[:half])
                for _ in range(DRAWS if half else 0)
            ]
        )
        self.records = _sizes(len(owners))
        self._begins = random.random((DRAWS, len(self.records)))

    def limits(self, grid: Grid, places: Places) -> Mapping[Distance, Limits]:
        """What each distance of a feature may be, given its records' fine buckets."""
        if len(self._halves) == 0:
            return {}
        expected, actual = self._counts(grid, places)
        by_size = [measure(grid, expected, counts) for counts in actual]
        return {
            distance: Limits(
                self.records, _seldom_exceeded(distance, [found[distance] for found in by_size])
            )
            for distance in by_size[0]
        }

    def _counts(self, grid: Grid, places: Places) -> tuple[Ints, Ints]:
        """Counts of the baseline's half by draw, and of the others' by size of sample and draw."""
        expected = np.empty((len(self._halves), grid.buckets), np.int64)
        actual = np.empty((len(self.records), *expected.shape), np.int64)
        for draw, half in enumerate(self._halves):
            expected[draw] = np.bincount(places[half], minlength=grid.buckets)
            others = places[~half]
            for size, records in enumerate(self.records):
                spare = max(0, len(others) - records)
                begin = int(self._begins[draw, size] * (spare + 1))
                window = others[begin : begin + records]
                actual[size, draw] = np.bincount(window, minlength=grid.buckets)
        return expected, actual


def _sizes(records: int) -> tuple[int, ...]:
    """Sizes of samples, up to half of the records."""
    most = max(1, records // 2)
    sizes = [MINIMUM_RECORDS]
    while sizes[-1] * STEP < most:
        sizes.append(sizes[-1] * STEP)
    return (*(size for size in sizes if size < most), most)


def _seldom_exceeded(distance: Distance, drawn: list[Floats]) -> tuple[float, ...]:
    # On the scale of a root all are lengths, which spread about their mean as a normal variable.
    power = 2 if distance is Distance.POPULATION_STABILITY else 1
    lengths = [found ** (1 / power) for found in drawn]
    limits = [float(length.mean() + DEVIATIONS * length.std()) ** power for length in lengths]
    # More records never make it more.
    falling = np.maximum.accumulate(limits[::-1])[::-1]
    return tuple(falling.tolist())
