"""What would become of a user's file, before anything does."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from operations.data.ingestion import registry
from operations.data.own.checking import described, examined
from operations.data.own.conversion import OwnFile
from operations.data.own.faults import listing
from operations.data.own.identifiers import Identifiers
from operations.data.own.lake_store import LakeStore, stand_in_key
from operations.data.own.mapping import FileMapping
from operations.errors import OperationError
from operations.target import Target

__all__ = ["preview"]

_ROWS = 10


def preview(
    target: Target, path: Path, mapping: FileMapping | None, *, register_customers: bool
) -> dict[str, Any]:
    """Reads a file as ingestion would, and changes nothing.

    Returns:
        `faults`, None if it would be taken, with the counts by rule; what becomes of its columns
        and rows, and the first rows as they would land.

    Raises:
        OperationError: There is no such file, or it is a folder.
    """
    if not path.is_file():
        raise OperationError(f"--check must have a file, got {path}")
    store = LakeStore(target, stand_in_key)
    known = registry(target, register_customers=register_customers)
    mapping = mapping or FileMapping()
    own, report = examined(path, mapping, Identifiers(store), known)
    landing = own.examination.landing
    times = pc.min_max(landing.transactions["event_time"]).as_py()
    return {
        "rows": own.total,
        "transactions": landing.transactions.num_rows,
        "fraud_reports": landing.fraud_reports.num_rows,
        "customers": landing.customers.num_rows,
        "first_event": times["min"],
        "last_event": times["max"],
        **described(own, mapping),
        "ids_are_final": store.is_final,
        "first_rows": _first_rows(own),
        "faults": None if report.passed else listing(path, report),
        "violations": report.document()["violations"],
    }


def _first_rows(own: OwnFile) -> list[dict[str, Any]]:
    """The first transactions with what else is known of them."""
    landing = own.examination.landing
    first = landing.transactions.slice(0, _ROWS)
    reports = landing.fraud_reports
    is_first = pc.is_in(
        reports["transaction_id"], value_set=first["transaction_id"].combine_chunks()
    )
    found = reports.filter(is_first).to_pylist()
    reported = {each["transaction_id"]: each["report_time"] for each in found}
    kept: pa.Table = own.kept.slice(0, _ROWS).drop_columns(["transaction_id"])
    beside = kept.to_pylist() or [{} for _ in range(first.num_rows)]
    return [
        {
            "row": int(place),
            **row,
            "reported_as_fraud": reported.get(row["transaction_id"]),
            "kept": others,
        }
        for place, row, others in zip(own.examination.rows, first.to_pylist(), beside, strict=False)
    ]
