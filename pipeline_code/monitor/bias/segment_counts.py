"""Counts of judged predictions by card and segment, taken as they pass: all that bias needs.

A card's transactions share segments, so the counts take far less memory than the predictions.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.sparse import csr_array

from pipeline_code.quality.bootstrap import Resampling
from pipeline_code.quality.metrics import RESAMPLES
from pipeline_code.quality.segments import KINDS, Codes, SegmentKind

__all__ = ["FACETS", "Cells", "Facet", "SegmentCounts", "Sums"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

# Rows that wait before those of one card and cell are added up.
PENDING = 2_000_000


@dataclass(frozen=True, slots=True)
class Facet:
    """A segment, to be compared with the rest of its kind."""

    kind: SegmentKind
    index: int

    @property
    def segment(self) -> str:
        """The segment's name."""
        return self.kind.segments[self.index]

    def __str__(self) -> str:
        return f"{self.kind.name}/{self.segment}"


def _facets() -> Iterator[Facet]:
    for kind in KINDS:
        # Of two segments each is the rest of the other, and one comparison tells of both.
        count = 1 if len(kind.segments) == 2 else len(kind.segments)  # noqa: PLR2004
        yield from (Facet(kind, index) for index in range(count))


FACETS: tuple[Facet, ...] = tuple(_facets())


@dataclass(frozen=True, slots=True)
class Sums:
    """A group's predictions: as they are first, then once a resample of the cards."""

    rows: Floats
    flagged: Floats
    frauds: Floats
    caught: Floats


class SegmentCounts:
    """Judged predictions of any number, added some at a time."""

    def __init__(self) -> None:
        self._tables: list[pa.Table] = []
        self._pending = 0
        self.judged = 0
        self.frauds = 0

    def add(
        self, customers: Ints, segments: Mapping[str, Codes], labels: Codes, flagged: Flags
    ) -> None:
        """Counts predictions.

        Args:
            customers: Whose they are.
            segments: The place of each one's segment, by kind; a negative one is of no segment.
            labels: 1 for a fraud, 0 for none.
            flagged: Which are called frauds.
        """
        cells = Cells.numbers(segments, labels, flagged)
        ones = np.ones(len(cells), np.int64)
        self._tables.append(pa.table({"card": customers, "cell": cells, "count": ones}))
        self.judged += len(cells)
        self.frauds += int(labels.sum())
        self._pending += len(cells)
        if self._pending > PENDING:
            self._tables = [self._added_up()]
            self._pending = 0

    def cells(self) -> "Cells":
        """The counts of all; there must be some."""
        table = self._added_up()
        cards, card = np.unique(table["card"].to_numpy(), return_inverse=True)
        codes, cell = np.unique(table["cell"].to_numpy(), return_inverse=True)
        counts = csr_array(
            (table["count"].to_numpy().astype(np.float64), (card, cell)),
            shape=(len(cards), len(codes)),
        )
        return Cells.of(codes.astype(np.int64), counts)

    def _added_up(self) -> pa.Table:
        grouped = pa.concat_tables(self._tables).group_by(["card", "cell"])
        return grouped.aggregate([("count", "sum")]).rename_columns({"count_sum": "count"})


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """How many predictions are in each cell, as they are and once a resample.

    A cell is one combination of segments, label and decision.
    """

    segments: Mapping[str, Codes]
    frauds: Flags
    flagged: Flags
    counts: Floats

    @staticmethod
    def numbers(
        segments: Mapping[str, Codes], labels: Codes, flagged: Flags
    ) -> npt.NDArray[np.int32]:
        """The cell of each prediction."""
        number = np.zeros(len(labels), np.int32)
        for kind in KINDS:
            number = number * (len(kind.segments) + 1) + segments[kind.name] + 1
        cells: npt.NDArray[np.int32] = number * 4 + 2 * (labels == 1) + flagged
        return cells

    @classmethod
    def of(cls, numbers: Ints, counts: "csr_array") -> Self:
        """Reads cells' numbers, and draws the cards whose counts are the rows of `counts`."""
        rest, segments = numbers // 4, {}
        for kind in reversed(KINDS):
            rest, index = np.divmod(rest, len(kind.segments) + 1)
            segments[kind.name] = (index - 1).astype(np.int8)
        frauds = numbers // 2 % 2 == 1
        resampling = Resampling(
            cards=counts.shape[0],
            frauds_of_card=counts @ frauds.astype(np.float64),
            rows_of_card=np.asarray(counts.sum(axis=1)),
            resamples=RESAMPLES,
        )
        drawn = [weights @ counts for weights in resampling.draws()]
        return cls(
            segments=segments,
            frauds=frauds,
            flagged=numbers % 2 == 1,
            counts=np.vstack([np.asarray(counts.sum(axis=0)), *drawn]),
        )

    def sums(self, facet: Facet) -> tuple[Sums, Sums]:
        """The predictions in a segment, and those in the others of its kind."""
        index = self.segments[facet.kind.name]
        return self._sums(index == facet.index), self._sums((index >= 0) & (index != facet.index))

    def _sums(self, inside: Flags) -> Sums:
        groups = (inside, inside & self.flagged, inside & self.frauds)
        caught = inside & self.flagged & self.frauds
        return Sums(*(self.counts[:, group].sum(axis=1) for group in (*groups, caught)))
