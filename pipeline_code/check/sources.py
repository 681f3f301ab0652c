"""The sources of the rows to check: files of the lake, or a table that is to become some."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from pipeline_code.check.findings import Findings
from pipeline_code.common.schema import Dataset, open_file, types_of

__all__ = ["ParquetSource", "Source", "TableSource", "folder_sources"]

# A part of a file in memory at a time.
BATCH_ROWS = 1_000_000


class Source(Protocol):
    """One file's rows. `day` is that of its partition, None if it is in none."""

    @property
    def file(self) -> str:
        """The name to report: the file's path in the lake."""

    @property
    def day(self) -> date | None:
        """The day that its rows must lie in."""

    def schema(self) -> pa.Schema:
        """The columns; raises pa.ArrowException or OSError if the file is unreadable."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows; raises like `schema`. It can be called again."""


@dataclass(frozen=True, slots=True)
class ParquetSource:
    """A Parquet file."""

    file: str
    day: date | None
    path: Path

    def schema(self) -> pa.Schema:
        """The file's own columns."""
        with open_file(self.path) as parquet:
            return types_of(parquet)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The file's rows in pieces."""
        with open_file(self.path) as parquet:
            types = types_of(parquet)
            for batch in parquet.iter_batches(batch_size=BATCH_ROWS):
                yield batch.cast(types)


@dataclass(frozen=True, slots=True)
class TableSource:
    """A table in memory, under the name of the file that it came from."""

    file: str
    table: pa.Table
    day: date | None = None

    def schema(self) -> pa.Schema:
        """The table's columns."""
        return self.table.schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The table's rows in pieces."""
        yield from self.table.to_batches(max_chunksize=BATCH_ROWS)


def folder_sources(dataset: Dataset, folder: Path, findings: Findings) -> list[ParquetSource]:
    """The Parquet files of a data set's folder; what does not belong there is a finding."""
    sources = []
    for path in sorted(folder.rglob("*")):
        # Names that start so are other programs' marks, not data.
        if not path.is_file() or path.name[0] in "_.":
            continue
        file = f"{dataset.name}/{path.relative_to(folder).as_posix()}"
        if path.suffix != ".parquet":
            findings.add("unexpected_file", file, None, "data must be in .parquet files; remove it")
            continue
        try:
            day = _partition_day(dataset, path.parent.relative_to(folder).as_posix())
        except ValueError as error:
            findings.add("wrong_folder", file, None, str(error))
            continue
        sources.append(ParquetSource(file, day, path))
    return sources


def _partition_day(dataset: Dataset, folder: str) -> date | None:
    if dataset.partition is None:
        return None
    name, _, day = folder.partition("=")
    rule = f"file must be in a folder {dataset.partition}=YYYY-MM-DD, got {folder}"
    if name != dataset.partition:
        raise ValueError(rule)
    try:
        return date.fromisoformat(day)
    except ValueError:
        raise ValueError(rule) from None
