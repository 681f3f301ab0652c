"""Entry point `batch`: offline scoring's own steps, around a batch transform job.

    python -m pipeline_code batch features

Reads the transactions in processing/input/batch (`pipeline_code.batch.batch_input`) and what the
environment names: the offline store and the raw lake. Writes:
    processing/output/features/part-*.parquet: what the model is asked, each file within a request.
    processing/output/rows/part-*.parquet: the same rows' transactions.
    processing/output/facts/refused.parquet: the rows that cannot be scored, with the reason.
    processing/output/facts/facts.json: what was read, and from what features are computed.

    python -m pipeline_code batch results

Reads processing/input/rows, processing/input/facts and, in processing/input/scores, batch
transform's responses. Writes to processing/output/batch what a batch is for:
    results/part-*.parquet: a row a transaction (`pipeline_code.batch.results`).
    refused/refused.parquet: the rows that were not scored, if there are any.
    summary.json: the counts.
"""

import argparse
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pyarrow.parquet as pq
from botocore.config import Config

from pipeline_code.batch.batch_input import BatchInput
from pipeline_code.batch.computed import BatchFeatures, UnusableSourceError
from pipeline_code.batch.from_lake import features_from_lake
from pipeline_code.batch.from_store import OBJECTS_AT_ONCE, features_from_store
from pipeline_code.batch.results import join_results
from pipeline_code.batch.settings import FeatureSettings
from pipeline_code.batch.writing import rows_within, write_computed
from pipeline_code.common.exits import BadInput
from pipeline_code.common.paths import ml_root, processing_input, processing_output
from pipeline_code.contracts.environment import read
from pipeline_code.contracts.pipelines import FeatureSource
from pipeline_code.features.definitions import ENTITIES, SCHEMA_VERSION, Entity
from pipeline_code.features.events import EPOCH
from pipeline_code.parity.objects import Folder

__all__ = ["main"]

FACTS, REFUSED, SUMMARY = "facts.json", "refused.parquet", "summary.json"


def main(argv: Sequence[str]) -> int:
    """Runs one of the two processing jobs."""
    parser = argparse.ArgumentParser(prog="batch", description="score many transactions offline")
    steps = parser.add_subparsers(dest="step", required=True)
    features = steps.add_parser("features", help="compute what the model is asked")
    features.add_argument("--source", default=FeatureSource.AUTO, help="a FeatureSource")
    features.add_argument("--payload-mib", type=int, default=6, help="size of a request")
    features.add_argument(
        "--tolerated-share", type=float, default=0.01, help="of rows that break a rule"
    )
    steps.add_parser("results", help="put together what was asked and answered")
    arguments = parser.parse_args(argv)
    if arguments.step == "features":
        _features(arguments, read(FeatureSettings, os.environ, BadInput))
    else:
        _results(os.environ)
    return 0


def _features(arguments: argparse.Namespace, settings: FeatureSettings) -> None:
    source = _source(arguments.source)
    client = _client("s3")
    _refuse_used(client, settings.output_uri)
    asked = BatchInput.read(processing_input("batch"))
    asked.check(arguments.tolerated_share)
    with tempfile.TemporaryDirectory(prefix="batch-", dir=ml_root()) as work:
        computed = _computed(asked, source, settings, client, Path(work))
        # The lake may have refused more.
        computed.asked.check(arguments.tolerated_share)
        written = Path(work) / "written"
        files = write_computed(computed, written, rows_within(arguments.payload_mib))
        for name in ("features", "rows"):
            for file in sorted((written / name).iterdir()):
                shutil.move(file, processing_output(name) / file.name)
    facts = _facts(computed) | {"files": files, "output": settings.output_uri}
    folder = processing_output("facts")
    pq.write_table(computed.asked.refused_table(), folder / REFUSED)
    _write(folder / FACTS, facts)
    print(json.dumps(facts))


def _source(text: str) -> FeatureSource:
    try:
        return FeatureSource(text)
    except ValueError:  # a pipeline's parameter, so that it is told as a wrong input is
        known = ", ".join(FeatureSource)
        raise BadInput(f"source must be one of {known}, got {text!r}") from None


def _client(service: str) -> Any:
    # As many connections as objects are read at once.
    config = Config(
        retries={"mode": "standard", "max_attempts": 6}, max_pool_connections=OBJECTS_AT_ONCE
    )
    return boto3.client(service, config=config)


def _refuse_used(client: Any, output_uri: str) -> None:
    """Results of two batches in one folder would be read as those of one."""
    folder = Folder.of(client, output_uri)
    found = next(folder.objects(), None)
    if found is not None:
        raise BadInput(
            f"output must be an empty prefix, got {output_uri}, which holds {found}; give another"
        )


def _computed(
    asked: BatchInput, source: FeatureSource, settings: FeatureSettings, client: Any, work: Path
) -> BatchFeatures:
    if source != FeatureSource.LAKE:
        sagemaker = _client("sagemaker")
        stores = {
            entity: _offline_store(sagemaker, client, settings, entity) for entity in ENTITIES
        }
        try:
            return features_from_store(asked, stores, settings.as_of)
        except UnusableSourceError as reason:
            if source == FeatureSource.OFFLINE_STORE:
                raise BadInput(f"{reason}; let features come from the lake") from reason
            print(f"features come from the lake: {reason}")
    return features_from_lake(asked, Folder.of(client, f"s3://{settings.raw_bucket}"), work)


def _offline_store(sagemaker: Any, s3: Any, settings: FeatureSettings, entity: Entity) -> Folder:
    name = settings.groups.of(entity)
    group = sagemaker.describe_feature_group(FeatureGroupName=name)
    return Folder.of(s3, group["OfflineStoreConfig"]["S3StorageConfig"]["ResolvedOutputS3Uri"])


def _facts(computed: BatchFeatures) -> dict[str, Any]:
    asked = computed.asked
    times = (
        EPOCH + timedelta(microseconds=int(asked.rows.times.min())),
        EPOCH + timedelta(microseconds=int(asked.rows.times.max())),
    )
    return {
        "feature_schema_version": SCHEMA_VERSION,
        "feature_source": computed.source,
        **computed.facts,
        "first_event": times[0].isoformat(),
        "last_event": times[1].isoformat(),
        "input_files": len(asked.files),
        "rows": asked.total,
        "asked": len(asked.rows),
        "repeated": asked.repeated,
        "refused": len(asked.refused),
    }


def _results(environment: Mapping[str, str]) -> None:
    facts_folder, target = processing_input("facts"), processing_output("batch")
    facts = json.loads((facts_folder / FACTS).read_text(encoding="utf-8"))
    counts = join_results(processing_input("rows"), processing_input("scores"), target / "results")
    if counts["scored"] != facts["asked"]:
        raise BadInput(
            f"each of {facts['asked']} transactions must have a score, got {counts['scored']}; "
            "start the batch again"
        )
    if facts["refused"]:
        (target / "refused").mkdir(exist_ok=True)
        shutil.copy(facts_folder / REFUSED, target / "refused" / REFUSED)
    summary = facts | counts | {"execution": environment.get("EXECUTION_ARN", "unknown")}
    summary["finished"] = datetime.now(UTC).isoformat(timespec="seconds")
    _write(target / SUMMARY, summary)
    print(json.dumps(summary))


def _write(file: Path, document: Any) -> None:
    file.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
