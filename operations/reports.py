"""HTML reports of a model's version: its evaluation's, and what monitors found of it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from operations.errors import OperationError
from operations.models import registry
from operations.target import Target
from pipeline_code.contracts.monitoring import REPORTS_PREFIX, MonitorKind
from pipeline_code.contracts.outputs import Output

__all__ = ["Report", "evaluation", "monitors"]

_PAGE, _ANALYSIS = "report.html", "analysis.json"
# An hourly monitor of data and three daily ones write so many in a month.
_ANALYSES_READ = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A page in S3.

    Attributes:
        name: What a file of it is to be called, without `.html`.
        uri: Where it is.
    """

    name: str
    uri: str

    def download(self, target: Target, folder: Path) -> Path:
        """Copy the page into a folder; returns the file.

        Raises:
            OperationError: If it is not there.
        """
        bucket, _, key = self.uri.removeprefix("s3://").partition("/")
        file = folder / f"{self.name}.html"
        folder.mkdir(parents=True, exist_ok=True)
        try:
            target.client("s3").download_file(bucket, key, str(file))
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("404", "NoSuchKey"):
                raise
            raise OperationError(f"report must be at {self.uri}, got nothing there") from error
        return file


def evaluation(target: Target, version: str) -> Report:
    """The report of the evaluation that a version was registered by.

    Raises:
        OperationError: If there is no such version, or it was registered by hand.
    """
    package = registry.find(target, version)
    number = package["ModelPackageVersion"]
    uri = package.get("CustomerMetadataProperties", {}).get("evaluation_report")
    if uri is None:
        raise OperationError(
            f"version {number} must have been registered by the training pipeline to have a "
            "report, got one without; see `fraudloop lineage`"
        )
    return Report(name=f"evaluation-{number}", uri=uri)


def monitors(target: Target, version: str) -> list[Report]:
    """The newest report about a version of each monitor that has one.

    Raises:
        OperationError: If there is no such version, or no monitor has looked at it.
    """
    package = registry.find(target, version)
    number, arn = package["ModelPackageVersion"], package["ModelPackageArn"]
    found: dict[str, Report] = {}
    for folder, analysis in islice(_analyses(target), _ANALYSES_READ):
        kind = str(analysis["kind"])
        if analysis["model_version"] == arn and kind not in found:
            found[kind] = Report(name=f"{kind}-{number}", uri=f"{folder}/{_PAGE}")
            if len(found) == len(MonitorKind):
                break
    if not found:
        raise OperationError(
            f"a monitor must have looked at version {number} to have a report, got none; "
            "run `fraudloop drift` while it is deployed"
        )
    return [found[kind] for kind in MonitorKind if kind in found]


def _analyses(target: Target) -> Iterator[tuple[str, dict[str, Any]]]:
    """The S3 prefix of every analysis, and what it found, the newest first."""
    s3, bucket = target.client("s3"), target.output(Output.ARTIFACTS_BUCKET)
    prefix = f"{REPORTS_PREFIX}{target.output(Output.ENDPOINT)}/"
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    items = [
        item
        for page in pages
        for item in page.get("Contents", [])
        if item["Key"].endswith(f"/{_ANALYSIS}")
    ]
    for item in sorted(items, key=lambda item: item["LastModified"], reverse=True):
        body = s3.get_object(Bucket=bucket, Key=item["Key"])["Body"]
        yield f"s3://{bucket}/{item['Key'].rpartition('/')[0]}", json.load(body)
