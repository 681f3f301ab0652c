"""Entry point `features`: labelled feature rows from the raw lake, as a SageMaker processing job.

Reads:
    processing/input/transactions, processing/input/fraud_reports: data sets of the raw lake.

Writes:
    processing/output/train/part-*.parquet, processing/output/test/part-*.parquet: one row per
        transaction of the period (`pipeline_code.features.windows`), with transaction_id,
        event_time, customer_id, terminal_id, the features, `is_fraud` (1 if it was reported by the
        as-of moment) and `fraud_scenario` (for reporting only); in order of customer and time.
    processing/output/summary/summary.json: periods, row counts, schema version, and how many
        transactions were left out because they came again.
    The latest state of every customer and terminal into the feature groups that the environment
        variables CUSTOMER_FEATURE_GROUP and TERMINAL_FEATURE_GROUP name, if they do.

Fails with a message when the history is too short for the periods, a value breaks a rule, or one
id names two different transactions. The same input gives the same bytes.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock

import boto3
from botocore.config import Config

from pipeline_code.common import schema
from pipeline_code.common.exits import BadInput
from pipeline_code.common.paths import ml_root, processing_input, processing_output
from pipeline_code.features.definitions import (
    FEATURE_NAMES,
    HISTORY_DAYS_KEY,
    LABEL_DELAY,
    SCHEMA_VERSION,
    Entity,
)
from pipeline_code.features.events import Reports, Transactions
from pipeline_code.features.parts import Output
from pipeline_code.features.sharded import ShardedFeatures
from pipeline_code.features.sources import ParquetSource
from pipeline_code.features.store import FeatureGroups, Folded, StoreError, materialize
from pipeline_code.features.windows import LATEST, Period, Windows, parse_as_of

GROUP_VARIABLES = ("CUSTOMER_FEATURE_GROUP", "TERMINAL_FEATURE_GROUP")


def main(argv: Sequence[str]) -> int:
    """Runs the processing job."""
    arguments = _parser().parse_args(argv)
    materializer = _materializer()
    transactions = ParquetSource.of(processing_input("transactions"), schema.TRANSACTIONS)
    reports = ParquetSource.of(processing_input("fraud_reports"), schema.FRAUD_REPORTS)
    if transactions.rows == 0:
        raise BadInput("transactions must hold at least one row, got none; ingest some first")
    first_event, last_event = transactions.extent("event_time")
    windows = Windows(
        as_of=parse_as_of(arguments.as_of, last_event),
        train_days=arguments.train_days,
        test_days=arguments.test_days,
        delay_days=arguments.delay_days,
    )
    windows.check_history(first_event)
    periods = {"train": windows.train, "test": windows.test}
    with tempfile.TemporaryDirectory(prefix="features-", dir=ml_root()) as work:
        written = ShardedFeatures(
            transactions=transactions,
            reports=reports,
            outputs=[_output(name, period, first_event) for name, period in periods.items()],
            work=Path(work) / "spill",
            as_of=windows.as_of,
            keep_states=materializer,
        ).run()
    summary = {
        "feature_schema_version": SCHEMA_VERSION,
        "features": list(FEATURE_NAMES),
        "data_version": arguments.data_version,
        "as_of": windows.as_of.isoformat(),
        "history_start": first_event.isoformat(),
        **{
            name: {**period.document(), "rows": part.rows, "frauds": part.frauds}
            for (name, period), part in zip(periods.items(), written, strict=True)
        },
        "repeated": written[0].repeated,
        "materialized": None if materializer is None else materializer.document(),
    }
    file = processing_output("summary") / "summary.json"
    file.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(summary))
    return 0


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


def _output(name: str, period: Period, first_event: datetime) -> Output:
    history = (period.start - first_event) // timedelta(days=1)
    return Output(
        folder=processing_output(name),
        period=period,
        metadata={HISTORY_DAYS_KEY: str(history)},
        must_hold_rows=name,
    )


class _Materializer:
    """Brings the online store up to what the job reads, shard by shard, from several threads."""

    def __init__(self, groups: FeatureGroups) -> None:
        self._groups = groups
        self._client = boto3.client(
            "sagemaker-featurestore-runtime",
            config=Config(retries={"mode": "standard", "max_attempts": 6}),
        )
        self._lock = Lock()
        self._total = Folded()

    def __call__(self, entity: Entity, transactions: Transactions, reports: Reports) -> None:
        folded = materialize(self._client, self._groups, entity, transactions, reports)
        if folded.failed:
            reason = next(iter(folded.failed.values()))
            raise StoreError(f"every state must be stored, got {len(folded.failed)} not: {reason}")
        with self._lock:
            self._total += folded

    def document(self) -> dict[str, int]:
        """How many records were written, for the summary."""
        return {"customers": self._total.customers, "terminals": self._total.terminals}


def _materializer() -> _Materializer | None:
    groups = groups_from_environment()
    return None if groups is None else _Materializer(groups)
