"""A user's file, with all that is wrong with it, and what becomes of it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from operations.data.own.conversion import OwnFile, read_own
from operations.data.own.identifiers import Identifiers
from operations.data.own.mapping import FileMapping
from pipeline_code.check.checking import check_landing
from pipeline_code.check.findings import Report
from pipeline_code.stream.events import CLOCK_SKEW

__all__ = ["described", "examined", "is_ahead"]


def examined(
    path: Path, mapping: FileMapping, identifiers: Identifiers, known: pa.Table | None
) -> tuple[OwnFile, Report]:
    """A user's file, and all that is wrong with it.

    Args:
        known: The lake's customers. If omitted, all are taken as known.
    """
    own = read_own(path, mapping, identifiers)
    landing, findings = own.examination.landing, own.examination.findings
    times = landing.transactions["event_time"]
    findings.add_rows(
        "future",
        path.name,
        is_ahead(times).to_numpy(),
        lambda row: f"event_time must not be in the future, got {times[row].as_py().isoformat()}",
    )
    if not landing.transactions.num_rows:
        return own, findings.report()
    return own, check_landing(landing, path.name, known, findings)


def described(own: OwnFile, mapping: FileMapping) -> dict[str, Any]:
    """What became of a file's columns and rows."""
    return {
        "columns": own.columns,
        "kept_columns": own.kept.column_names[1:],
        "assumed_report_times": own.examination.assumed_reports,
        "assumed_report_delay_days": mapping.fraud.report_delay_days,
        "left_out": own.left_out,
        "hint": own.hint,
    }


def is_ahead(times: pa.ChunkedArray) -> pa.ChunkedArray:
    """A clock that is ahead would move every horizon there, and nothing older would count."""
    return pc.greater(times, pa.scalar(datetime.now(UTC) + CLOCK_SKEW, times.type))
