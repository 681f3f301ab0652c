"""The stream's events: what a record must hold, and how a producer writes one.

A record is one JSON object in UTF-8:

    {"type": "transaction", "transaction_id": 1, "event_time": "2018-08-01T10:00:00Z",
     "customer_id": 2, "terminal_id": 3, "amount": "12.30", "currency": "EUR"}
    {"type": "fraud_report", "transaction_id": 1, "event_time": "2018-08-01T10:00:00Z",
     "customer_id": 2, "terminal_id": 3, "report_time": "2018-08-08T10:00:00Z",
     "fraud_scenario": 1}

`currency` and `fraud_scenario` may be left out. An event with `"probe": true` is folded and
does not land. A reason never shows more than the one field that broke a rule.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

from pipeline_code.common.fields import (
    FieldError,
    check_names,
    json_object,
    minor_amount,
    moment,
    shown,
    whole_number,
)
from pipeline_code.common.money import CURRENCY
from pipeline_code.common.probes import PROBE_FIELD
from pipeline_code.common.schema import FRAUD_REPORTS, TRANSACTIONS

__all__ = [
    "CLOCK_SKEW",
    "FRAUD_REPORT",
    "TRANSACTION",
    "Event",
    "FraudReport",
    "Transaction",
    "encode_reports",
    "encode_transactions",
    "is_probe",
    "parse",
    "tables",
]

# A sender's clock may be this much ahead of the stream's. An event further in the future would
# move its entity's horizon there, beyond which older events count no more.
CLOCK_SKEW = timedelta(minutes=5)

TRANSACTION = "transaction"
FRAUD_REPORT = "fraud_report"
LARGEST_SCENARIO = 127

_COMMON = ("type", "transaction_id", "event_time", "customer_id", "terminal_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """A card was used; the fields are the lake's."""

    transaction_id: int
    event_time: datetime
    customer_id: int
    terminal_id: int
    amount_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FraudReport:
    """A transaction turned out to be a fraud; the fields are the lake's."""

    transaction_id: int
    customer_id: int
    terminal_id: int
    event_time: datetime
    report_time: datetime
    fraud_scenario: int


Event = Transaction | FraudReport


def parse(data: bytes, arrived: datetime) -> Event:
    """The event that a record holds.

    Args:
        data: The record's payload.
        arrived: When the stream took it.

    Raises:
        FieldError: It breaks a rule.
    """
    document = json_object(data, "event")
    if not isinstance(document.get(PROBE_FIELD, False), bool):
        raise FieldError(f"{PROBE_FIELD} must be true, false or left out, got another type")
    kind = document.get("type")
    if kind == TRANSACTION:
        return _transaction(document, arrived)
    if kind == FRAUD_REPORT:
        return _fraud_report(document, arrived)
    got = shown(kind) if isinstance(kind, str) else "none"
    raise FieldError(f"type must be {TRANSACTION} or {FRAUD_REPORT}, got {got}")


def is_probe(data: bytes) -> bool:
    """Whether a record that `parse` takes is a probe's."""
    # Most are not; the question must not cost each of them another reading. A name may be escaped.
    if PROBE_FIELD.encode() not in data and b"\\" not in data:
        return False
    return json_object(data, "event").get(PROBE_FIELD) is True


def tables(events: Iterable[Event]) -> tuple[pa.Table, pa.Table]:
    """The events as the lake's transactions and fraud reports."""
    transactions: list[dict[str, Any]] = []
    reports: list[dict[str, Any]] = []
    for event in events:
        (transactions if isinstance(event, Transaction) else reports).append(asdict(event))
    return (
        pa.Table.from_pylist(transactions, schema=TRANSACTIONS),
        pa.Table.from_pylist(reports, schema=FRAUD_REPORTS),
    )


def encode_transactions(transactions: pa.Table, *, probes: bool = False) -> Iterator[bytes]:
    """The records of a producer that has rows of the lake, or probes."""
    for row in transactions.to_pylist():
        amount = str(Decimal(row["amount_minor"]).scaleb(-2))
        yield _encode({"type": TRANSACTION, **_shared(row, probes), "amount": amount})


def encode_reports(reports: pa.Table, *, probes: bool = False) -> Iterator[bytes]:
    """The records of a producer that has rows of the lake, or probes."""
    for row in reports.to_pylist():
        times = {"report_time": _iso(row["report_time"]), "fraud_scenario": row["fraud_scenario"]}
        yield _encode({"type": FRAUD_REPORT, **_shared(row, probes), **times})


def _transaction(document: dict[str, Any], arrived: datetime) -> Transaction:
    check_names(document, "transaction", (*_COMMON, "amount"), ("currency", PROBE_FIELD))
    if document.get("currency", CURRENCY) != CURRENCY:
        currency = document["currency"]
        got = shown(currency) if isinstance(currency, str) else "another type"
        raise FieldError(f"currency must be {CURRENCY} or left out, got {got}")
    return Transaction(
        transaction_id=whole_number(document, "transaction_id"),
        event_time=_past(document, "event_time", arrived),
        customer_id=whole_number(document, "customer_id"),
        terminal_id=whole_number(document, "terminal_id"),
        amount_minor=minor_amount(document, "amount"),
    )


def _fraud_report(document: dict[str, Any], arrived: datetime) -> FraudReport:
    optional = ("fraud_scenario", PROBE_FIELD)
    check_names(document, "fraud report", (*_COMMON, "report_time"), optional)
    report = FraudReport(
        transaction_id=whole_number(document, "transaction_id"),
        customer_id=whole_number(document, "customer_id"),
        terminal_id=whole_number(document, "terminal_id"),
        event_time=_past(document, "event_time", arrived),
        report_time=_past(document, "report_time", arrived),
        fraud_scenario=whole_number(document, "fraud_scenario", LARGEST_SCENARIO)
        if "fraud_scenario" in document
        else 0,
    )
    if report.report_time < report.event_time:
        raise FieldError(
            f"report_time must not be before event_time {_iso(report.event_time)}, "
            f"got {_iso(report.report_time)}"
        )
    return report


def _past(document: dict[str, Any], name: str, arrived: datetime) -> datetime:
    time = moment(document, name)
    if time > arrived + CLOCK_SKEW:
        raise FieldError(
            f"{name} must be at most {CLOCK_SKEW // timedelta(minutes=1)} minutes after the "
            f"event's arrival at {_iso(arrived)}, got {_iso(time)}; set the sender's clock"
        )
    return time


def _shared(row: dict[str, Any], is_probe: bool) -> dict[str, Any]:
    return {
        **({PROBE_FIELD: True} if is_probe else {}),
        "transaction_id": row["transaction_id"],
        "event_time": _iso(row["event_time"]),
        "customer_id": row["customer_id"],
        "terminal_id": row["terminal_id"],
    }


def _encode(document: dict[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _iso(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")
