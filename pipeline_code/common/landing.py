"""Turns a user's file of transactions into the raw lake's layout.

The file is Parquet or CSV with one row per transaction: `transaction_id`, `event_time` (without a
zone it is UTC), `customer_id`, `terminal_id`, `amount` in currency units; and, where frauds are
known, `is_fraud` (0 or 1), `fraud_scenario` and `report_time`. A fraud without a report time counts
as reported seven days after its transaction. A `currency` has to be the lake's own, everywhere.

Guarantees:
    Landing the same rows again, in any order, changes nothing (`pipeline_code.common.lake`).
    Nothing is rounded, dropped or guessed: a file that breaks a rule is refused, naming the row.
"""

from datetime import timedelta
from pathlib import Path
from typing import NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from pipeline_code.common.casting import cast_or_none, first_refused
from pipeline_code.common.exits import BadInput
from pipeline_code.common.lake import Landing, write
from pipeline_code.common.money import CURRENCY, AmountError, to_minor_array
from pipeline_code.common.schema import (
    CUSTOMERS,
    FRAUD_REPORTS,
    TRANSACTIONS,
    UTC_MICROSECONDS,
)

__all__ = ["REPORT_DELAY", "Landing", "land", "prepare", "read_file", "write"]

REPORT_DELAY = timedelta(days=7)

REQUIRED = ("transaction_id", "event_time", "customer_id", "terminal_id", "amount")
OPTIONAL = ("is_fraud", "fraud_scenario", "report_time", "currency")


def land(source: Path | pa.Table, folder: Path) -> list[Path]:
    """Writes a user's file, or such a table, in the lake's layout; returns the files written."""
    return write(prepare(source), folder)


def prepare(source: Path | pa.Table) -> Landing:
    """The rows of a user's file in the lake's types; row n of `transactions` is row n of the file.

    Raises:
        BadInput: It breaks a rule; the message names the file, the row (from 0) and the rule.
    """
    if isinstance(source, Path):
        return _Preparation(source.name, read_file(source)).landing()
    return _Preparation("table", source).landing()


def read_file(path: Path) -> pa.Table:
    """Reads a user's Parquet or CSV file as it is."""
    if not path.is_file():
        raise BadInput(f"file must exist, got {path}")
    try:
        if path.suffix.lower() == ".csv":
            return pa_csv.read_csv(path)
        return pq.read_table(path, partitioning=None)
    except (pa.ArrowException, OSError) as error:
        kind = "CSV" if path.suffix.lower() == ".csv" else "Parquet"
        raise BadInput(f"{path.name}: file must be readable {kind}: {error}") from error


class _Preparation:
    """One file on its way into the lake's types; refuses with the file's name and row."""

    def __init__(self, name: str, table: pa.Table) -> None:
        self._name = name
        self._table = table
        self._check_columns()

    def landing(self) -> Landing:
        columns = {
            "transaction_id": self._id("transaction_id"),
            "event_time": self._cast("event_time", UTC_MICROSECONDS),
            "customer_id": self._id("customer_id"),
            "terminal_id": self._id("terminal_id"),
            "amount_minor": self._amounts(),
        }
        self._check_currency()
        customers = pc.unique(columns["customer_id"])
        return Landing(
            transactions=pa.table(columns, schema=TRANSACTIONS),
            fraud_reports=self._reports(columns),
            customers=pa.table([customers.take(pc.sort_indices(customers))], schema=CUSTOMERS),
        )

    def _check_columns(self) -> None:
        got = self._table.column_names
        for name in REQUIRED:
            if name not in got:
                self._refuse(0, f"column {name} must be present, got columns {', '.join(got)}")
        for name in got:
            if name not in REQUIRED + OPTIONAL:
                allowed = ", ".join(REQUIRED + OPTIONAL)
                self._refuse(0, f"columns must be among {allowed}, got {name}; remove it")
            if got.count(name) > 1:
                self._refuse(0, f"column {name} must be present once, got it {got.count(name)}")
        if self._table.num_rows == 0:
            raise BadInput(f"{self._name}: file must hold at least one transaction, got none")

    def _amounts(self) -> pa.Array:
        try:
            amounts = to_minor_array(self._table["amount"])
        except AmountError as error:
            row = 0 if error.row is None else error.row
            self._refuse(row, str(error))
        self._refuse_first(pc.less(amounts, 0), "amount must be at least 0", "amount")
        return amounts

    def _check_currency(self) -> None:
        """Sums of amounts in several currencies would mean nothing."""
        if "currency" in self._table.column_names:
            given = self._cast("currency", pa.string())
            rule = f"currency must be {CURRENCY}; convert the amounts, or leave the column out"
            self._refuse_first(pc.not_equal(given, CURRENCY), rule, "currency")

    def _id(self, name: str) -> pa.Array:
        ids = self._cast(name, pa.int64())
        self._refuse_first(pc.less(ids, 0), f"{name} must be at least 0", name)
        return ids

    def _cast(self, name: str, wanted: pa.DataType, *, nullable: bool = False) -> pa.Array:
        column = self._table[name].combine_chunks()
        if not nullable and column.null_count:
            row = int(pc.is_null(column).to_numpy(zero_copy_only=False).argmax())
            self._refuse(row, f"{name} must be given, got null")
        cast = cast_or_none(column, wanted)
        if cast is None:
            row = first_refused(column, wanted)
            self._refuse(row, f"{name} must be {wanted}, got {column[row].as_py()!r}")
        return cast

    def _reports(self, columns: dict[str, pa.Array]) -> pa.Table:
        given = self._table.column_names
        scenario = self._cast("fraud_scenario", pa.int8()) if "fraud_scenario" in given else None
        reported_at = (
            self._cast("report_time", UTC_MICROSECONDS, nullable=True)
            if "report_time" in given
            else pa.nulls(self._table.num_rows, UTC_MICROSECONDS)
        )
        is_fraud = self._is_fraud(scenario, reported_at)
        rows = pa.table(
            {
                **{name: columns[name] for name in ("transaction_id", "customer_id")},
                **{name: columns[name] for name in ("terminal_id", "event_time")},
                "report_time": pc.coalesce(
                    reported_at, pc.add(columns["event_time"], pa.scalar(REPORT_DELAY))
                ),
                "fraud_scenario": scenario
                if scenario is not None
                else pa.array(np.zeros(self._table.num_rows, np.int8)),
            }
        )
        early = pc.and_(is_fraud, pc.less(rows["report_time"], rows["event_time"]))
        self._refuse_first(early, "report_time must not be before event_time", "report_time")
        return rows.filter(is_fraud).cast(FRAUD_REPORTS)

    def _is_fraud(self, scenario: pa.Array | None, reported_at: pa.Array) -> pa.Array:
        """What says that a row is a fraud: `is_fraud`, else a scenario, else a report time."""
        if "is_fraud" in self._table.column_names:
            flag = self._cast("is_fraud", pa.int8())
            unknown = pc.invert(pc.is_in(flag, value_set=pa.array([0, 1], pa.int8())))
            self._refuse_first(unknown, "is_fraud must be 0 or 1", "is_fraud")
            return pc.equal(flag, 1)
        if scenario is not None:
            return pc.greater(scenario, 0)
        return pc.is_valid(reported_at)

    def _refuse_first(self, broken: pa.Array, rule: str, name: str) -> None:
        row = pc.index(broken, True).as_py()
        if row >= 0:
            self._refuse(row, f"{rule}, got {self._table[name][row].as_py()}")

    def _refuse(self, row: int, rule: str) -> NoReturn:
        raise BadInput(f"{self._name}, row {row} (rows count from 0): {rule}")
