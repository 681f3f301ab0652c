"""Rows of integers as few bytes on their way to another shard, by the disk or by the network.

A value is two 32-bit halves, or one if it is known to fit.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from pipeline_code.common.compiled import compiled

__all__ = ["AS_THEY_ARE", "NO_TOTALS", "Halves", "Packing"]

Ints = npt.NDArray[np.int64]
Halves = npt.NDArray[np.int32]

LOW_HALF = 0xFFFFFFFF
AS_THEY_ARE = np.empty(0, np.int64)
NO_TOTALS = np.empty((0, 0), np.int64)


@compiled("i8(i4[::1], i8, i8, b1)")
def _put(target: Halves, index: int, value: int, narrow: bool) -> int:
    target[index] = np.int32(value & LOW_HALF)
    if narrow:
        return index + 1
    target[index + 1] = np.int32(value >> 32)
    return index + 2


@compiled("i4[:, ::1](i8[:, ::1], i8[::1], i8[:, ::1], i4[::1], i8[::1], b1[::1])")
def _packed(
    columns: Ints,
    order: Ints,
    totals: Ints,
    shards: Halves,
    starts: Ints,
    narrow: npt.NDArray[np.bool_],
) -> Halves:
    """Rows in order of their shards, as 32-bit halves; a narrow value has one half.

    Args:
        columns: What rows are made of [a row a column].
        order: In which order they are appended; empty if as they are.
        totals: What else each row carries [a row each], in that order.
        shards: Each row's shard, in that order.
        starts: Where each shard's rows start; each is moved on to its end.
        narrow: Of each column, then of each total, whether it fits into 32 bits.
    """
    packed = np.empty((len(shards), 2 * len(narrow) - narrow.sum()), np.int32)
    for row in range(len(shards)):
        target = packed[starts[shards[row]]]
        starts[shards[row]] += 1
        index, source = 0, order[row] if len(order) else row
        for column in range(len(columns)):
            index = _put(target, index, columns[column, source], narrow[column])
        for total in range(totals.shape[1]):
            index = _put(target, index, totals[row, total], narrow[len(columns) + total])
    return packed


@compiled("i8(i4[::1], i8, b1)")
def _got(source: Halves, index: int, narrow: bool) -> int:
    low = np.int64(source[index])
    return int(low if narrow else (low & LOW_HALF) | (np.int64(source[index + 1]) << 32))


@compiled("void(i4[:, ::1], i8[:, ::1], i8[:, ::1], b1[::1])")
def _unpack(packed: Halves, columns: Ints, totals: Ints, narrow: npt.NDArray[np.bool_]) -> None:
    """Writes what `_packed` packed to columns and totals of the same shape."""
    for row in range(len(packed)):
        index = 0
        for column in range(len(columns)):
            columns[column, row] = _got(packed[row], index, narrow[column])
            index += 1 if narrow[column] else 2
        for total in range(totals.shape[1]):
            is_narrow = narrow[len(columns) + total]
            totals[row, total] = _got(packed[row], index, is_narrow)
            index += 1 if is_narrow else 2


class Packing:
    """How the rows of one kind are packed.

    Packing([False] * 5).unpack([packed])[0]  # the columns

    Args:
        columns: Of each column of a row, whether its values are known to fit into 32 bits.
        totals: The same of each total that a row carries besides.
    """

    def __init__(self, columns: Sequence[bool], totals: Sequence[bool] = ()) -> None:
        self._columns, self._totals = len(columns), len(totals)
        self._narrow = np.array([*columns, *totals], np.bool_)
        self._width = int(2 * len(self._narrow) - self._narrow.sum())

    def pack(
        self,
        columns: Ints,
        shards: Halves,
        count: int,
        order: Ints = AS_THEY_ARE,
        totals: Ints = NO_TOTALS,
    ) -> Iterator[tuple[int, Halves]]:
        """Each shard that rows go to, with those rows packed.

        Args:
            columns: What the rows are made of [a row a column].
            shards: Each row's shard, in the order of the next.
            count: How many shards there are.
            order: In which order the rows go.
            totals: What else each row carries [a row each], in that order.
        """
        ends = np.cumsum(np.bincount(shards, minlength=count))
        starts = np.concatenate([[0], ends[:-1]])
        packed = _packed(columns, order, totals, shards, starts.copy(), self._narrow)
        for shard, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
            if start < end:
                yield shard, packed[start:end]

    def unpack(self, parts: Iterable[Halves]) -> tuple[Ints, Ints]:
        """The columns and the totals of packed rows, one part after the other."""
        shaped = [part.reshape(-1, self._width) for part in parts]
        rows = sum(map(len, shaped))
        columns = np.empty((self._columns, rows), np.int64)
        totals = np.empty((rows, self._totals), np.int64)
        packed = np.concatenate(shaped) if shaped else np.empty((0, self._width), np.int32)
        _unpack(packed, columns, totals, self._narrow)
        return columns, totals
