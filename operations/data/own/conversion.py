"""Turns a user's file into the lake's rows, by a mapping; all that is wrong with it is found."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from operations import progress
from operations.data.own.files import SourceFile, read_file
from operations.data.own.identifiers import Identifiers, Kind, occurrences
from operations.data.own.mapping import IDS, FileMapping
from operations.data.own.sources import ColumnSources
from operations.data.own.values import (
    amount_column,
    currency_column,
    flag_column,
    time_column,
    without_nulls,
)
from pipeline_code.check.findings import Findings
from pipeline_code.common.columns import Column, whole_numbers
from pipeline_code.landing import Examination, examine

__all__ = ["OwnFile", "convert", "read_own"]

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

# What makes a transaction the one that it is.
_MAKING = ("event_time", "customer_id", "terminal_id", "amount")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OwnFile:
    """A file in the lake's terms.

    Attributes:
        examination: Its rows that break no rule, and what is wrong with the others.
        kept: Of each transaction, all that the file says beside the lake's columns, by its own
            names, and the `transaction_id` by which it is joined.
        columns: Of each of the lake's columns, what of the file it is made of.
        names: Of each transaction what the file calls it, or which row it is; None if its id is
            the file's own.
        total: How many rows the file has.
        left_out: How many of them the mapping leaves out.
        hint: What may have been forgotten.
    """

    examination: Examination
    kept: pa.Table
    columns: dict[str, str]
    names: pa.Array | None
    total: int
    left_out: int
    hint: str | None


def read_own(path: Path, mapping: FileMapping, identifiers: Identifiers) -> OwnFile:
    """A file's rows.

    Raises:
        BadInput: The file cannot be read.
        OperationError: Two names have one id.
    """
    source = read_file(path, delimiter=mapping.csv.delimiter, encoding=mapping.csv.encoding)
    progress.update("check", f"{len(source.rows):,} rows read", passing=True)
    return convert(source, mapping, identifiers)


def convert(source: SourceFile, mapping: FileMapping, identifiers: Identifiers) -> OwnFile:
    """The rows of a file that was read; raises OperationError as `read_own`."""
    findings = Findings()
    for row, text in source.broken.items():
        findings.add("row", source.name, row, f"row must {source.whole}, got {text[:40]!a}")
    if source.table.num_rows == 0:
        findings.add("empty", source.name, None, "file must hold at least one transaction")
    sources = ColumnSources.find(source.name, source.table, mapping, findings)
    columns = {name: _column(name, sources, mapping, identifiers) for name in sources.names}
    taken = _taken(columns, mapping)
    columns = {name: _filtered(column, taken) for name, column in columns.items()}
    words = sources.words
    if "transaction_id" not in words:
        words = {"transaction_id": "made of the others", **words}
        columns["transaction_id"] = _made(columns, source.table, taken, identifiers)
    delay = timedelta(days=mapping.fraud.report_delay_days)
    found = examine(source.name, columns, source.rows[taken], findings=findings, report_delay=delay)
    landed = pa.array(np.searchsorted(source.rows, found.rows))
    named = Kind.TRANSACTION in identifiers.new
    beside = sources.beside(mapping.leave_out, transactions=named)
    ids = found.landing.transactions["transaction_id"]
    return OwnFile(
        examination=found,
        kept=pa.table(
            {"transaction_id": ids, **{name: each.take(landed) for name, each in beside.items()}}
        ),
        columns=words,
        names=_names(sources, found, landed, named=named),
        total=len(source.rows) + len(source.broken),
        left_out=int((~taken).sum()),
        hint=sources.hint,
    )


def _names(
    sources: ColumnSources, found: Examination, landed: pa.Array, *, named: bool
) -> pa.Array | None:
    if "transaction_id" not in sources.names:
        return pc.binary_join_element_wise("row", pa.array(found.rows).cast(pa.string()), " ")
    return sources.given("transaction_id").take(landed) if named else None


def _column(
    name: str, sources: ColumnSources, mapping: FileMapping, identifiers: Identifiers
) -> Column:
    given = sources.given(name)
    if name in IDS:
        kind = Kind(name.removesuffix("_id"))
        return identifiers.column(kind, name, given, every=name in mapping.hash)
    given = without_nulls(given)
    if name == "amount":
        return amount_column(given, mapping.amount)
    if name == "is_fraud":
        return flag_column(given, mapping.fraud)
    if name == "fraud_scenario":
        return whole_numbers(name, given, np.iinfo(np.int8).max)
    if name == "currency":
        return currency_column(given, mapping.amount)
    return time_column(name, given, mapping.time)


def _taken(columns: dict[str, Column], mapping: FileMapping) -> Mask:
    """Which rows are wanted. A negative amount that is not left out breaks the rule."""
    if "amount" not in columns:
        return np.ones(len(next(iter(columns.values())).values) if columns else 0, np.bool_)
    amount = columns["amount"]
    negative = amount.values < 0
    if mapping.amount.negative == "leave out":
        return ~negative
    columns["amount"] = Column(amount.values, amount.refused | negative, amount.rule, amount.given)
    return np.ones(len(negative), np.bool_)


def _filtered(column: Column, taken: Mask) -> Column:
    if taken.all():
        return column
    given = column.given.filter(pa.array(taken))
    return Column(column.values[taken], column.refused[taken], column.rule, given)


def _made(
    columns: Mapping[str, Column], table: pa.Table, taken: Mask, identifiers: Identifiers
) -> Column:
    """Ids out of what makes a transaction, and of those alike, out of which one it is."""
    count = int(taken.sum())
    ids = np.zeros(count, np.int64)
    if count and set(_MAKING) <= columns.keys():
        rows = np.column_stack([columns[name].values for name in _MAKING])
        table = table.filter(pa.array(taken))

        def content(places: Ints) -> list[str]:
            return [repr(row) for row in table.take(pa.array(places)).to_pylist()]

        ids = identifiers.made(rows, occurrences(rows, content))
    return Column(ids, np.zeros(count, np.bool_), "", pa.nulls(count))
