"""The writer of the model's input: files that fit into a request, and beside each their keys.

features/part-00000.parquet   transaction_id and the features, as the model's server takes them
rows/part-00000.parquet       the same rows' transactions, and of whom nothing was known before
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_code.batch.computed import BatchFeatures
from pipeline_code.common.schema import TRANSACTIONS
from pipeline_code.features.definitions import (
    ENTITIES,
    FEATURE_NAMES,
    SCHEMA_VERSION,
    SCHEMA_VERSION_KEY,
    Entity,
)
from pipeline_code.features.events import Transactions
from pipeline_code.features.parts import part_name

__all__ = ["ASKED_ROWS", "rows_within", "unknown_column", "write_computed"]

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]
# Places among the asked rows, and the features at those.
Part = tuple[Ints, Floats]

MEBIBYTE = 1024 * 1024
ID_BYTES, FEATURE_BYTES = 8, 4
# Of a file's size: its footer and what compressing may add are far less than the rest.
FILLED = 0.8
# A file with more rows than this would not be scored any faster.
MOST_ROWS = 100_000


def unknown_column(entity: Entity) -> str:
    """The column that says that nothing was known of a row's customer or terminal before."""
    return f"{entity.name}_unknown"


ASKED_ROWS = pa.schema(
    [*TRANSACTIONS, *((unknown_column(entity), pa.bool_()) for entity in ENTITIES)]
)
FEATURE_FILE = pa.schema(
    [("transaction_id", pa.int64()), *((name, pa.float32()) for name in FEATURE_NAMES)],
    metadata={SCHEMA_VERSION_KEY: SCHEMA_VERSION.encode()},
)


def rows_within(payload_mib: int) -> int:
    """How many rows make a file that a request of so many MiB can hold.

    Parquet of plain values is no larger than the values; compression makes it smaller.
    """
    row = ID_BYTES + FEATURE_BYTES * len(FEATURE_NAMES)
    return min(max(int(payload_mib * MEBIBYTE * FILLED) // row, 1), MOST_ROWS)


def write_computed(computed: BatchFeatures, folder: Path, rows_a_file: int) -> int:
    """Writes the features and the rows below a folder; returns how many files of each.

    The same rows give the same files.

    Raises:
        AssertionError: The source did not compute each row once.
    """
    rows = computed.asked.rows
    seen, number = np.zeros(len(rows), np.int64), 0
    for name in ("features", "rows"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for indices, features in _regrouped(computed.parts, rows_a_file):
        np.add.at(seen, indices, 1)
        columns = [pa.array(rows.ids[indices]), *map(pa.array, features)]
        _write(pa.table(columns, FEATURE_FILE), folder / "features" / part_name(number))
        asked = _asked(rows.take(indices), computed.unknown, indices)
        _write(asked, folder / "rows" / part_name(number))
        number += 1
    assert (seen == 1).all()  # noqa: S101 - a row would be lost, or scored twice
    return number


def _asked(rows: Transactions, unknown: Mapping[Entity, Mask], indices: Ints) -> pa.Table:
    values = [rows.ids, rows.times, rows.customers, rows.terminals, rows.amounts]
    arrays = [
        pa.array(column).cast(field.type)
        for column, field in zip(values, TRANSACTIONS, strict=True)
    ]
    flags = [pa.array(unknown[entity][indices]) for entity in ENTITIES]
    return pa.table([*arrays, *flags], ASKED_ROWS)


def _write(table: pa.Table, file: Path) -> None:
    # What the model's server reads; a dictionary might make a file larger than its values.
    pq.write_table(table, file, compression="snappy", use_dictionary=False)


def _regrouped(parts: Iterator[Part], rows: int) -> Iterator[Part]:
    """The same columns in parts of just so many rows; the last has what is left."""
    waiting: list[Part] = []
    count = 0
    for part in parts:
        waiting.append(part)
        count += len(part[0])
        if count >= rows:
            indices, features = _together(waiting)
            whole = count - count % rows
            for start in range(0, whole, rows):
                yield indices[start : start + rows], features[:, start : start + rows]
            waiting, count = [(indices[whole:], features[:, whole:])], count - whole
    if count:
        yield _together(waiting)


def _together(parts: list[Part]) -> Part:
    indices = np.concatenate([part[0] for part in parts])
    return indices, np.concatenate([part[1] for part in parts], axis=1)
