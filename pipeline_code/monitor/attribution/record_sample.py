"""Some of many records, drawn as they pass: bounded memory, and the same records each time."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pipeline_code.captures.chunks import Chunk

__all__ = ["RecordSample"]

SEED = 20180402

Rows = npt.NDArray[np.float32]


class RecordSample:
    """At most so many records, each of all that passed as likely as any other.

    Which ones depends on their number and order alone, not on how they were cut into chunks.

    Args:
        names: The features to keep, in the order in which a model takes them; what a record lacks
            is not a number, which is how a model is told so.
        size: How many records at most.
    """

    def __init__(self, names: Sequence[str], size: int) -> None:
        self._names = tuple(names)
        self._size = size
        self._random = np.random.default_rng(SEED)
        # The records with the smallest keys are kept, in the order in which they came.
        self._keys = np.empty(0)
        self._rows: Rows = np.empty((0, len(self._names)), np.float32)
        self.records = 0
        self.incomplete = 0

    def add(self, chunk: Chunk) -> None:
        """Lets a chunk's records pass, and counts them and those that lack a feature."""
        keys = self._random.random(chunk.records)
        self.records += chunk.records
        self.incomplete += int(self._lacking(chunk).sum())
        full = len(self._keys) == self._size
        drawn = np.flatnonzero(keys < self._keys.max()) if full else np.arange(len(keys))
        merged = np.concatenate([self._keys, keys[drawn]])
        kept = np.sort(np.argsort(merged, kind="stable")[: self._size])
        self._keys = merged[kept]
        self._rows = np.concatenate([self._rows, self._aligned(chunk, drawn)])[kept]

    def rows(self) -> Rows:
        """The records that were drawn, in the order in which they came."""
        return self._rows

    def _lacking(self, chunk: Chunk) -> npt.NDArray[np.bool_]:
        indices = [index for index, name in enumerate(chunk.names) if name in self._names]
        if len(indices) < len(self._names):
            return np.ones(chunk.records, np.bool_)
        lacking = np.zeros(chunk.records, np.bool_)
        for index in indices:
            lacking |= np.isnan(chunk.values[index])
        return lacking

    def _aligned(self, chunk: Chunk, indices: npt.NDArray[np.int64]) -> Rows:
        rows = np.full((len(indices), len(self._names)), np.nan, np.float32)
        for column, name in enumerate(self._names):
            if name in chunk.names:
                rows[:, column] = chunk.values[chunk.names.index(name)][indices]
        return rows
