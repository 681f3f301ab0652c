"""Bringing events in: checked, then landed in the lake by day, or published as a stream."""

import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa

from operations import progress
from operations.data import lake
from operations.data.events import Stream
from operations.data.landing import await_landed
from operations.data.own.checking import described, examined, is_ahead
from operations.data.own.faults import listing
from operations.data.own.identifiers import Identifiers
from operations.data.own.lake_store import LakeStore, make_key, write_kept
from operations.data.own.local import read_landing
from operations.data.own.mapping import FileMapping
from operations.data.own.receipts import Receipts
from operations.data.stream import EventStream
from operations.errors import OperationError
from operations.target import Target
from pipeline_code.check.checking import check
from pipeline_code.check.findings import Findings, Report
from pipeline_code.check.sources import Source, TableSource, folder_sources
from pipeline_code.common.lake import Landing, write
from pipeline_code.common.schema import (
    CUSTOMERS,
    DATASETS,
    FRAUD_REPORTS,
    TRANSACTIONS,
    read,
)
from pipeline_code.contracts.outputs import Output

_TRANSACTIONS, _FRAUD_REPORTS, _CUSTOMERS = DATASETS


def read_events(path: Path, mapping: FileMapping | None = None) -> Stream:
    """Events of a user's file, whose ids of names are good for one run, or of a folder in the
    lake's layout.

    Args:
        mapping: What the file calls the lake's columns. If omitted, as the lake does.

    Raises:
        OperationError: If there is nothing at the path.
        BadInput: If rows of a file break rules; the message has them all.
    """
    _require(path, mapping)
    if path.is_dir():
        return Stream(
            read(path / _TRANSACTIONS.name, TRANSACTIONS),
            read(path / _FRAUD_REPORTS.name, FRAUD_REPORTS),
        )
    landing = read_landing(path, mapping)
    return Stream(landing.transactions, landing.fraud_reports)


def ingest(
    target: Target,
    path: Path,
    *,
    online: bool,
    register_customers: bool,
    mapping: FileMapping | None = None,
    replace: bool = False,
) -> dict[str, Any]:
    """Bring a file in, or a folder in the lake's layout; nothing of it unless all of it is good.

    Args:
        online: Whether events are put onto the environment's stream, which folds and lands them.
        register_customers: Whether unknown customers are new ones; those of an empty lake are.
        mapping: What a file calls the lake's columns. If omitted, as the lake does.
        replace: Whether what a file landed as by another mapping is taken away.

    Raises:
        OperationError: If there is nothing at the path, or rules are broken; file, rows and rules.
    """
    _require(path, mapping)
    progress.update("check", f"{path}")
    known = registry(target, register_customers=register_customers)
    with tempfile.TemporaryDirectory(prefix="fraudloop-") as temporary:
        beside, folder = Path(temporary) / "beside", Path(temporary) / "landing"
        if path.is_dir():
            folder, told = path, {}
            _require_sound(path, _check_folder(path, known))
        else:
            told = _write_file(target, path, mapping or FileMapping(), known, folder, beside)
        landed = _land(target, path, folder, beside, online=online, replace=replace)
    return {**landed, **told, "bucket": target.output(Output.RAW_BUCKET), "online": online}


def _land(
    target: Target, path: Path, folder: Path, beside: Path, *, online: bool, replace: bool
) -> dict[str, Any]:
    """Uploads or publishes what was checked, and what is kept beside it."""
    events = read_events(folder)
    progress.update("check", f"{events.transactions.num_rows:,} transactions", ended=True)
    _refuse_future(path, events.transactions)
    receipts = None if path.is_dir() else Receipts(target, path, (folder, beside), online=online)
    stale = receipts.stale(replace=replace) if receipts else []
    # First whose ids they are: without it nobody could tell any more.
    keys = lake.upload(target, beside)
    keys += _publish(target, folder, events) if online else lake.upload(target, folder)
    if receipts:
        receipts.keep(stale)
    return {
        "transactions": events.transactions.num_rows,
        "fraud_reports": events.fraud_reports.num_rows,
        "objects": len(keys),
        "replaced_objects": len(stale),
    }


def _write_file(
    target: Target,
    path: Path,
    mapping: FileMapping,
    known: pa.Table | None,
    folder: Path,
    beside: Path,
) -> dict[str, Any]:
    """Writes a sound file in the lake's layout, and what is kept of it; says what became of it."""
    identifiers = Identifiers(LakeStore(target, make_key))
    own, report = examined(path, mapping, identifiers, known)
    _require_sound(path, report)
    write(_without_known(own.examination.landing, known), folder)
    write_kept(own, identifiers, beside)
    return described(own, mapping)


def registry(target: Target, *, register_customers: bool) -> pa.Table | None:
    """The customers that transactions have to be of; None if all are taken."""
    known = _known_customers(target)
    return None if register_customers or known.num_rows == 0 else known


def _require(path: Path, mapping: FileMapping | None) -> None:
    if not path.exists():
        raise OperationError(f"path must be a file or folder, got {path}, which does not exist")
    if mapping is not None and path.is_dir():
        raise OperationError(
            f"a mapping must be of a file, got the folder {path}; folders are in the lake's layout"
        )


def _require_sound(path: Path, report: Report) -> None:
    if not report.passed:
        raise OperationError(listing(path, report))


def _refuse_future(path: Path, transactions: pa.Table) -> None:
    ahead = transactions.filter(is_ahead(transactions["event_time"]))
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
        write(_registered(customers), Path(temporary))
        keys = lake.upload(target, Path(temporary))
    stream = EventStream(target)
    count = events.transactions.num_rows + events.fraud_reports.num_rows
    with progress.activity(f"publish {count:,} events"):
        stream.publish(events)
    stream.await_folded()
    await_landed(target, events)
    return keys


def _registered(customers: pa.Table) -> Landing:
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
