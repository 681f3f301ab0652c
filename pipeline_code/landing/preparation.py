"""Turns a user's transactions into the raw lake's rows.

There is one row per transaction: `transaction_id`, `event_time` (without a zone it is UTC),
`customer_id`, `terminal_id`, `amount` in currency units; and, where frauds are known, `is_fraud`
(0 or 1), `fraud_scenario` and `report_time`. A fraud without a report time counts as reported seven
days after its transaction. A `currency` has to be the lake's own, everywhere.

Guarantees:
    Landing the same rows again, in any order, changes nothing (`pipeline_code.common.lake`).
    Nothing is rounded, dropped or guessed: every row that breaks a rule is found.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline_code.check.findings import Findings
from pipeline_code.common.columns import Column, amounts, currencies, times, whole_numbers
from pipeline_code.common.exits import BadInput
from pipeline_code.common.lake import Landing
from pipeline_code.common.schema import CUSTOMERS, FRAUD_REPORTS, TRANSACTIONS

__all__ = ["OPTIONAL", "REPORT_DELAY", "REQUIRED", "Examination", "examine", "prepare"]

REPORT_DELAY = timedelta(days=7)

REQUIRED = ("transaction_id", "event_time", "customer_id", "terminal_id", "amount")
OPTIONAL = ("is_fraud", "fraud_scenario", "report_time", "currency")

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_NOTHING = Column(np.empty(0, np.int64), np.empty(0, np.bool_), "", pa.array([], pa.int64()))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Examination:
    """What was found in a user's rows.

    Attributes:
        landing: The rows that break no rule on their own, in the lake's types.
        rows: Of each transaction of the landing, its row in the file.
        assumed_reports: How many frauds came without the time of their report.
        findings: What is wrong with the other rows.
    """

    landing: Landing
    rows: Ints
    assumed_reports: int
    findings: Findings


def prepare(table: pa.Table, name: str = "table") -> Landing:
    """A user's rows in the lake's types; row n of `transactions` is row n of the table.

    Args:
        name: What messages call the table.

    Raises:
        BadInput: They break a rule; the message has the name, the first row (from 0) and the rule.
    """
    findings = Findings()
    columns = _columns(table, name, findings)
    if table.num_rows == 0:
        raise BadInput(f"{name}: file must hold at least one transaction, got none")
    found = examine(name, columns, np.arange(table.num_rows), findings=findings)
    report = found.findings.report()
    if not report.passed:
        raise BadInput(report.message())
    return found.landing


def examine(
    file: str,
    columns: Mapping[str, Column],
    rows: Ints,
    *,
    findings: Findings,
    report_delay: timedelta = REPORT_DELAY,
) -> Examination:
    """Goes through all rows of a file.

    Args:
        columns: The columns by the lake's names. Without all that are required, nothing can land.
        rows: Of each row of the columns, its row in the file.
        findings: What is added to.
        report_delay: When a fraud without a report time counts as reported, after its transaction.
    """
    findings.numbers[file] = rows
    sound = _sound(file, columns, len(rows), findings)
    if not set(REQUIRED) <= columns.keys():
        columns = dict.fromkeys(REQUIRED, _NOTHING)
        rows, sound = rows[:0], sound[:0]
    is_fraud, assumed, reported, scenario = _reports(columns, report_delay)
    early = sound & is_fraud & (reported < columns["event_time"].values)
    rule = "report_time must not be before event_time"
    findings.add_rows(
        "report_before_transaction",
        file,
        early,
        lambda row: replace(columns["report_time"], rule=rule).reason(row),
    )
    sound &= ~early
    findings.numbers[file] = rows[sound]
    values = {name: columns[name].values[sound] for name in REQUIRED}
    return Examination(
        landing=_landing(values, is_fraud[sound], reported[sound], scenario[sound]),
        rows=rows[sound],
        assumed_reports=int((assumed & sound).sum()),
        findings=findings,
    )


def _sound(file: str, columns: Mapping[str, Column], count: int, findings: Findings) -> Mask:
    """Which rows break no rule of a column; what the others break is noted."""
    sound = np.ones(count, np.bool_)
    for name, column in columns.items():
        refused = column.refused & ~_absent(column) if name == "report_time" else column.refused
        findings.add_rows(name, file, refused, column.reason)
        sound &= ~refused
    return sound


def _columns(table: pa.Table, name: str, findings: Findings) -> dict[str, Column]:
    """The columns that a table has of those that there may be."""
    got = table.column_names
    for wanted in REQUIRED:
        if wanted not in got:
            rule = f"column {wanted} must be present, got columns {', '.join(got)}"
            findings.add("missing_column", name, None, rule)
    for column in dict.fromkeys(got):
        if column not in REQUIRED + OPTIONAL:
            allowed = ", ".join(REQUIRED + OPTIONAL)
            rule = f"columns must be among {allowed}, got {column}; remove it"
            findings.add("extra_column", name, None, rule)
        elif got.count(column) > 1:
            rule = f"column {column} must be present once, got it {got.count(column)} times"
            findings.add("duplicate_column", name, None, rule)
    known = [column for column in REQUIRED + OPTIONAL if got.count(column) == 1]
    return {column: _column(column, table[column]) for column in known}


def _column(name: str, given: pa.ChunkedArray) -> Column:
    if name.endswith("_time"):
        return times(name, given)
    if name == "amount":
        return amounts(name, given)
    if name == "currency":
        return currencies(name, given)
    if name == "is_fraud":
        return replace(whole_numbers(name, given, 1), rule="is_fraud must be 0 or 1")
    if name == "fraud_scenario":
        return whole_numbers(name, given, np.iinfo(np.int8).max)
    return whole_numbers(name, given)


def _reports(columns: Mapping[str, Column], delay: timedelta) -> tuple[Mask, Mask, Ints, Ints]:
    """Which rows are frauds, for which of them the time of the report is assumed, those times, and
    their scenarios.

    What says that they are is `is_fraud`, else a scenario, else the time of a report.
    """
    event_time = columns["event_time"].values
    scenario, given = columns.get("fraud_scenario"), columns.get("report_time")
    absent = np.ones(len(event_time), np.bool_) if given is None else _absent(given)
    if "is_fraud" in columns:
        is_fraud = columns["is_fraud"].values == 1
    elif scenario is not None:
        is_fraud = scenario.values > 0
    else:
        is_fraud = ~absent
    later = event_time + delay // timedelta(microseconds=1)
    reported = later if given is None else np.where(absent, later, given.values)
    scenarios = np.zeros(len(event_time), np.int64) if scenario is None else scenario.values
    return is_fraud, is_fraud & absent, reported, scenarios


def _landing(values: Mapping[str, Ints], is_fraud: Mask, reported: Ints, scenario: Ints) -> Landing:
    kinds = zip(REQUIRED, TRANSACTIONS.types, strict=True)
    given = {**values, "report_time": reported, "fraud_scenario": scenario}
    customers = pc.unique(pa.array(values["customer_id"]))
    return Landing(
        transactions=pa.table(
            [pa.array(values[name]).cast(kind) for name, kind in kinds], schema=TRANSACTIONS
        ),
        fraud_reports=pa.table(
            [pa.array(given[field.name][is_fraud]).cast(field.type) for field in FRAUD_REPORTS],
            schema=FRAUD_REPORTS,
        ),
        customers=pa.table([customers.take(pc.sort_indices(customers))], schema=CUSTOMERS),
    )


def _absent(column: Column) -> Mask:
    """Which values were not given."""
    absent: Mask = pc.is_null(column.given).to_numpy(zero_copy_only=False)
    return absent
