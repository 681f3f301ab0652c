"""Bringing events in: checked, then landed in the lake by day, or published as a stream."""

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from operations import progress
from operations.data import lake
from operations.data.events import Stream
from operations.data.landing import await_landed
from operations.data.stream import EventStream
from operations.errors import OperationError
from operations.target import Target
from pipeline_code.check.checking import check, check_landing
from pipeline_code.check.findings import Findings, Report
from pipeline_code.check.sources import Source, TableSource, folder_sources
from pipeline_code.common.lake import Landing, write
from pipeline_code.common.landing import prepare
from pipeline_code.common.schema import (
    CUSTOMERS,
    DATASETS,
    FRAUD_REPORTS,
    TRANSACTIONS,
    read,
)
from pipeline_code.contracts.outputs import Output
from pipeline_code.stream.events import CLOCK_SKEW

_TRANSACTIONS, _FRAUD_REPORTS, _CUSTOMERS = DATASETS
# The rule that a file's customers break whom the lake does not know.
_UNKNOWN = "unknown_customer"


def read_events(path: Path) -> Stream:
    """Events of a user's file (Parquet or CSV) or of a folder in the lake's layout.

    Raises:
        OperationError: If there is nothing at the path.
        BadInput: If a row of a file breaks a rule; the message names file, row and rule.
    """
    if not path.exists():
        raise OperationError(f"path must be a file or folder, got {path}, which does not exist")
    if path.is_dir():
        return Stream(
            read(path / _TRANSACTIONS.name, TRANSACTIONS),
            read(path / _FRAUD_REPORTS.name, FRAUD_REPORTS),
        )
    landing = prepare(path)
    return Stream(landing.transactions, landing.fraud_reports)


def ingest(target: Target, path: Path, *, online: bool, register_customers: bool) -> dict[str, Any]:
    """Bring a file in, or a folder in the lake's layout; nothing of it unless all of it is good.

    Args:
        online: Whether the events are put onto the environment's stream, which folds them into the
            online store and lands them; else they are landed right here.
        register_customers: Whether unknown customers are new ones rather than an error. The
            first customers of an empty lake are always new.

    Raises:
        OperationError: If there is nothing at the path, or a rule is broken; file, row and rule.
    """
    if not path.exists():
        raise OperationError(f"path must be a file or folder, got {path}, which does not exist")
    progress.update("check", f"{path}")
    known = _known_customers(target)
    if register_customers or known.num_rows == 0:
        known = None
    with tempfile.TemporaryDirectory(prefix="fraudloop-") as temporary:
        if path.is_dir():
            report, folder = _check_folder(path, known), path
        else:
            landing, folder = prepare(path), Path(temporary)
            report = check_landing(landing, path.name, known)
            write(_without_known(landing, known), folder)
        if not report.passed:
            hint = "; --register-customers takes them as new" if _UNKNOWN in report.counts else ""
            raise OperationError(f"{path} must keep the lake's rules: {report.message()}{hint}")
        events = read_events(folder)
        progress.update("check", f"{events.transactions.num_rows:,} transactions", ended=True)
        _refuse_future(path, events.transactions)
        keys = _publish(target, folder, events) if online else lake.upload(target, folder)
    return {
        "transactions": events.transactions.num_rows,
        "fraud_reports": events.fraud_reports.num_rows,
        "bucket": target.output(Output.RAW_BUCKET),
        "objects": len(keys),
        "online": online,
    }


def _refuse_future(path: Path, transactions: pa.Table) -> None:
    """A clock that is ahead would move every horizon there, and nothing older would count."""
    times = transactions["event_time"]
    latest = pa.scalar(datetime.now(UTC) + CLOCK_SKEW, times.type)
    ahead = transactions.filter(pc.greater(times, latest))
    if ahead.num_rows:
        first = ahead.slice(0, 1).to_pylist()[0]
        raise OperationError(
            f"{path}: event_time must not be in the future, got {first['event_time'].isoformat()} "
            f"of transaction {first['transaction_id']} and {ahead.num_rows - 1} more; correct the "
            "clock that wrote them"
        )


def _publish(target: Target, folder: Path, events: Stream) -> list[str]:
    """Put the events onto the stream and wait for both of its ends; returns the keys uploaded."""
    # The stream has no customers: the registry is uploaded as ever.
    with tempfile.TemporaryDirectory(prefix="fraudloop-") as temporary:
        customers = read(folder / _CUSTOMERS.name, CUSTOMERS)
        write(_registry(customers), Path(temporary))
        keys = lake.upload(target, Path(temporary))
    stream = EventStream(target)
    count = events.transactions.num_rows + events.fraud_reports.num_rows
    with progress.activity(f"publish {count:,} events"):
        stream.publish(events)
    stream.await_folded()
    await_landed(target, events)
    return keys


def _registry(customers: pa.Table) -> Landing:
    return Landing(
        transactions=TRANSACTIONS.empty_table(),
        fraud_reports=FRAUD_REPORTS.empty_table(),
        customers=customers,
    )


def _known_customers(target: Target) -> pa.Table:
    """The lake's registry of customers; empty before the first ingestion."""
    with tempfile.TemporaryDirectory(prefix="fraudloop-") as temporary:
        lake.download(target, f"{_CUSTOMERS.name}/", Path(temporary))
        return read(Path(temporary), CUSTOMERS)


def _check_folder(folder: Path, known: pa.Table | None) -> Report:
    """Check a folder's transactions; its reports may be of transactions landed long before, so
    the pipeline checks those, against the whole lake."""
    findings = Findings()
    customers: list[Source] = [*folder_sources(_CUSTOMERS, folder / _CUSTOMERS.name, findings)]
    if known is not None:
        customers.append(TableSource("the lake's customers", known))
    transactions = folder_sources(_TRANSACTIONS, folder / _TRANSACTIONS.name, findings)
    return check(
        transactions=transactions, fraud_reports=[], customers=customers, findings=findings
    )


def _without_known(landing: Landing, known: pa.Table | None) -> Landing:
    """The landing, without a registry where the lake's own decided which customers there are."""
    if known is None:
        return landing
    return Landing(
        transactions=landing.transactions,
        fraud_reports=landing.fraud_reports,
        customers=CUSTOMERS.empty_table(),
    )
