"""Rows on their way from the input's order to shards of whole entities, by way of the disk.

Guarantees:
    Memory holds one batch or one shard, whatever the number of rows.
    After a kill, whatever was noted as done is there, and nothing else.
"""

import json
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


@compiled("i4[:, ::1](i8[:, ::1], i8[:, ::1], i4[::1], i8[::1], b1[::1])")
def _packed(
    columns: Ints, totals: Ints, shards: Halves, starts: Ints, narrow: npt.NDArray[np.bool_]
) -> Halves:
    """Rows in order of their shards, as 32-bit halves; a narrow total has one half.

    Args:
        columns: What rows are made of [a row a column], 64 bits each.
        totals: What else each row carries [a row each].
        shards: Each row's shard.
        starts: Where each shard's rows start; each is moved on to its end.
        narrow: Which totals fit into 32 bits.
    """
    width = 2 * len(columns) + 2 * len(narrow) - narrow.sum()
    packed = np.empty((len(shards), width), np.int32)
    for row in range(len(shards)):
        target = packed[starts[shards[row]]]
        starts[shards[row]] += 1
        place = 0
        for column in range(len(columns)):
            value = columns[column, row]
            target[place] = np.int32(value & LOW_HALF)
            target[place + 1] = np.int32(value >> 32)
            place += 2
        for column in range(len(narrow)):
            value = totals[row, column]
            target[place] = np.int32(value & LOW_HALF)
            place += 1
            if not narrow[column]:
                target[place] = np.int32(value >> 32)
                place += 1
    return packed


@compiled("void(i4[:, ::1], i8[:, ::1], i8[:, ::1], b1[::1])")
def _unpack(packed: Halves, columns: Ints, totals: Ints, narrow: npt.NDArray[np.bool_]) -> None:
    """Writes what `_packed` packed to columns and totals of the same shape."""
    for row in range(len(packed)):
        place = 0
        for column in range(len(columns)):
            high = np.int64(packed[row, place + 1]) << 32
            columns[column, row] = (np.int64(packed[row, place]) & LOW_HALF) | high
            place += 2
        for column in range(len(narrow)):
            value = np.int64(packed[row, place])
            place += 1
            if not narrow[column]:
                value = (value & LOW_HALF) | (np.int64(packed[row, place]) << 32)
                place += 1
            totals[row, column] = value


class Spill:
    """Rows of integers by shard, each shard a file for each worker.

    Spill(folder, worker=0, columns=5).append(columns, shard_of(owners, 8), 8)

    Args:
        folder: Where the files are; made if it is not there.
        worker: Whose files are written; no other may write them.
        columns: How many columns a row has.
        narrow: Of each total that a row carries besides, whether it is known to fit into 32 bits.
    """

    def __init__(
        self, folder: Path, worker: int, *, columns: int, narrow: Sequence[bool] = ()
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._worker = worker
        self._columns = columns
        self._narrow = np.array(narrow, np.bool_)
        self._width = 2 * columns + 2 * len(narrow) - sum(narrow)

    def append(self, columns: Ints, shards: Halves, count: int, totals: Ints | None = None) -> None:
        """Adds rows to the files of their shards, of which there are `count`.

        Args:
            columns: What the rows are made of [a row a column].
            shards: Each row's shard.
            count: How many shards there are.
            totals: What else each row carries [a row each].
        """
        if totals is None:
            totals = np.empty((columns.shape[1], 0), np.int64)
        ends = np.cumsum(np.bincount(shards, minlength=count))
        starts = np.concatenate([[0], ends[:-1]])
        packed = _packed(columns, totals, shards, starts.copy(), self._narrow)
        for shard, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
            if start < end:
                with self._file(shard, self._worker).open("ab", buffering=0) as file:
                    file.write(packed[start:end].data)

    def read(self, shard: int) -> tuple[Ints, Ints]:
        """All workers' rows of a shard: columns and totals, as they were appended."""
        files = self._files(shard)
        parts = [np.fromfile(file, np.int32).reshape(-1, self._width) for file in files]
        rows = sum(len(part) for part in parts)
        columns = np.empty((self._columns, rows), np.int64)
        totals = np.empty((rows, len(self._narrow)), np.int64)
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

    def _file(self, shard: int, worker: int) -> Path:
        return self._folder / f"{shard:05d}-{worker:03d}.rows"

    def _files(self, shard: int) -> list[Path]:
        return sorted(self._folder.glob(f"{shard:05d}-*.rows"))

    def _own_files(self) -> Iterator[Path]:
        return self._folder.glob(f"*-{self._worker:03d}.rows")


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
