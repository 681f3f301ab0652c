"""How far a feature's distribution has moved from the baseline's.

The distance is the population stability index over the baseline's quantile buckets. By common
practice below 0.1 is no change and above 0.25 a major one, but that presumes many independent
records. Records of one customer are alike, so the threshold of a feature is also raised to what
two random halves of the baseline's own customers (or terminals) differ by.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import chi2

__all__ = ["Buckets", "distance", "sampling_noise", "split_half_distance"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

BUCKETS = 10
# Mass given to every bucket, in both distributions: a bucket that holds less says next to nothing.
SMOOTHING = 0.01
# A bucket of less mass than this is merged into its neighbour.
SMALLEST_BUCKET = 0.005
# A value of more mass than this takes whole quantile buckets for itself.
DOMINATING = 0.2
SPLITS = 40
# How seldom sampling alone may exceed what is allowed for it.
FALSE_ALARM_RATE = 1e-4


@dataclass(frozen=True, slots=True)
class Buckets:
    """Where a feature's values are counted: `edges[i] <= value < edges[i + 1]`.

    Values outside the baseline's range count in the first or last bucket.
    """

    edges: tuple[float, ...]

    @classmethod
    def of(cls, values: Floats) -> "Buckets":
        """At most ten buckets of about equal mass; fewer where many values are the same."""
        low, high = float(values.min()), float(values.max())
        inner: list[float] = []
        for edge in _candidates(values):
            since = inner[-1] if inner else low
            if edge > low and np.mean((values >= since) & (values < edge)) >= SMALLEST_BUCKET:
                inner.append(edge)
        while inner and np.mean(values >= inner[-1]) < SMALLEST_BUCKET:
            inner.pop()
        # A baseline of one value has a bucket above it, lest nothing ever differs from it.
        above = [float(np.nextafter(high, np.inf))] if low == high else []
        return cls((low, *inner, *above, float(np.nextafter(max([high, *above]), np.inf))))

    def count(self, values: Floats) -> Ints:
        """How many values each bucket holds."""
        return np.bincount(self.place(values), minlength=len(self.edges) - 1).astype(np.int64)

    def place(self, values: Floats) -> Ints:
        """The bucket of each value."""
        return np.searchsorted(np.asarray(self.edges[1:-1]), values, side="right").astype(np.int64)


def _candidates(values: Floats) -> list[float]:
    """Deciles; and where most values are the same, as the risks are 0, the next value above."""
    deciles = np.quantile(values, np.arange(1, BUCKETS) / BUCKETS, method="higher").tolist()
    distinct, counts = np.unique(values, return_counts=True)
    mode = int(counts.argmax())
    if counts[mode] >= DOMINATING * len(values) and mode + 1 < len(distinct):
        deciles.append(float(distinct[mode + 1]))
    return sorted(set(deciles))


def distance(expected: Ints, actual: Ints) -> float:
    """The population stability index of two counts over the same buckets; 0 is no change."""
    p, q = _masses(expected), _masses(actual)
    return float(np.sum((q - p) * np.log(q / p)))


def _masses(counts: Ints) -> Floats:
    masses: Floats = counts / counts.sum() + SMOOTHING
    whole: Floats = masses / masses.sum()
    return whole


def split_half_distance(
    values: Floats, owners: Ints, buckets: Buckets, random: np.random.Generator
) -> float:
    """The largest distance between two random halves of the owners, over many splits.

    That is what two weeks of other customers could show; the same customers in two weeks differ
    less. 0 if all records have one owner.
    """
    names, places = np.unique(owners, return_inverse=True)
    width = len(buckets.edges) - 1
    cells = places * width + buckets.place(values)
    counts = np.bincount(cells, minlength=len(names) * width).reshape(-1, width)
    worst = 0.0
    for _ in range(SPLITS if len(names) > 1 else 0):
        half = random.permutation(len(names))[: len(names) // 2]
        first = counts[half].sum(axis=0)
        worst = max(worst, distance(first, counts.sum(axis=0) - first))
    return worst


def sampling_noise(buckets: Buckets) -> float:
    """What sampling alone adds to the distance, times the number of independent records."""
    freedom = len(buckets.edges) - 2
    return float(chi2.ppf(1 - FALSE_ALARM_RATE, freedom)) if freedom else 0.0
