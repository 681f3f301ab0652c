"""Labelled feature rows as a stream of batches, from Parquet files or from memory.

A batch has a fixed number of rows, however the files are cut: what is learned depends on the rows
and their order alone. No more than a few batches are in memory at a time.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline_code.common.exits import BadInput
from pipeline_code.common.schema import data_files, open_file
from pipeline_code.features.definitions import FEATURE_NAMES, SCHEMA_VERSION, SCHEMA_VERSION_KEY

__all__ = [
    "BATCH_ROWS",
    "LABEL",
    "ArrayBatches",
    "Batch",
    "Batches",
    "ParquetBatches",
    "PeriodBatches",
    "check_schema",
    "converted",
    "empty_batch",
]

LABEL = "is_fraud"
TIME = "event_time"
BATCH_ROWS = 1 << 17

Matrix = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int8]
Times = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows: features, 1 for a fraud and 0 for none, event times in microseconds."""

    rows: Matrix
    labels: Labels
    times: Times

    def __len__(self) -> int:
        return len(self.labels)

    def part(self, start: int, end: int) -> "Batch":
        """The rows from one to before another."""
        return Batch(self.rows[start:end], self.labels[start:end], self.times[start:end])

    def where(self, mask: npt.NDArray[np.bool_]) -> "Batch":
        """The rows where the mask is true."""
        if mask.all():
            return self
        return Batch(self.rows[mask], self.labels[mask], self.times[mask])


def empty_batch(features: int) -> Batch:
    """No rows."""
    return Batch(np.empty((0, features), np.float32), np.empty(0, np.int8), np.empty(0, np.int64))


class Batches(Protocol):
    """Rows that can be read again and again, in one order."""

    def __iter__(self) -> Iterator[Batch]:
        """All batches, from the first."""


@dataclass(frozen=True, slots=True)
class ArrayBatches:
    """Rows that are in memory."""

    batch: Batch

    def __iter__(self) -> Iterator[Batch]:
        for start in range(0, len(self.batch), BATCH_ROWS):
            yield self.batch.part(start, start + BATCH_ROWS)


@dataclass(frozen=True, slots=True)
class PeriodBatches:
    """Those of other batches' rows whose event time is in [start, end)."""

    batches: Batches
    start: int | None = None
    end: int | None = None

    def __iter__(self) -> Iterator[Batch]:
        for batch in self.batches:
            mask = np.ones(len(batch), dtype=np.bool_)
            if self.start is not None:
                mask &= batch.times >= self.start
            if self.end is not None:
                mask &= batch.times < self.end
            if mask.any():
                yield batch.where(mask)


@dataclass(frozen=True, slots=True)
class ParquetBatches:
    """Rows of the files below a folder: of all, or one host's share.

    ParquetBatches.open(folder, "train", share=0, shares=2)
    """

    name: str
    parts: tuple["_Part", ...]

    @classmethod
    def open(cls, folder: Path, name: str, share: int = 0, shares: int = 1) -> "ParquetBatches":
        """Checks the files' schema.

        Row groups are dealt in turn; where there are too few for that, each is cut.

        Args:
            folder: Where `features` wrote them.
            name: What messages call the rows.
            share: The number of the share, from 0.
            shares: How many shares there are.

        Raises:
            BadInput: No file; a column is missing or no number; another feature schema version.
        """
        files = data_files(folder)
        if not files:
            raise BadInput(f"{name} must hold at least one Parquet file, got none; run `features`")
        parts: list[_Part] = []
        for file in files:
            with open_file(file) as opened:
                check_schema(
                    opened.schema_arrow,
                    f"{name}/{file.relative_to(folder)}",
                    (TIME, *FEATURE_NAMES, LABEL),
                )
                groups = opened.metadata.num_row_groups
                parts += [_Part(file, group) for group in range(groups)]
        if len(parts) < shares:
            return cls(name, tuple(_Part(part.file, part.group, share, shares) for part in parts))
        return cls(name, tuple(parts[share::shares]))

    def __iter__(self) -> Iterator[Batch]:
        return _rebatched(converted(self._read(), self.name))

    def _read(self) -> Iterator[pa.RecordBatch]:
        columns = [TIME, *FEATURE_NAMES, LABEL]
        for part in self.parts:
            with open_file(part.file) as opened:
                first, last = part.rows(opened.metadata.row_group(part.group).num_rows)
                index = 0
                for batch in opened.iter_batches(
                    BATCH_ROWS, row_groups=[part.group], columns=columns
                ):
                    start, end = max(first - index, 0), max(last - index, 0)
                    index += batch.num_rows
                    if start < end and start < batch.num_rows:
                        yield batch.slice(start, end - start)


