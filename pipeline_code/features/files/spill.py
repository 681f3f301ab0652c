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

from pipeline_code.features.files.packing import AS_THEY_ARE, NO_TOTALS, Halves, Packing

__all__ = ["Journal", "Spill"]

Ints = npt.NDArray[np.int64]


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
        self._packing = Packing(columns, totals)

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
        for shard, rows in self._packing.pack(columns, shards, count, order, totals):
            _append(f"{self._folder}/{self._name(shard)}", rows)

    def read(self, shard: int) -> tuple[Ints, Ints]:
        """All workers' rows of a shard: columns and totals, as they were appended."""
        return self._packing.unpack(np.fromfile(file, np.int32) for file in self._files(shard))

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
        file: Where it is stored.
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
