"""The distances of two distributions over the same buckets; each is 0 without change.

Counts are along the last axis, so that many pairs are compared at once.
"""

from collections.abc import Mapping
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from scipy.special import rel_entr

from pipeline_code.monitor.data_quality.grids import Grid

__all__ = ["Distance", "distances_of", "measure"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Mass given to every coarse bucket, in both distributions: less says next to nothing.
SMOOTHING = 0.01


class Distance(StrEnum):
    """The distances; the value is its key in the documents."""

    POPULATION_STABILITY = "population_stability_index"
    JENSEN_SHANNON = "jensen_shannon"
    KOLMOGOROV_SMIRNOV = "kolmogorov_smirnov"
    CATEGORICAL = "l_infinity"

    @property
    def words(self) -> str:
        """What people call it."""
        return {
            Distance.POPULATION_STABILITY: "population stability index",
            Distance.JENSEN_SHANNON: "Jensen-Shannon distance",
            Distance.KOLMOGOROV_SMIRNOV: "Kolmogorov-Smirnov distance",
            Distance.CATEGORICAL: "largest change of a value's share",
        }[self]


def distances_of(grid: Grid) -> tuple[Distance, ...]:
    """What a feature is compared by; a category has no order to be compared by."""
    third = Distance.CATEGORICAL if grid.categorical else Distance.KOLMOGOROV_SMIRNOV
    return (Distance.POPULATION_STABILITY, Distance.JENSEN_SHANNON, third)


def measure(grid: Grid, expected: Ints, actual: Ints) -> Mapping[Distance, Floats]:
    """Every distance that the feature is compared by, of counts by fine bucket."""
    p, q = _shares(expected), _shares(actual)
    found: dict[Distance, Floats] = {
        Distance.POPULATION_STABILITY: _stability(
            _shares(grid.coarsened(expected)), _shares(grid.coarsened(actual))
        ),
        Distance.JENSEN_SHANNON: _jensen_shannon(p, q),
    }
    if grid.categorical:
        found[Distance.CATEGORICAL] = np.abs(p - q).max(axis=-1)
    else:
        found[Distance.KOLMOGOROV_SMIRNOV] = np.abs(np.cumsum(p - q, axis=-1)).max(axis=-1)
    return found


def _shares(counts: Ints) -> Floats:
    shares: Floats = counts / counts.sum(axis=-1, keepdims=True)
    return shares


def _jensen_shannon(p: Floats, q: Floats) -> Floats:
    """The root of the divergence in bits; at most 1."""
    middle = (p + q) / 2
    divergence = (rel_entr(p, middle) + rel_entr(q, middle)).sum(axis=-1) / (2 * np.log(2))
    # Of two that are all but equal, rounding may leave less than nothing.
    root: Floats = np.sqrt(np.maximum(divergence, 0.0))
    return root


def _stability(p: Floats, q: Floats) -> Floats:
    """The population stability index, symmetric and finite."""
    p, q = p + SMOOTHING, q + SMOOTHING
    # Both have the same sum, which is that of their buckets' masses.
    index: Floats = ((q - p) * np.log(q / p)).sum(axis=-1) / (1 + SMOOTHING * p.shape[-1])
    return index
