"""Feature rows as Parquet, and answers to them.

Guarantees:
    What a file claims to hold is checked before any of it is read, and its codec cannot make much
    of little: a body of the largest size never fills the memory.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline_code.common.fields import LARGEST_ID, shown
from pipeline_code.contracts.serving import MOST_FEATURE_ROWS
from pipeline_code.features.definitions import (
    FEATURE_NAMES,
    SCHEMA_VERSION,
    SCHEMA_VERSION_KEY,
)
from pipeline_code.serve.refusals import TOO_LARGE, RequestError
from pipeline_code.serve.rows import LARGEST_VALUE, TRANSACTION_ID, FeatureRows

__all__ = ["CODECS", "answers_as_parquet", "rows_of_parquet"]

# Snappy makes at most 21 bytes of one. The others can make thousands, and a page's own header,
# which is only read when it is unpacked, may say so whatever the file's footer claims.
CODECS = ("UNCOMPRESSED", "SNAPPY")
# Values of a million rows as wide as ours, several times over.
MOST_BYTES = 512 * 1024 * 1024

ANSWERS = pa.schema(
    [
        pa.field(TRANSACTION_ID, pa.int64()),
        pa.field("score", pa.float64(), nullable=False),
        pa.field("decision", pa.string()),
        pa.field("model_version", pa.string(), nullable=False),
    ]
)


def rows_of_parquet(body: bytes) -> FeatureRows:
    """The rows of a Parquet file: every feature by name, and perhaps a transaction_id.

    Raises:
        RequestError: It is no such file, or it breaks a rule.
    """
    try:
        file = pq.ParquetFile(pa.BufferReader(body))
        _check_footer(file.metadata)
        _check_columns(file.schema_arrow)
        table = file.read(use_threads=False)
    # A broken file can make Arrow raise whatever Python's own readers would.
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        kind = type(error).__name__
        raise RequestError(f"body must be a Parquet file, got one that breaks: {kind}") from None
    values = np.column_stack([_column(table[name], name) for name in FEATURE_NAMES])
    return FeatureRows(values, _ids(table))


def answers_as_parquet(
    ids: Sequence[int | None],
    scores: Sequence[float],
    decisions: Sequence[str | None],
    model_version: str,
) -> bytes:
    """A Parquet file with a response a row, in the order of the request's rows."""
    versions = pa.repeat(pa.scalar(model_version), len(scores))
    columns = [pa.array(values) for values in (ids, scores, decisions)]
    table = pa.table([*columns, versions], names=ANSWERS.names).cast(ANSWERS)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="snappy")
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _check_footer(footer: Any) -> None:
    if footer.num_rows < 1:
        raise RequestError("body must hold at least one row, got none")
    if footer.num_rows > MOST_FEATURE_ROWS:
        raise RequestError(
            f"body must have at most {MOST_FEATURE_ROWS} rows, got {footer.num_rows}", TOO_LARGE
        )
    groups = [footer.row_group(index) for index in range(footer.num_row_groups)]
    size = sum(group.total_byte_size for group in groups)
    if size > MOST_BYTES:
        raise RequestError(f"body must unpack to at most {MOST_BYTES} bytes, got {size}", TOO_LARGE)
    used = {
        group.column(index).compression for group in groups for index in range(group.num_columns)
    }
    other = sorted(used - {*CODECS})
    if other:
        raise RequestError(f"compression must be none or SNAPPY, got {shown(other[0])}")


def _check_columns(schema: pa.Schema) -> None:
    version = (schema.metadata or {}).get(SCHEMA_VERSION_KEY, SCHEMA_VERSION.encode())
    if version != SCHEMA_VERSION.encode():
        key = SCHEMA_VERSION_KEY.decode()
        got = shown(version.decode("utf-8", "replace"))
        raise RequestError(f"{key} must be {SCHEMA_VERSION}, got {got}")
    known = (TRANSACTION_ID, *FEATURE_NAMES)
    missing = [name for name in FEATURE_NAMES if name not in schema.names]
    if missing:
        raise RequestError(f"columns must be {', '.join(FEATURE_NAMES)}, got no {missing[0]}")
    if len(set(schema.names)) != len(schema.names):
        raise RequestError("columns must be given once, got one repeated")
    for field in schema:
        if field.name not in known:
            raise RequestError(f"columns must be among {', '.join(known)}, got {shown(field.name)}")
        whole = pa.types.is_integer(field.type)
        if field.name == TRANSACTION_ID and not whole:
            raise RequestError(f"column {field.name} must be of integers, got {field.type}")
        if not whole and not pa.types.is_floating(field.type):
            raise RequestError(f"column {field.name} must be of numbers, got {field.type}")


def _column(values: pa.ChunkedArray, name: str) -> np.ndarray[Any, np.dtype[np.float32]]:
    if values.null_count:
        row = int(pc.is_null(values).to_numpy().argmax()) + 1
        raise RequestError(f"row {row} {name} must be a finite number, got null")
    numbers = values.cast(pa.float64(), safe=False).to_numpy()
    wrong = ~(np.abs(numbers) <= LARGEST_VALUE)
    if wrong.any():
        row = int(wrong.argmax())
        got = shown(repr(float(numbers[row])))
        raise RequestError(f"row {row + 1} {name} must be a finite number, got {got}")
    return np.asarray(numbers, np.float32)


def _ids(table: pa.Table) -> Sequence[int | None]:
    if TRANSACTION_ID not in table.column_names:
        return [None] * table.num_rows
    ids = table[TRANSACTION_ID]
    if ids.null_count:
        row = int(pc.is_null(ids).to_numpy().argmax()) + 1
        raise RequestError(f"row {row} {TRANSACTION_ID} must be an integer, got null")
    values: list[int] = ids.to_pylist()
    wrong = [id_ for id_ in (min(values), max(values)) if not 0 <= id_ <= LARGEST_ID]
    if wrong:
        raise RequestError(f"{TRANSACTION_ID} must be between 0 and {LARGEST_ID}, got {wrong[0]}")
    return values
