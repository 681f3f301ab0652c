"""The baseline of data quality: statistics of the rows a model learned from, and what they suggest.

One column is in memory at a time, beside whose each row is and when.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_code.captures.chunks import Chunk
from pipeline_code.common.exits import BadInput
from pipeline_code.common.schema import data_files
from pipeline_code.features.definitions import (
    ENTITIES,
    FEATURE_NAMES,
    FEATURES,
    HISTORY_DAYS_KEY,
    SCHEMA_VERSION,
    SCHEMA_VERSION_KEY,
)
from pipeline_code.monitor.data_quality.constraints import suggest_feature, suggested
from pipeline_code.monitor.data_quality.grids import Grid, singles
from pipeline_code.monitor.data_quality.profiles import describe
from pipeline_code.monitor.data_quality.sketches import Sketch, Summary
from pipeline_code.monitor.data_quality.thresholds import Draws

__all__ = ["compute", "compute_of_rows"]

Ints = npt.NDArray[np.int64]
Values = npt.NDArray[Any]

SEED = 20180401
EVENT_TIME = "event_time"
KEYS = (EVENT_TIME, *(entity.record_identifier for entity in ENTITIES))
# Thresholds are drawn from so many rows at most, those of some owners, whole.
MOST_DRAWN_FROM = 100_000
# Rows that are counted at once.
ROWS_AT_ONCE = 65_536


def compute(folder: Path) -> tuple[Any, Any]:
    """The documents `statistics.json` and `constraints.json` of all rows below a folder.

    Raises:
        BadInput: There are no rows, or they follow another feature schema.
    """
    files = data_files(folder)
    schemas = [_checked_schema(file) for file in files]
    if sum(pq.read_metadata(file).num_rows for file in files) == 0:
        raise BadInput("train must hold at least one row, got none; run `features` first")
    history = (schemas[0].metadata or {}).get(HISTORY_DAYS_KEY)
    return _documents(partial(_column, files), None if history is None else int(history))


def compute_of_rows(rows: pa.Table, history_days: int | None) -> tuple[Any, Any]:
    """The same of rows in memory."""
    return _documents(lambda name: rows[name].to_numpy(), history_days)


def _checked_schema(file: Path) -> pa.Schema:
    schema = pq.read_schema(file)
    version = (schema.metadata or {}).get(SCHEMA_VERSION_KEY, b"none").decode()
    if version != SCHEMA_VERSION:
        raise BadInput(
            f"{file.name} must have feature schema version {SCHEMA_VERSION}, got {version}; "
            "compute the features again with this version of the code"
        )
    for name in (*KEYS, *FEATURE_NAMES):
        if name not in schema.names:
            raise BadInput(f"{file.name} must have the column {name}, got {schema.names}")
    return schema


def _column(files: Sequence[Path], name: str) -> Values:
    parts = []
    for file in files:
        column = pq.read_table(file, columns=[name], partitioning=None)[name]
        if column.null_count:
            raise BadInput(f"{file.name} column {name} must have a value in every row, got null")
        parts.append(column.to_numpy())
    return np.concatenate(parts)


def _documents(column: Callable[[str], Values], history_days: int | None) -> tuple[Any, Any]:
    random = np.random.default_rng(SEED)
    times = column(EVENT_TIME).astype("datetime64[us]").astype(np.int64)
    order = np.argsort(times, kind="stable")
    drawn = {
        entity: _drawn(column(entity.record_identifier), times, order, random)
        for entity in ENTITIES
    }
    summaries: dict[str, Summary] = {}
    constraints = []
    for feature in FEATURES:
        values = singles(column(feature.name))
        summary = _summary(feature.name, values)
        rows, draws = drawn[feature.owner]
        limits = draws.limits(summary.grid, summary.grid.place(values[rows]))
        constraints.append(suggest_feature(feature, summary, limits, history_days))
        summaries[feature.name] = summary
    return describe(summaries, len(order)), suggested(constraints)


def _drawn(
    owners: Values, times: Ints, order: Ints, random: np.random.Generator
) -> tuple[Ints, Draws]:
    """The rows that thresholds are drawn from, in the order of time, and the draws."""
    names = np.unique(owners)
    share = min(1.0, MOST_DRAWN_FROM / len(owners))
    some = random.permutation(names)[: max(2, int(share * len(names)))]
    rows = order if share == 1 else order[np.isin(owners[order], some)]
    return rows, Draws(owners[rows], times[rows], random)


def _summary(name: str, values: Values) -> Summary:
    sketch = Sketch({name: Grid.of(values)})
    zero = np.zeros(1, np.int64)
    for begin in range(0, len(values), ROWS_AT_ONCE):
        sketch.add(Chunk((name,), values[np.newaxis, begin : begin + ROWS_AT_ONCE], zero, zero))
    return sketch.summaries()[name]
