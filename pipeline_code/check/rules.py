"""The rules that one file can break on its own."""

from datetime import UTC, date, datetime, timedelta
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline_code.check.findings import Findings
from pipeline_code.check.sources import Source
from pipeline_code.common.casting import cast_or_none, first_refused
from pipeline_code.common.schema import Dataset

__all__ = ["check_rows", "check_structure", "integers", "show_time"]

MICROSECONDS_PER_DAY = 86_400_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def check_structure(dataset: Dataset, source: Source, findings: Findings) -> bool:
    """Checks that the file is readable and has the data set's columns; True if so.

    A column that is missing or of another type is wrong in every row; row 0 stands for them, or the
    first row whose value shows that the type is not what was meant.
    """
    try:
        schema = source.schema()
    except (pa.ArrowException, OSError) as error:
        findings.add("unreadable", source.file, None, f"file must be readable Parquet: {error}")
        return False
    before = sum(findings.counts.values())
    for name in dataset.schema.names:
        if name not in schema.names:
            got = ", ".join(schema.names)
            rule = f"column {name} must be present, got columns {got}"
            findings.add("missing_column", source.file, 0, rule)
    for field in schema:
        if field.name not in dataset.schema.names:
            rule = f"columns must be {', '.join(dataset.schema.names)}, got {field.name}; remove it"
            findings.add("extra_column", source.file, 0, rule)
        elif schema.names.count(field.name) > 1:
            rule = f"column {field.name} must be present once"
            findings.add("duplicate_column", source.file, 0, rule)
        elif field.type != dataset.schema.field(field.name).type:
            _add_wrong_type(source, field, dataset.schema.field(field.name).type, findings)
    return sum(findings.counts.values()) == before


def _add_wrong_type(source: Source, got: pa.Field, wanted: pa.DataType, findings: Findings) -> None:
    row, value = _first_of_wrong_type(source, got.name, wanted)
    # What is found is logged, and a log holds no ids.
    shown = "" if got.name.endswith("_id") else f" (value {value!r})"
    rule = f"column {got.name} must be of type {wanted}, got {got.type}{shown}"
    findings.add("wrong_type", source.file, row, rule)


def _first_of_wrong_type(source: Source, name: str, wanted: pa.DataType) -> tuple[int, object]:
    first, offset = None, 0
    try:
        for batch in source.batches():
            column = batch.column(name)
            if len(column) and first is None:
                first = column[0].as_py()
            if cast_or_none(column, wanted) is None:
                row = first_refused(column, wanted)
                return offset + row, column[row].as_py()
            offset += len(column)
    except (pa.ArrowException, OSError):
        pass  # the pages are broken too; that the type is wrong is known from the footer
    return 0, first


def check_rows(
    dataset: Dataset, source: Source, batch: pa.RecordBatch, offset: int, findings: Findings
) -> bool:
    """Checks one piece of a file, whose first row is row `offset`; True if it holds no null."""
    if _check_nulls(source.file, batch, offset, findings):
        return False
    if "amount_minor" in batch.schema.names:
        amounts = integers(batch, "amount_minor")
        findings.add_rows(
            "negative_amount",
            source.file,
            amounts < 0,
            lambda row: f"amount_minor must be at least 0, got {amounts[row]}",
            offset=offset,
        )
    if source.day is not None and dataset.time is not None:
        _check_day(dataset.time, source.file, source.day, batch, offset, findings)
    if "report_time" in batch.schema.names:
        _check_report_times(source.file, batch, offset, findings)
    return True


def _check_nulls(file: str, batch: pa.RecordBatch, offset: int, findings: Findings) -> bool:
    """True if there are nulls."""
    names = [name for name in batch.schema.names if batch.column(name).null_count]
    for name in names:
        rule = f"{name} must be given, got null"
        missing = pc.is_null(batch.column(name)).to_numpy(zero_copy_only=False)
        findings.add_rows("null", file, missing, partial(_same, rule), offset=offset)
    return bool(names)


def _same(text: str, _row: int) -> str:
    return text


def _check_day(
    name: str, file: str, day: date, batch: pa.RecordBatch, offset: int, findings: Findings
) -> None:
    times = integers(batch, name)
    start = (day - EPOCH.date()).days
    findings.add_rows(
        "outside_partition",
        file,
        times // MICROSECONDS_PER_DAY != start,
        lambda row: f"{name} must be on the folder's day {day}, got {show_time(times[row])}",
        offset=offset,
    )


def _check_report_times(file: str, batch: pa.RecordBatch, offset: int, findings: Findings) -> None:
    happened, reported = integers(batch, "event_time"), integers(batch, "report_time")
    findings.add_rows(
        "report_before_transaction",
        file,
        reported < happened,
        lambda row: (
            f"report_time must not be before event_time {show_time(happened[row])}, "
            f"got {show_time(reported[row])}"
        ),
        offset=offset,
    )


def integers(batch: pa.RecordBatch, name: str) -> npt.NDArray[np.int64]:
    """A column without nulls as integers, times as microseconds since 1970."""
    values: npt.NDArray[np.int64] = batch.column(name).cast(pa.int64()).to_numpy()
    return values


def show_time(microseconds: np.int64) -> str:
    """A time for a message."""
    try:
        return (EPOCH + timedelta(microseconds=int(microseconds))).isoformat()
    except OverflowError:
        return f"{microseconds} microseconds since 1970"
