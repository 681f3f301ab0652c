"""Entry point `features`: labelled feature rows from the raw lake, as a SageMaker processing job.

Reads:
    processing/input/transactions, processing/input/fraud_reports: data sets of the raw lake.

Writes:
    processing/output/train/part-0.parquet, processing/output/test/part-0.parquet: one row per
        transaction of the period (`pipeline_code.features.windows`), in order of time, with
        transaction_id, event_time, customer_id, terminal_id, the features, `is_fraud` (1 if it was
        reported by the as-of moment) and `fraud_scenario` (for reporting only).
    processing/output/summary/summary.json: periods, row counts, schema version.
    The latest state of every customer and terminal into the feature groups that the environment
        variables CUSTOMER_FEATURE_GROUP and TERMINAL_FEATURE_GROUP name, if they do.

Fails with a message when the history is too short for the periods, or a transaction comes twice.
The same input gives the same bytes.
"""

import argparse
import json
import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from botocore.config import Config

from pipeline_code.common import schema
from pipeline_code.common.exits import BadInput
from pipeline_code.common.paths import processing_input, processing_output
from pipeline_code.features import batch
from pipeline_code.features.definitions import (
    FEATURE_NAMES,
    HISTORY_DAYS_KEY,
    LABEL_DELAY,
    SCHEMA_VERSION,
    SCHEMA_VERSION_KEY,
)
from pipeline_code.features.store import FeatureGroups, materialize
from pipeline_code.features.windows import LATEST, Windows, parse_as_of

GROUP_VARIABLES = ("CUSTOMER_FEATURE_GROUP", "TERMINAL_FEATURE_GROUP")


def main(argv: Sequence[str]) -> int:
    """Runs the processing job."""
    arguments = _parser().parse_args(argv)
    groups = groups_from_environment()
    transactions = schema.read(processing_input("transactions"), schema.TRANSACTIONS)
    reports = schema.read(processing_input("fraud_reports"), schema.FRAUD_REPORTS)
    if transactions.num_rows == 0:
        raise BadInput("transactions must hold at least one row, got none; ingest some first")
    first_event, last_event = times_of(transactions)
    windows = Windows(
        as_of=parse_as_of(arguments.as_of, last_event),
        train_days=arguments.train_days,
        test_days=arguments.test_days,
        delay_days=arguments.delay_days,
    )
    windows.check_history(first_event)
    summary = {
        "feature_schema_version": SCHEMA_VERSION,
        "features": list(FEATURE_NAMES),
        "data_version": arguments.data_version,
        "as_of": windows.as_of.isoformat(),
        "history_start": first_event.isoformat(),
        **_write_periods(windows, *_known(transactions, reports, windows.as_of)),
        "materialized": _materialize(groups, transactions, reports),
    }
    file = processing_output("summary") / "summary.json"
    file.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(summary))
    return 0


def times_of(transactions: pa.Table) -> tuple[datetime, datetime]:
    """The first and the last event time."""
    times = pc.min_max(transactions["event_time"]).as_py()
    return times["min"], times["max"]


def groups_from_environment() -> FeatureGroups | None:
    """The feature groups that the environment names, or None if it names none.

    Raises:
        BadInput: It names only one of the two.
    """
    given = [os.environ.get(name, "") for name in GROUP_VARIABLES]
    if not any(given):
        return None
    if not all(given):
        raise BadInput(f"{' and '.join(GROUP_VARIABLES)} must be set together, got {given}")
    return FeatureGroups(customer=given[0], terminal=given[1])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="features", description="compute labelled feature rows")
    parser.add_argument("--train-days", type=int, required=True)
    parser.add_argument("--test-days", type=int, required=True)
    parser.add_argument("--delay-days", type=int, default=LABEL_DELAY.days)
    parser.add_argument("--as-of", default=LATEST, help="latest, or an ISO-8601 moment")
    # Not read: it makes the step's arguments differ with the data, so that caching is exact.
    parser.add_argument("--data-version", default="unknown", help="fingerprint of the raw data")
    return parser


def _known(transactions: pa.Table, reports: pa.Table, as_of: datetime) -> tuple[pa.Table, pa.Table]:
    """The events that were known at the moment."""
    moment = pa.scalar(as_of, schema.UTC_MICROSECONDS)
    return (
        transactions.filter(pc.less(transactions["event_time"], moment)),
        reports.filter(pc.less_equal(reports["report_time"], moment)),
    )


def _write_periods(windows: Windows, transactions: pa.Table, reports: pa.Table) -> dict[str, Any]:
    periods = {"train": windows.train, "test": windows.test}
    masks = {name: period.mask(transactions) for name, period in periods.items()}
    wanted = masks["train"] | masks["test"]
    rows = _labelled(batch.compute(transactions, reports, wanted=wanted), reports)
    summary: dict[str, Any] = {}
    for name, period in periods.items():
        part = rows.filter(pa.array(period.mask(rows)))
        if part.num_rows == 0:
            raise BadInput(
                f"{name} period must hold transactions, got none from {period.start.isoformat()} "
                f"to {period.end.isoformat()}; ingest that time or choose another as-of"
            )
        history = (period.start - times_of(transactions)[0]) // timedelta(days=1)
        _write(part, history, processing_output(name) / "part-0.parquet")
        frauds = int(pc.sum(part["is_fraud"]).as_py())
        summary[name] = {**period.document(), "rows": part.num_rows, "frauds": frauds}
    return summary


def _labelled(features: pa.Table, reports: pa.Table) -> pa.Table:
    ids = features["transaction_id"]
    place = pc.index_in(ids, value_set=reports["transaction_id"].combine_chunks())
    is_fraud = pc.is_valid(place).cast(pa.int8())
    scenario = pc.fill_null(
        reports["fraud_scenario"].combine_chunks().take(place.combine_chunks()), 0
    )
    labelled = features.append_column("is_fraud", is_fraud)
    labelled = labelled.append_column("fraud_scenario", scenario.cast(pa.int8()))
    return labelled.sort_by([("event_time", "ascending"), ("transaction_id", "ascending")])


def _write(rows: pa.Table, history_days: int, file: Path) -> None:
    metadata = {SCHEMA_VERSION_KEY: SCHEMA_VERSION, HISTORY_DAYS_KEY: str(history_days)}
    rows = rows.replace_schema_metadata(metadata)
    pq.write_table(rows, file, compression="zstd")


def _materialize(
    groups: FeatureGroups | None, transactions: pa.Table, reports: pa.Table
) -> dict[str, int] | None:
    if groups is None:
        return None
    client = boto3.client(
        "sagemaker-featurestore-runtime",
        config=Config(retries={"mode": "standard", "max_attempts": 6}),
    )
    written = materialize(client, groups, transactions, reports)
    return {"customers": written.customers, "terminals": written.terminals}
