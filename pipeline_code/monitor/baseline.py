"""The baseline of a model: statistics of the rows it learned from, and what they suggest."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

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
from pipeline_code.monitor.columns import Column
from pipeline_code.monitor.constraints import suggest
from pipeline_code.monitor.drift import Buckets
from pipeline_code.monitor.statistics import describe

__all__ = ["compute_baseline"]


def compute_baseline(folder: Path) -> tuple[Any, Any]:
    """The documents `statistics.json` and `constraints.json` of all rows below a folder.

    Raises:
        BadInput: There are no rows, or they follow another feature schema.
    """
    rows, history_days = _read(folder)
    columns = {name: Column(rows[name].drop_null().to_numpy()) for name in FEATURE_NAMES}
    buckets = {name: Buckets.of(column.numbers) for name, column in columns.items()}
    owners = {entity: rows[entity.record_identifier].to_numpy() for entity in ENTITIES}
    return (
        describe(columns, rows.num_rows, buckets),
        suggest(
            columns,
            buckets,
            {feature.name: owners[feature.owner] for feature in FEATURES},
            history_days,
        ),
    )


def _read(folder: Path) -> tuple[pa.Table, int | None]:
    wanted = [*(entity.record_identifier for entity in ENTITIES), *FEATURE_NAMES]
    tables = [_read_file(file, wanted) for file in data_files(folder)]
    rows = sum(table.num_rows for table in tables)
    if rows == 0:
        raise BadInput("train must hold at least one row, got none; run `features` first")
    metadata = tables[0].schema.metadata or {}
    history = metadata.get(HISTORY_DAYS_KEY)
    return pa.concat_tables(tables), None if history is None else int(history)


def _read_file(file: Path, wanted: list[str]) -> pa.Table:
    schema = pq.read_schema(file)
    version = (schema.metadata or {}).get(SCHEMA_VERSION_KEY, b"none").decode()
    if version != SCHEMA_VERSION:
        raise BadInput(
            f"{file.name} must have feature schema version {SCHEMA_VERSION}, got {version}; "
            "compute the features again with this version of the code"
        )
    missing = [name for name in wanted if name not in schema.names]
    if missing:
        raise BadInput(f"{file.name} must have the column {missing[0]}, got {schema.names}")
    table = pq.read_table(file, columns=wanted, partitioning=None)
    for name in wanted:
        if table[name].null_count:
            raise BadInput(f"{file.name} column {name} must have a value in every row, got null")
    return table
