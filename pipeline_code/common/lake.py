"""Writes rows in the raw lake's layout (`pipeline_code.common.schema` describes it).

Guarantees:
    The same rows in any order give the same files, byte for byte, and a file's name comes from its
    rows: writing them twice changes nothing.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_code.common.schema import DATASETS, Dataset

__all__ = ["Landing", "write"]

MICROSECONDS_PER_DAY = 86_400_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Landing:
    """Rows for the lake, a table a data set, in the schemas of `pipeline_code.common.schema`."""

    transactions: pa.Table
    fraud_reports: pa.Table
    customers: pa.Table


def write(landing: Landing, folder: Path) -> list[Path]:
    """Writes the lake's files below `folder`, beside those that are there."""
    written = []
    for dataset in DATASETS:
        for place, rows in _partitions(dataset, getattr(landing, dataset.name)):
            target = folder / dataset.name / place
            target.mkdir(parents=True, exist_ok=True)
            file = target / f"part-{_fingerprint(rows)}.parquet"
            pq.write_table(rows, file, compression="zstd")
            written.append(file)
    return written


def _partitions(dataset: Dataset, table: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """The table's rows in a fixed order, cut at the end of each day."""
    if table.num_rows == 0:
        return
    if dataset.time is None:
        yield "", table.sort_by([(name, "ascending") for name in table.column_names])
        return
    table = table.sort_by([(dataset.time, "ascending"), ("transaction_id", "ascending")])
    table = table.combine_chunks()
    days = _microseconds(table[dataset.time]) // MICROSECONDS_PER_DAY
    starts = [0, *(np.flatnonzero(np.diff(days)) + 1).tolist()]
    for start, end in zip(starts, [*starts[1:], len(days)], strict=True):
        day = np.datetime64(int(days[start]), "D")
        yield f"{dataset.partition}={day}", table.slice(start, end - start)


def _fingerprint(table: pa.Table) -> str:
    digest = hashlib.sha256()
    for name in table.column_names:
        column = table[name]
        values = _microseconds(column) if pa.types.is_timestamp(column.type) else column.to_numpy()
        digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()[:16]


def _microseconds(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    values: npt.NDArray[np.int64] = column.cast(pa.int64()).to_numpy()
    return values
