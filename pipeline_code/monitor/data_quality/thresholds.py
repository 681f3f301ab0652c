"""The thresholds of distances: how far quiet records may be, drawn from the baseline itself.

A draw takes a random half of the owners (customers or terminals) as the baseline. Of the other
half's records it takes successive ones from a random time on, as the analysis of an hour or of a
week does, as few or as many. So it holds all that makes quiet records differ: other owners, each
with several records that are alike, another time of the day and of the week, and chance. From many
draws follows what a distance exceeds next to never: its mean and some standard deviations. A
threshold is what a drift just worth a training measures through as much noise.

Of a bank so large that the records of an hour are as many as the rows that are drawn from, an hour
has little chance in it, and yet is not like the week. So what the hours of the day and the days of
the week differ by in the baseline, beyond chance, is never taken for drift.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_code.monitor.data_quality.distances import Distance, distances_of, measure
from pipeline_code.monitor.data_quality.grids import Grid
from pipeline_code.monitor.data_quality.sketch_kernel import count_draws

__all__ = ["LEAST_THRESHOLDS", "MINIMUM_RECORDS", "Draws", "Limits"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Places = npt.NDArray[np.int16]

DRAWS = 100
# Fewer records say nothing about ten buckets.
MINIMUM_RECORDS = 200
# Each size of sample that is drawn is so many times the one before.
STEP = 3
# Drifts that are just worth a training: no feature is said to have drifted by less, however much
# alike the baseline's halves are.
LEAST_THRESHOLDS: Mapping[Distance, float] = {
    Distance.POPULATION_STABILITY: 0.15,
    Distance.JENSEN_SHANNON: 0.15,
    Distance.KOLMOGOROV_SMIRNOV: 0.15,
    Distance.CATEGORICAL: 0.15,
}
# Three distances of two dozen features are looked at each hour; a false alarm costs a training.
DEVIATIONS = 5.0
# An hour of the day or a day of the week that has fewer rows says nothing beyond chance.
LEAST_OF_A_TIME = 1_000
# How often it is drawn what chance alone makes of such a part of the rows.
SHUFFLES = 4
HOUR, DAY = 3_600_000_000, 86_400_000_000  # in microseconds


@dataclass(frozen=True, slots=True)
class Limits:
    """What one distance may be, by the number of records; more records than the last: the last."""

    records: tuple[int, ...]
    values: tuple[float, ...]


class Draws:
    """Draws from one baseline by the owners of its records.

    Args:
        owners: Each record's owner, in the order of time.
        times: Each record's event time in microseconds since 1970, rising.
        random: What is drawn from.
    """

    def __init__(
        self, owners: npt.NDArray[np.generic], times: Ints, random: np.random.Generator
    ) -> None:
        names, codes = np.unique(owners, return_inverse=True)
        half = np.arange(len(names)) < len(names) // 2
        draws = DRAWS if half.any() else 0
        self._halves = np.array([random.permutation(half)[codes] for _ in range(draws)], np.bool_)
        self.records = _sizes(len(owners))
        if draws:
            others = (~self._halves).sum(axis=1)[:, np.newaxis]
            spare = np.maximum(0, others - self.records)
            begins = random.random(spare.shape) * (spare + 1)
            self._begins = begins.astype(np.int64)
            self._ends = np.minimum(others, self._begins + self.records)
        self._slots = [slots for slots in (times // HOUR % 24, times // DAY % 7) if len(slots)]
        self._shuffles = [random.permutation(len(owners)) for _ in range(SHUFFLES)]

    def limits(self, grid: Grid, places: Places) -> Mapping[Distance, Limits]:
        """What each distance of a feature may be, given its records' fine buckets."""
        if len(self._halves) == 0:
            return {
                distance: Limits((MINIMUM_RECORDS,), (LEAST_THRESHOLDS[distance],))
                for distance in distances_of(grid)
            }
        expected, actual = self._counts(grid, places)
        by_size = [measure(grid, expected, counts) for counts in actual]
        times = self._times(grid, places)
        return {
            distance: Limits(
                self.records,
                _thresholds(distance, [found[distance] for found in by_size], times[distance]),
            )
            for distance in by_size[0]
        }

    def _times(self, grid: Grid, places: Places) -> Mapping[Distance, float]:
        """How far a time of the day or week is from all, beyond chance, at most; a length."""
        found = dict.fromkeys(distances_of(grid), 0.0)
        whole = np.bincount(places, minlength=grid.buckets)
        for slots in self._slots:
            kept = np.bincount(slots) >= LEAST_OF_A_TIME
            if not kept.any():
                continue
            by_time = measure(grid, whole, _by_slot(grid, slots, places)[kept])
            by_chance = [
                measure(grid, whole, _by_slot(grid, slots, places[shuffle])[kept])
                for shuffle in self._shuffles
            ]
            for distance in found:
                chance = np.mean([_lengths(distance, one[distance]) ** 2 for one in by_chance], 0)
                beyond = _lengths(distance, by_time[distance]) ** 2 - chance
                found[distance] = max(found[distance], float(np.sqrt(max(0.0, beyond.max()))))
        return found

    def _counts(self, grid: Grid, places: Places) -> tuple[Ints, Ints]:
        """Counts of the baseline's half by draw, and of the others' by size of sample and draw."""
        expected = np.zeros((len(self._halves), grid.buckets), np.int64)
        actual = np.zeros((*self._begins.shape, grid.buckets), np.int64)
        count_draws(places, self._halves, self._begins, self._ends, expected, actual)
        return expected, actual.swapaxes(0, 1)


def _sizes(records: int) -> tuple[int, ...]:
    """Sizes of samples, up to half of the records."""
    most = max(1, records // 2)
    sizes = [MINIMUM_RECORDS]
    while sizes[-1] * STEP < most:
        sizes.append(sizes[-1] * STEP)
    return (*(size for size in sizes if size < most), most)


def _by_slot(grid: Grid, slots: Ints, places: Places) -> Ints:
    """Counts by slot of time and fine bucket."""
    slots_used = int(slots.max()) + 1
    cells = np.bincount(slots * grid.buckets + places, minlength=slots_used * grid.buckets)
    return cells.reshape(slots_used, grid.buckets)


def _lengths(distance: Distance, values: Floats) -> Floats:
    """The index is a length's square, the other distances are lengths."""
    return np.sqrt(values) if distance is Distance.POPULATION_STABILITY else values


def _thresholds(distance: Distance, drawn: list[Floats], time: float) -> tuple[float, ...]:
    """By size of sample, from the distances drawn at each, and the length that times differ by."""
    # Lengths spread about their mean as a normal variable does. A drift, noise and the time of day,
    # which know nothing of each other, add up as the sides of a right angle do.
    lengths = [_lengths(distance, found) for found in drawn]
    noise = np.array([length.mean() + DEVIATIONS * length.std() for length in lengths])
    noise[-1] = np.hypot(noise[-1], time)
    least = float(_lengths(distance, np.array(LEAST_THRESHOLDS[distance])))
    limits = np.hypot(least, noise) ** (2 if distance is Distance.POPULATION_STABILITY else 1)
    # More records never make it more.
    falling = np.maximum.accumulate(limits[::-1])[::-1]
    return tuple(falling.tolist())
