"""Rows on their way from the input's order to shards of whole entities, by way of the disk.

Guarantees:
    Memory holds one batch or one shard, whatever the number of rows.
    After a kill, whatever was noted as done is there, and nothing else.
"""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline_code.features.compiled import compiled

__all__ = ["Journal", "Spill"]

Ints = npt.NDArray[np.int64]
Halves = npt.NDArray[np.int32]

LOW_HALF = 0xFFFFFFFF
AS_THEY_ARE = np.empty(0, np.int64)
NO_TOTALS = np.empty((0, 0), np.int64)


@compiled("i8(i4[::1], i8, i8, b1)")
def _put(target: Halves, place: int, value: int, narrow: bool) -> int:
    target[place] = np.int32(value & LOW_HALF)
    if narrow:
        return place + 1
    target[place + 1] = np.int32(value >> 32)
    return place + 2


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
        place, source = 0, order[row] if len(order) else row
        for column in range(len(columns)):
            place = _put(target, place, columns[column, source], narrow[column])
        for total in range(totals.shape[1]):
            place = _put(target, place, totals[row, total], narrow[len(columns) + total])
    return packed


@compiled("i8(i4[::1], i8, b1)")
def _got(source: Halves, place: int, narrow: bool) -> int:
    low = np.int64(source[place])
    return int(low if narrow else (low & LOW_HALF) | (np.int64(source[place + 1]) << 32))


@compiled("void(i4[:, ::1], i8[:, ::1], i8[:, ::1], b1[::1])")
def _unpack(packed: Halves, columns: Ints, totals: Ints, narrow: npt.NDArray[np.bool_]) -> None:
    """Writes what `_packed` packed to columns and totals of the same shape."""
    for row in range(len(packed)):
        place = 0
        for column in range(len(columns)):
            columns[column, row] = _got(packed[row], place, narrow[column])
            place += 1 if narrow[column] else 2
        for total in range(totals.shape[1]):
            is_narrow = narrow[len(columns) + total]
            totals[row, total] = _got(packed[row], place, is_narrow)
            place += 1 if is_narrow else 2


class Spill:
    """Rows of integers by shard, each shard a file for each worker.

    Spill(folder, worker=0, columns=[False] * 5).append(columns, shard_of(owners, 8), 8)

    Args:
        folder: Where the files are; made if it is not there.
        worker: Whose files are written; no other may write them.
        columns: Of each column of a row, whether its values are known to fit into 32 bits.
        totals: The same of each total that a row carries besides.
    """

    def __init__(
        self,
        folder: Path,
        worker: int,
        *,
        columns: Sequence[bool],
        totals: Sequence[bool] = (),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._worker = worker
        self._columns, self._totals = len(columns), len(totals)
        self._narrow = np.array([*columns, *totals], np.bool_)
        self._width = int(2 * len(self._narrow) - self._narrow.sum())

    def append(
        self,
        columns: Ints,
        shards: Halves,
        count: int,
        order: Ints = AS_THEY_ARE,
        totals: Ints = NO_TOTALS,
    ) -> None:
        """Adds rows to the files of their shards, of which there are `count`.

        Args:
            columns: What the rows are made of [a row a column].
            shards: Each row's shard, in the order of the next.
            count: How many shards there are.
            order: In which order the rows are appended.
            totals: What else each row carries [a row each], in that order.
        """
        ends = np.cumsum(np.bincount(shards, minlength=count))
        starts = np.concatenate([[0], ends[:-1]])
        packed = _packed(columns, order, totals, shards, starts.copy(), self._narrow)
        for shard, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
            if start < end:
                _append(f"{self._folder}/{self._name(shard)}", packed[start:end])

    def read(self, shard: int) -> tuple[Ints, Ints]:
        """All workers' rows of a shard: columns and totals, as they were appended."""
        files = self._files(shard)
        parts = [np.fromfile(file, np.int32).reshape(-1, self._width) for file in files]
        rows = sum(len(part) for part in parts)
        columns = np.empty((self._columns, rows), np.int64)
        totals = np.empty((rows, self._totals), np.int64)
        packed = np.concatenate(parts) if parts else np.empty((0, self._width), np.int32)
        _unpack(packed, columns, totals, self._narrow)
        return columns, totals

    def delete(self, shard: int) -> None:
        """Frees the shard's disk space."""
        for file in self._files(shard):
            file.unlink()

    def sizes(self) -> dict[str, int]:
        """How long this worker's files are, by name."""
        return {file.name: file.stat().st_size for file in self._own_files()}

    def restore(self, sizes: dict[str, int]) -> None:
        """Takes this worker's files back to what they were when `sizes` was called."""
        for file in self._own_files():
            if file.name not in sizes:
                file.unlink()
            elif file.stat().st_size > sizes[file.name]:
                with file.open("r+b") as opened:
                    opened.truncate(sizes[file.name])

    def _name(self, shard: int) -> str:
        return f"{shard:05d}-{self._worker:03d}.rows"

    def _files(self, shard: int) -> list[Path]:
        return sorted(self._folder.glob(f"{shard:05d}-*.rows"))

    def _own_files(self) -> Iterator[Path]:
        return self._folder.glob(f"*-{self._worker:03d}.rows")


def _append(file: str, rows: Halves) -> None:
    """Without a file object: there are a thousand small appends to every shard."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        left = rows.data.cast("B")
        while left:
            left = left[os.write(descriptor, left) :]
    finally:
        os.close(descriptor)


class Journal:
    """How many of its units of work a worker has done, and how long its files were then.

    Args:
        file: Where it is kept.
        spill: The files that the units write.
    """

    def __init__(self, file: Path, spill: Spill) -> None:
        self._file = file
        self._spill = spill

    def resume(self) -> int:
        """How many units are done; what later ones wrote is taken back."""
        noted: dict[str, Any] = {"done": 0, "sizes": {}}
        if self._file.exists():
            noted = json.loads(self._file.read_text())
        self._spill.restore(noted["sizes"])
        return int(noted["done"])

    def note(self, done: int) -> None:
        """Says that so many units are done."""
        partial = self._file.with_suffix(".partial")
        partial.write_text(json.dumps({"done": done, "sizes": self._spill.sizes()}))
        partial.replace(self._file)
