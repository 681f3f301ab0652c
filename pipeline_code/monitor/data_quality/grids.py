"""The grids that a feature's values are counted in, laid out by the baseline's own values.

There are fine buckets, a hundred or two of about equal mass in the baseline, and coarse ones, about
ten, each of several fine. A value that many records share has a fine bucket for itself, as 0 is
most terminals' risk. Of a feature with few values each has one.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["FINE", "Grid", "Lookup", "singles"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Places = npt.NDArray[np.int16]

COARSE = 10
# A distribution function read off the fine buckets is wrong by a bucket's mass at most.
FINE = 128
# Fewer baseline rows than this in a fine bucket say nothing about it.
LEAST_ROWS = 20
# A feature of at most so many different values is taken for a category.
MOST_CATEGORIES = 20
# A coarse bucket of less mass than this is merged into its neighbour.
SMALLEST_BUCKET = 0.005
# A value of more mass than this takes whole quantile buckets for itself.
DOMINATING = 0.2
# Cells of a look-up table: what a processor's first cache holds beside the values.
MOST_CELLS = 4_096
FEWEST_BITS = 20


def singles(values: npt.NDArray[Any]) -> Floats:
    """What the model computes with: numbers in single precision, as doubles."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32).astype(np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Lookup:
    """Finds a number's bucket without a search: a cell for each start of a double's bits.

    Doubles that are not negative are in the order of their bits.

    Attributes:
        shift: How many of a double's last bits do not tell the cell.
        lowest: The cell that the table begins with; lower ones are in it.
        cells: The lowest bucket of each cell.
    """

    shift: int
    lowest: int
    cells: Places

    @classmethod
    def of(cls, edges: Floats) -> "Lookup":
        """The table for rising edges."""
        bits = edges[edges > 0].view(np.int64)
        if len(bits) == 0:
            return cls(FEWEST_BITS, 0, np.zeros(1, np.int16))
        shift = FEWEST_BITS
        while (bits[-1] >> shift) - (bits[0] >> shift) + 2 > MOST_CELLS:
            shift += 1
        lowest = int(bits[0] >> shift) - 1
        starts = (np.arange(lowest, (bits[-1] >> shift) + 1) << shift).astype(np.int64)
        starts[0] = 0  # all smaller numbers are in the first cell
        places = np.searchsorted(edges, starts.view(np.float64), side="right")
        return cls(shift, lowest, places.astype(np.int16))


@dataclass(frozen=True)
class Grid:
    """One feature's buckets.

    Bucket 0 holds what is below the first edge, bucket i what is in `edges[i - 1] <= value <
    edges[i]`, and the last what is not below the last edge. The baseline's values are all between.

    Attributes:
        edges: Of the fine buckets, rising.
        coarse: Which of the edges are those of coarse buckets too; the first and the last are.
        categorical: Whether each value of the baseline has a bucket for itself.
    """

    edges: tuple[float, ...]
    coarse: tuple[int, ...]
    categorical: bool = False

    @classmethod
    def of(cls, values: Floats) -> "Grid":
        """The buckets that a baseline's values lay out."""
        distinct, counts = np.unique(values, return_counts=True)
        before = np.concatenate([[0], np.cumsum(counts)])
        categorical = len(distinct) <= MOST_CATEGORIES
        tens = _coarse_places(counts, before)
        inner = np.arange(len(distinct)) if categorical else _fine_places(counts, before)
        places = np.union1d(inner, [0, *tens])
        edges = [*distinct[places].tolist(), float(np.nextafter(distinct[-1], np.inf))]
        coarse = np.searchsorted(places, [0, *tens]).tolist()
        return cls(tuple(edges), (*coarse, len(edges) - 1), categorical)

    @classmethod
    def even(cls, low: float, high: float, steps: int) -> "Grid":
        """Buckets of equal width for numbers that have no baseline; ten of them coarse ones."""
        edges = np.linspace(low, high, steps + 1).tolist()
        edges[-1] = float(np.nextafter(high, np.inf))
        return cls(tuple(edges), tuple(range(0, steps + 1, steps // COARSE)))

    @property
    def buckets(self) -> int:
        """How many fine buckets there are, with those of values outside."""
        return len(self.edges) + 1

    @cached_property
    def array(self) -> Floats:
        """The edges."""
        return np.array(self.edges, np.float64)

    @cached_property
    def lookup(self) -> Lookup:
        """Finds buckets fast."""
        return Lookup.of(self.array)

    def place(self, values: Floats) -> Places:
        """The fine bucket of each value, as the single that it rounds to."""
        return np.searchsorted(self.array, singles(values), side="right").astype(np.int16)

    def coarsened(self, counts: Ints) -> Ints:
        """Counts of fine buckets as counts of coarse ones, along the last axis."""
        starts = [0, *(place + 1 for place in self.coarse)]
        whole: Ints = np.add.reduceat(counts, starts, axis=-1)
        return whole


def _quantile_places(before: Ints, parts: int) -> Ints:
    """Where in the distinct values the parts of equal mass begin."""
    wanted = np.ceil((before[-1] - 1) * np.arange(1, parts) / parts)
    places: Ints = np.searchsorted(before, wanted, side="right") - 1
    return places


def _coarse_places(counts: Ints, before: Ints) -> list[int]:
    """Deciles; and where most values are the same, as the risks are 0, the next value above."""
    candidates = set(_quantile_places(before, COARSE).tolist())
    mode = int(counts.argmax())
    if counts[mode] >= DOMINATING * before[-1] and mode + 1 < len(counts):
        candidates.add(mode + 1)
    least = SMALLEST_BUCKET * before[-1]
    kept: list[int] = []
    for place in sorted(candidates - {0}):
        if before[place] - before[kept[-1] if kept else 0] >= least:
            kept.append(place)
    while kept and before[-1] - before[kept[-1]] < least:
        kept.pop()
    return kept


def _fine_places(counts: Ints, before: Ints) -> Ints:
    parts = int(min(FINE, max(2 * COARSE, before[-1] // LEAST_ROWS)))
    heavy = np.flatnonzero(counts * parts >= before[-1])
    after = heavy[heavy + 1 < len(counts)] + 1
    places: Ints = np.concatenate([_quantile_places(before, parts), heavy, after])
    return places
