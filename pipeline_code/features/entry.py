"""Entry point `features`: labelled feature rows from the raw lake, as a SageMaker processing job.

Reads:
    processing/input/transactions, processing/input/fraud_reports: data sets of the raw lake.

Writes:
    processing/output/train/part-*.parquet, processing/output/test/part-*.parquet: one row per
        transaction of the period (`pipeline_code.features.windows`), with transaction_id,
        event_time, customer_id, terminal_id, the features, `is_fraud` (1 if it was reported by the
        as-of moment) and `fraud_scenario` (for reporting only); in order of customer and time.
    processing/output/summary/summary.json: periods, row counts, schema version, how many
        transactions were left out because they came again, and which features need more history
        than there is.
    processing/output/summary/sources.json, with `--raw-uri`: which versions of which objects of the
        lake were read (`pipeline_code.features.files.manifest`).
    The latest state of every customer and terminal into the feature groups of every version of the
        features' schema that is alive, whose names FEATURE_GROUP_PATTERN says, if it does.

On Spark (`--engine spark`) it is one of as many hosts as config/resourceconfig.json names, each of
which is started alike and has all inputs. Each leaves the parts that it computed; the first one
leaves the summary.

Fails with a message when the history is too short for the periods, a value breaks a rule, one id
names two different transactions, or what was read is not in the lake any more. The same input gives
the same bytes.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

import boto3
from botocore.config import Config

from pipeline_code.common import schema
from pipeline_code.common.exits import BadInput
from pipeline_code.common.paths import ml_root, processing_input, processing_output
from pipeline_code.contracts.environment import read
from pipeline_code.features.definitions import (
    FEATURE_NAMES,
    FEATURES,
    HISTORY_DAYS_KEY,
    LABEL_DELAY,
    SCHEMA_VERSION,
)
from pipeline_code.features.files.manifest import Manifest
from pipeline_code.features.files.sources import ParquetSource
from pipeline_code.features.parts import Output, OutputCounts
from pipeline_code.features.sharded import ShardedFeatures
from pipeline_code.features.spark.session import require
from pipeline_code.features.store.materializing import Materializer, MaterializingSettings
from pipeline_code.features.store.online_store import FeatureGroups
from pipeline_code.features.windows import LATEST, Period, Windows, parse_as_of

SINGLE, SPARK = "single", "spark"


def main(argv: Sequence[str]) -> int:
    """Runs the processing job."""
    arguments = _parser().parse_args(argv)
    if arguments.engine == SPARK:
        require()
    job = _Job.of(arguments)
    sources = None if arguments.raw_uri is None else _sources(arguments.raw_uri)
    with tempfile.TemporaryDirectory(prefix="features-", dir=ml_root()) as work:
        run = _on_spark if arguments.engine == SPARK else _on_one_host
        try:
            written = run(job, Path(work))
        finally:
            if job.materializer is not None:
                job.materializer.report()
    if written is None:  # another host of the cluster tells
        return 0
    summary = {
        "feature_schema_version": SCHEMA_VERSION,
        "features": list(FEATURE_NAMES),
        "data_version": arguments.data_version,
        **job.document(written),
    }
    folder = processing_output("summary")
    text = json.dumps(summary, indent=2) + "\n"
    (folder / "summary.json").write_text(text, encoding="utf-8")
    if sources is not None:
        sources.write(folder / "sources.json")
    print(json.dumps(summary))
    if job.short_of_history:
        said = ", ".join(f"{name} {days}" for name, days in job.short_of_history.items())
        print(
            f"windows of {len(job.short_of_history)} features are not full when the training "
            f"period begins, {job.history_days} days after the first transaction; they need so "
            f"many days: {said}; ingest older transactions, or train later",
            file=sys.stderr,
        )
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """What is to be computed, whatever engine does it; on every host the same."""

    transactions: ParquetSource
    reports: ParquetSource
    windows: Windows
    first_event: datetime
    materializer: Materializer | None

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> Self:
        settings = read(MaterializingSettings, os.environ, BadInput)
        pattern = settings.feature_group_pattern
        groups = () if pattern is None else FeatureGroups.of_every_version(pattern)
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
        return cls(
            transactions=transactions,
            reports=reports,
            windows=windows,
            first_event=first_event,
            materializer=Materializer(groups, settings) if groups else None,
        )

    @property
    def periods(self) -> dict[str, Period]:
        return {"train": self.windows.train, "test": self.windows.test}

    @property
    def history_days(self) -> int:
        """How many whole days of transactions lie before the training period."""
        return _days_between(self.first_event, self.windows.train.start)

    @property
    def short_of_history(self) -> dict[str, int]:
        """The features whose windows reach further back than that, and how many days they need."""
        needs = {each.name: -(-each.warm_up // timedelta(days=1)) for each in FEATURES}
        return {name: days for name, days in needs.items() if days > self.history_days}

    @property
    def outputs(self) -> list[Output]:
        return [_output(name, period, self.first_event) for name, period in self.periods.items()]

    def document(self, written: Sequence[OutputCounts]) -> dict[str, object]:
        """What was done, for the summary."""
        return {
            "as_of": self.windows.as_of.isoformat(),
            "history_start": self.first_event.isoformat(),
            **{
                name: {**period.document(), "rows": part.rows, "frauds": part.frauds}
                for (name, period), part in zip(self.periods.items(), written, strict=True)
            },
            "repeated": written[0].repeated,
            "short_of_history": self.short_of_history,
            "materialized": None if self.materializer is None else self.materializer.document(),
        }


def _sources(raw_uri: str) -> Manifest:
    client = boto3.client("s3", config=Config(retries={"mode": "standard", "max_attempts": 6}))
    folders = [processing_input(name) for name in ("transactions", "fraud_reports")]
    return Manifest.of(client, raw_uri, folders)


def _on_one_host(job: _Job, work: Path) -> list[OutputCounts] | None:
    return ShardedFeatures(
        transactions=job.transactions,
        reports=job.reports,
        outputs=job.outputs,
        work=work / "spill",
        as_of=job.windows.as_of,
        keep_states=job.materializer,
    ).run()


def _on_spark(job: _Job, work: Path) -> list[OutputCounts] | None:
    # Only the image's target `spark` has PySpark.
    from pipeline_code.features.spark.job import SparkJob  # noqa: PLC0415

    return SparkJob(
        transactions=job.transactions,
        reports=job.reports,
        outputs=job.outputs,
        work=work,
        as_of=job.windows.as_of,
        materializer=job.materializer,
    ).run()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="features", description="compute labelled feature rows")
    parser.add_argument("--train-days", type=int, required=True)
    parser.add_argument("--test-days", type=int, required=True)
    parser.add_argument("--delay-days", type=int, default=LABEL_DELAY.days)
    parser.add_argument("--as-of", default=LATEST, help="latest, or an ISO-8601 moment")
    parser.add_argument("--engine", choices=(SINGLE, SPARK), default=SINGLE)
    parser.add_argument("--raw-uri", help="where the inputs come from, such as s3://raw")
    # Not read: it makes the step's arguments differ with the data, so that caching is exact.
    parser.add_argument("--data-version", default="unknown", help="fingerprint of the raw data")
    return parser


def _output(name: str, period: Period, first_event: datetime) -> Output:
    return Output(
        folder=processing_output(name),
        period=period,
        metadata={HISTORY_DAYS_KEY: str(_days_between(first_event, period.start))},
        must_hold_rows=name,
    )


def _days_between(start: datetime, end: datetime) -> int:
    return (end - start) // timedelta(days=1)