@dataclass(frozen=True, slots=True)
class _Part:
    """A row group, or one of so many equal pieces of it."""

    file: Path
    group: int
    piece: int = 0
    pieces: int = 1

    def rows(self, count: int) -> tuple[int, int]:
        return count * self.piece // self.pieces, count * (self.piece + 1) // self.pieces


def check_schema(schema: pa.Schema, name: str, columns: Sequence[str]) -> None:
    """Raises BadInput unless a file has these columns, numbers where rows are learned from.

    Its rows must follow the feature schema version of this code.
    """
    missing = [column for column in columns if column not in schema.names]
    if missing:
        raise BadInput(f"{name} must have the columns {', '.join(missing)}, got none of that name")
    version = (schema.metadata or {}).get(SCHEMA_VERSION_KEY)
    if version is None or version.decode() != SCHEMA_VERSION:
        got = "none" if version is None else version.decode()
        raise BadInput(
            f"{name} must have feature schema version {SCHEMA_VERSION}, got {got}; "
            "compute the features again with this version of the code"
        )
    for column in (*FEATURE_NAMES, LABEL):
        kind: Any = schema.field(column).type
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
            raise BadInput(f"{name} column {column} must be a number, got {kind}")


def converted(batches: Iterable[pa.RecordBatch], name: str) -> Iterator[Batch]:
    """Batches as arrays.

    Raises:
        BadInput: A value is missing, or a label outside {0, 1}.
    """
    index = 0
    for batch in batches:
        for column in (TIME, *FEATURE_NAMES, LABEL):
            if batch[column].null_count:
                raise BadInput(
                    f"{name} column {column} must have a value in every row, "
                    f"got {batch[column].null_count} nulls"
                )
        labels = batch[LABEL].to_numpy()
        wrong = ~np.isin(labels, (0, 1))
        if wrong.any():
            raise BadInput(
                f"{name} column {LABEL} must be 0 or 1, "
                f"got {labels[wrong][0]} in row {index + int(wrong.argmax())}"
            )
        rows = np.empty((batch.num_rows, len(FEATURE_NAMES)), dtype=np.float32)
        for number, column in enumerate(FEATURE_NAMES):
            rows[:, number] = batch[column].to_numpy()
        times = batch[TIME].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy()
        yield Batch(rows, labels.astype(np.int8), times)
        index += batch.num_rows


def _rebatched(batches: Iterable[Batch]) -> Iterator[Batch]:
    """The same rows in batches of BATCH_ROWS, the last one of what is left."""
    waiting: list[Batch] = []
    count = 0
    for batch in batches:
        start = 0
        while count + len(batch) - start >= BATCH_ROWS:
            end = start + BATCH_ROWS - count
            yield _joined([*waiting, batch.part(start, end)])
            waiting, count, start = [], 0, end
        if start < len(batch):
            waiting.append(batch.part(start, len(batch)))
            count += len(batch) - start
    if waiting:
        yield _joined(waiting)


def _joined(batches: Sequence[Batch]) -> Batch:
    if len(batches) == 1:
        return batches[0]
    columns = ([getattr(batch, name) for batch in batches] for name in Batch.__slots__)
    return Batch(*(np.concatenate(parts) for parts in columns))
