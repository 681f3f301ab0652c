"""Two versions of the model on one held-back window: is the one really better than the other?"""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from operations.data import lake
from operations.data.own.local import read_landing
from operations.errors import OperationError
from operations.models import registry
from operations.models.origins import Origins
from operations.target import Target
from pipeline_code.common.schema import FRAUD_REPORTS, read
from pipeline_code.evaluate.champion import Package, download
from pipeline_code.evaluate.comparison import Comparison, compare
from pipeline_code.evaluate.protocol import compromised, epoch_day
from pipeline_code.features.batch import compute
from pipeline_code.features.definitions import LABEL_DELAY
from pipeline_code.train.batches import LABEL
from pipeline_code.train.model import Model
from pipeline_code.train.rows import FeatureRows

__all__ = [
    "ComparedVersion",
    "LabelledPeriod",
    "ModelComparison",
    "compare_versions",
    "window_of",
    "window_of_file",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedVersion:
    """One of the two versions, and its model."""

    package: Mapping[str, Any]
    model: Model

    @classmethod
    def of(cls, target: Target, name: str) -> Self:
        """The version of a name, with its model fetched from the registry.

        Raises:
            OperationError: If there is none.
        """
        package = registry.find(target, name)
        return cls(package=package, model=download(target.client("s3"), Package.of(package)))

    @property
    def version(self) -> int:
        version: int = self.package["ModelPackageVersion"]
        return version

    @property
    def learned_from(self) -> date:
        """The first day that it learned from."""
        return date.fromisoformat(self.model.metadata.train_first_event[:10])

    @property
    def testable_from(self) -> date:
        """The first day whose frauds it cannot have learned of, even by a late label."""
        last = date.fromisoformat(self.model.metadata.train_last_event[:10])
        return last + timedelta(days=1) + LABEL_DELAY


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledPeriod:
    """Labelled feature rows of some days, and the fraud reports that say which cards were known.

    Attributes:
        start: The first day.
        end: The day after the last.
        origin: Where the rows come from, in words.
    """

    start: date
    end: date
    rows: FeatureRows
    reports: pa.Table
    origin: str

    @property
    def last(self) -> date:
        """The last day."""
        return self.end - timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelComparison:
    """What was found, and on what."""

    a: ComparedVersion
    b: ComparedVersion
    window: LabelledPeriod
    removed: int
    comparison: Comparison

    def as_dict(self) -> dict[str, Any]:
        return {
            **{
                name: {"arn": each.package["ModelPackageArn"], "version": each.version}
                for name, each in (("a", self.a), ("b", self.b))
            },
            "window": {
                "start": self.window.start.isoformat(),
                "end": self.window.end.isoformat(),
                "origin": self.window.origin,
                "removed": self.removed,
            },
            **self.comparison.as_dict(),
        }


def compare_versions(
    a: ComparedVersion, b: ComparedVersion, window: LabelledPeriod, *, reviews: int
) -> ModelComparison:
    """Has both versions score the window, without the cards known to be compromised.

    Raises:
        OperationError: If it is one version twice, or the window is not held back from both.
        BadInput: If the window has no frauds, or a version takes other features.
    """
    if a.version == b.version:
        raise OperationError(f"A and B must be two versions, got {a.version} twice; name another")
    earliest = max(a.testable_from, b.testable_from)
    if window.start < earliest:
        raise OperationError(
            f"window must begin {LABEL_DELAY.days} days after what versions {a.version} and "
            f"{b.version} learned from, on {earliest} or later, got {window.start} of "
            f"{window.origin}; leave it out to use the newer version's own test window"
        )
    since = min(a.learned_from, b.learned_from)
    removed = compromised(window.rows, window.reports, since=since)
    rows = window.rows.filter(~removed)
    comparison = compare(a.model, b.model, rows, reviews_per_day=reviews)
    return ModelComparison(
        a=a, b=b, window=window, removed=int(removed.sum()), comparison=comparison
    )


def newest_execution(a: ComparedVersion, b: ComparedVersion) -> str:
    """The pipeline execution of the version that learned from later days.

    Raises:
        OperationError: It was not registered by one.
    """
    newer = max((a, b), key=lambda each: (each.testable_from, each.version))
    execution = str(newer.package.get("MetadataProperties", {}).get("GeneratedBy", ""))
    if ":pipeline/" not in execution:
        raise OperationError(
            f"version {newer.version} must come from a pipeline execution to have a test window, "
            f"got {execution or 'none'}; give --execution, or --data and --test-start"
        )
    return execution


def window_of(target: Target, execution_arn: str) -> LabelledPeriod:
    """The test window that a pipeline execution computed.

    Raises:
        OperationError: It has no feature job that wrote one.
    """
    origins = Origins(target)
    steps = origins.steps(execution_arn)
    job = origins.feature_job(steps, origins.training_job(steps)["inputs"])
    if job is None or not {"test", "summary"} <= set(job["outputs"]):
        raise OperationError(
            f"execution must have a job that computed a test window, got none in {execution_arn}; "
            "give another one"
        )
    with tempfile.TemporaryDirectory(prefix="fraudloop-") as folder:
        test, summary = Path(folder, "test"), Path(folder, "summary")
        for name, place in (("test", test), ("summary", summary)):
            _download(target, job["outputs"][name], place)
        lake.download(target, "fraud_reports/", Path(folder))
        told = json.loads((summary / "summary.json").read_text(encoding="utf-8"))["test"]
        return LabelledPeriod(
            start=date.fromisoformat(told["start"][:10]),
            end=date.fromisoformat(told["end"][:10]),
            rows=FeatureRows.read(test, "test"),
            reports=read(Path(folder) / "fraud_reports", FRAUD_REPORTS),
            origin=execution_arn,
        )


def window_of_file(file: Path, *, start: date, days: int) -> LabelledPeriod:
    """Some days of a user's file of labelled transactions; the days before are their history.

    Raises:
        BadInput: The file breaks a rule, or has no transactions or frauds on those days.
    """
    landing = read_landing(file)
    table = compute(landing.transactions, landing.fraud_reports)
    reported = pc.is_in(table["transaction_id"], landing.fraud_reports["transaction_id"])
    everything = FeatureRows(table.append_column(LABEL, reported.cast(pa.int8())))
    end = start + timedelta(days=days)
    event_days = everything.days()
    inside = (event_days >= epoch_day(start)) & (event_days < epoch_day(end))
    rows = everything.filter(np.asarray(inside))
    rows.check(f"{file.name} from {start} to {end}")
    return LabelledPeriod(
        start=start, end=end, rows=rows, reports=landing.fraud_reports, origin=str(file)
    )


def _download(target: Target, uri: str, folder: Path) -> None:
    """Copies the objects below a prefix into a folder."""
    location, s3 = urlsplit(uri), target.client("s3")
    prefix = f"{location.path.strip('/')}/"
    folder.mkdir(parents=True)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=location.netloc, Prefix=prefix)
    for page in pages:
        for item in page.get("Contents", []):
            file = folder / item["Key"].removeprefix(prefix)
            file.parent.mkdir(parents=True, exist_ok=True)
            s3.download_file(location.netloc, item["Key"], str(file))
