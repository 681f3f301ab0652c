"""Entry point `parity`: audits the features that the endpoint answered with, as a daily job.

    python -m pipeline_code parity --hours 24

Reads what `pipeline_code.parity.settings` names: a sample of the captured requests, the offline
store's records of their customers and terminals, and the raw lake's events of those. Judges each
answer (`pipeline_code.parity.audit`), publishes metrics (`pipeline_code.parity.publishing`), and
writes:
    processing/output/report/parity.json: the counts, the interval and the first difference.
    processing/output/report/differences.jsonl: every difference, a line each.

A difference is a result, not a failure: the exit code is 0 and output/message begins with
CompletedWithDifferences; the alarm on defects is what calls operators. A file that cannot be read
is a failure.
"""

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from pipeline_code.common.exits import shortened
from pipeline_code.common.paths import failure_file, ml_root, processing_output
from pipeline_code.features.definitions import ENTITIES, Entity
from pipeline_code.parity.audit import Audit
from pipeline_code.parity.auditor import Auditor
from pipeline_code.parity.objects import Folder
from pipeline_code.parity.publishing import publish
from pipeline_code.parity.requests import Sample, read_sample
from pipeline_code.parity.settings import AuditSettings

__all__ = ["main"]

HOUR = timedelta(hours=1)


def main(argv: Sequence[str]) -> int:
    """Runs the processing job."""
    settings = AuditSettings.parse(argv, os.environ)
    config = Config(retries={"mode": "standard", "max_attempts": 5})
    s3 = boto3.client("s3", config=config)
    sample = _sample(Folder.of(s3, settings.captures_uri), settings)
    sagemaker = boto3.client("sagemaker", config=config)
    stores = {entity: _offline_store(sagemaker, s3, settings, entity) for entity in ENTITIES}
    lake = Folder.of(s3, f"s3://{settings.raw_bucket}")
    audit = Auditor(lake, stores, settings.lookback).audit(sample.rows)
    found = audit.document() | {
        "captured": sample.captured,
        "other_schema": sample.other_schema,
        "probes": sample.probes,
        "start": _told(settings.interval.start),
        "end": _told(settings.interval.end),
    }
    _write(found, audit)
    if settings.metric_namespace is not None:
        publish(
            found,
            namespace=settings.metric_namespace,
            endpoint_name=settings.endpoint_name,
            cloudwatch=boto3.client("cloudwatch", config=config),
        )
    _tell(found)
    return 0


def _sample(captures: Folder, settings: AuditSettings) -> Sample:
    """The requests of the interval, from the folders of its hours."""
    interval = settings.interval
    assert interval.start is not None and interval.end is not None  # noqa: S101 - as parsed
    with tempfile.TemporaryDirectory(prefix="captures-", dir=ml_root()) as temporary:
        hour = interval.start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        while hour < interval.end:
            folder = captures / f"{hour:%Y/%m/%d/%H}"
            for name in folder.objects():
                file = Path(temporary) / name.removeprefix(captures.prefix)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(captures.read(name))
            hour += HOUR
        return read_sample(
            Path(temporary), interval, settings.sample, model_version=settings.model_version
        )


def _offline_store(sagemaker: Any, s3: Any, settings: AuditSettings, entity: Entity) -> Folder:
    group = sagemaker.describe_feature_group(FeatureGroupName=settings.groups.of(entity))
    return Folder.of(s3, group["OfflineStoreConfig"]["S3StorageConfig"]["ResolvedOutputS3Uri"])


def _write(found: Mapping[str, Any], audit: Audit) -> None:
    folder = processing_output("report")
    report = json.dumps(found, indent=2, allow_nan=False) + "\n"
    (folder / "parity.json").write_text(report, encoding="utf-8")
    lines = [json.dumps(each.document(), allow_nan=False) + "\n" for each in audit.differences]
    (folder / "differences.jsonl").write_text("".join(lines), encoding="utf-8")


def _tell(found: Mapping[str, Any]) -> None:
    """Says on the log, and where SageMaker shows it, how the audit ended."""
    print(json.dumps(found))
    message = f"Completed: {found['rows']} answers are batch's"
    if found["mismatches"]:
        message = (
            f"CompletedWithDifferences: {found['mismatches']} of {found['rows']} answers, "
            f"{found['defects']} of them defects"
        )
    file = failure_file("parity")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(shortened(message), encoding="utf-8")


def _told(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
