"""Reads what a batch's model was asked and answered: Model Monitor's other dataset formats.

https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-byoc-contract-inputs.html

A row that says whom it is about, or what became of it, is no feature for that: such columns are not
compared. What cannot be read is never taken for a dataset without drift: it stops the analysis.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.json as pa_json
import pyarrow.parquet as pq

from pipeline_code.captures.chunks import Chunk, Tally
from pipeline_code.common.exits import BadInput
from pipeline_code.features.definitions import FEATURE_NAMES

__all__ = [
    "SCORE",
    "DatasetFormat",
    "Kind",
    "dataset_chunks",
    "score_chunks",
]

SCORE = "score"
# What batch transform calls the response to a file.
ANSWER_SUFFIX = ".out"
# Rows of a Parquet file that are held at a time; other files are of one request each.
ROWS_AT_ONCE = 16_384
NO_FEATURES = (
    "transaction_id",
    "event_time",
    "customer_id",
    "terminal_id",
    "is_fraud",
    "fraud_scenario",
    "decision",
    "model_version",
)


class Kind(StrEnum):
    """What a dataset consists of."""

    CAPTURES = "sagemakerCaptureJson"
    MERGED = "sagemakerMergeJson"
    CSV = "csv"
    JSON_LINES = "json"
    PARQUET = "parquet"


@dataclass(frozen=True, slots=True)
class DatasetFormat:
    """What `dataset_format` says; `header` is of CSV alone."""

    kind: Kind = Kind.CAPTURES
    header: bool = False

    @classmethod
    def parse(cls, text: str) -> "DatasetFormat":
        """Reads the variable; captures, if it is not set.

        Raises:
            BadInput: It says something else than the contract has.
        """
        if not text:
            return cls()
        try:
            document = json.loads(text)
            (name, options), *others = document.items()
            kind = Kind(name)
        except (ValueError, AttributeError) as error:
            raise BadInput(
                f"dataset_format must be one of {', '.join(Kind)} as JSON, got {text!r}"
            ) from error
        if others or not isinstance(options, dict):
            raise BadInput(f"dataset_format must be one object, got {text!r}")
        if kind is Kind.JSON_LINES and not _flag(options, "line", usual=True):
            raise BadInput(f"dataset_format json must have line true, got {text!r}")
        return cls(kind, kind is Kind.CSV and _flag(options, "header", usual=False))


def _flag(options: Mapping[str, Any], name: str, *, usual: bool) -> bool:
    # The contract shows it as text.
    return str(options.get(name, usual)).lower() == "true"


def dataset_chunks(folder: Path, form: DatasetFormat, tally: Tally) -> Iterator[Chunk]:
    """The feature rows of all files below a folder; files of responses alone are counted as files.

    Raises:
        BadInput: A file is not of the format, or columns of features differ between files.
    """
    names: frozenset[str] | None = None
    for file in _files(folder):
        tally.files += 1
        for table in _tables(file, file.relative_to(folder).as_posix(), form):
            if not set(table.column_names) & {*FEATURE_NAMES}:
                continue
            names = frozenset(table.column_names) if names is None else names
            if set(table.column_names) != names:
                differing = sorted(names ^ set(table.column_names))
                raise BadInput(
                    f"files must have the same columns, got {differing[0]} in some of them"
                )
            tally.records += table.num_rows
            if table.num_rows:
                features = [n for n in table.column_names if n not in (*NO_FEATURES, SCORE)]
                yield _chunk(table.select(features))


def score_chunks(folder: Path, form: DatasetFormat) -> Iterator[Chunk]:
    """What the model answered, a feature `score`, from the files below a folder that say it.

    Raises:
        BadInput: A file is not of the format.
    """
    for file in _files(folder):
        for table in _tables(file, file.relative_to(folder).as_posix(), form):
            if SCORE in table.column_names and table.num_rows:
                yield _chunk(table.select([SCORE]))


def _files(folder: Path) -> list[Path]:
    return [file for file in sorted(folder.rglob("*")) if file.is_file()]


def _tables(file: Path, name: str, form: DatasetFormat) -> Iterator[pa.Table]:
    """A file's rows, some at a time."""
    if form.kind is not Kind.PARQUET:
        yield _table(file, name, form)
        return
    try:
        with pq.ParquetFile(file) as parquet:
            wanted = [n for n in parquet.schema_arrow.names if n not in NO_FEATURES]
            for batch in parquet.iter_batches(ROWS_AT_ONCE, columns=wanted):
                yield pa.Table.from_batches([batch])
    except (pa.ArrowException, OSError) as error:
        raise BadInput(f"{name}: file must be readable {form.kind}: {error}") from error


def _chunk(table: pa.Table) -> Chunk:
    values = np.full((table.num_columns, table.num_rows), np.nan)
    missing, wrong = (np.zeros(table.num_columns, np.int64) for _ in range(2))
    for place, column in enumerate(table.columns):
        missing[place] = column.null_count
        if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
            numbers = pc.cast(column, pa.float64(), safe=False).to_numpy()
            values[place] = np.where(np.isfinite(numbers), numbers, np.nan)
        given = table.num_rows - column.null_count
        wrong[place] = given - np.count_nonzero(~np.isnan(values[place]))
    return Chunk(tuple(table.column_names), values, missing, wrong)


def _table(file: Path, name: str, form: DatasetFormat) -> pa.Table:
    read = _read_csv if form.kind is Kind.CSV else _read_json
    try:
        return read(file, form.header)
    except (pa.ArrowException, OSError) as error:
        raise BadInput(f"{name}: file must be readable {form.kind}: {error}") from error


def _read_json(file: Path, _: bool) -> pa.Table:
    return pa_json.read_json(file)


def _read_csv(file: Path, header: bool) -> pa.Table:
    """Without a header, rows are what the model's server takes, or one score a line."""
    if header:
        return pa_csv.read_csv(file)
    names = [SCORE] if file.suffix == ANSWER_SUFFIX else list(FEATURE_NAMES)
    return pa_csv.read_csv(file, read_options=pa_csv.ReadOptions(column_names=names))
