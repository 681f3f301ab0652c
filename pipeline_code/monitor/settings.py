"""What the analyzer is told: Model Monitor's bring-your-own-container contract.

https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-byoc-contract-inputs.html

The `scheduled` engine gives the same variables; as it knows only when it starts, it may give
`analysis_hours` instead of `start_time`. So does batch scoring, of which no endpoint is named.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline_code.common.exits import BadInput
from pipeline_code.common.paths import ml_root, rerooted
from pipeline_code.monitor.captures import Interval
from pipeline_code.monitor.datasets import DatasetFormat, Kind

__all__ = ["Settings", "moment_of"]

CAPTURES = "/opt/ml/processing/input/endpoint"
RESULTS = "/opt/ml/processing/resultdata"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One analysis.

    Attributes:
        dataset: Folder of the captured exchanges, or of a batch's files.
        dataset_format: What those are.
        results: Folder for the reports.
        results_uri: Where SageMaker uploads the reports to.
        constraints: The baseline's constraints.
        statistics: The baseline's statistics.
        interval: The inference times to analyze.
        endpoint_name: The endpoint watched; for a batch, the schedule or pipeline itself.
        schedule_name: The schedule, or the pipeline, that started the analysis.
        metric_namespace: CloudWatch namespace; None publishes neither metrics nor events.
    """

    dataset: Path
    dataset_format: DatasetFormat
    results: Path
    results_uri: str
    constraints: Path
    statistics: Path
    interval: Interval
    endpoint_name: str
    schedule_name: str
    metric_namespace: str | None

    @property
    def is_batch(self) -> bool:
        """Whether a batch is judged, and no traffic."""
        return self.dataset_format.kind is not Kind.CAPTURES

    @classmethod
    def parse(cls, environment: Mapping[str, str]) -> "Settings":
        """Reads the job's environment variables.

        Raises:
            BadInput: One is missing or wrong.
        """
        form = DatasetFormat.parse(environment.get("dataset_format", ""))
        results = rerooted(environment.get("output_path", RESULTS))
        return cls(
            dataset=rerooted(environment.get("dataset_source", CAPTURES)),
            dataset_format=form,
            results=results,
            results_uri=_uploaded_to(results),
            constraints=_file(environment, "baseline_constraints"),
            statistics=_file(environment, "baseline_statistics"),
            interval=_interval(environment),
            endpoint_name=_watched(environment, form),
            schedule_name=_named(environment, "monitoring_schedule_name"),
            metric_namespace=_namespace(environment),
        )


def _file(environment: Mapping[str, str], name: str) -> Path:
    given = environment.get(name)
    if not given:
        raise BadInput(f"{name} must name a file, got none; give the schedule a baseline")
    file = rerooted(given)
    if not file.is_file():
        raise BadInput(f"{name} must be a file, got {given}, which is not there")
    return file


def _named(environment: Mapping[str, str], name: str) -> str:
    # Model Monitor itself puts its own name before these two.
    value = environment.get(f"sagemaker_{name}", environment.get(name))
    if not value:
        raise BadInput(f"sagemaker_{name} must be set, got none")
    return value


def _watched(environment: Mapping[str, str], form: DatasetFormat) -> str:
    captured = form.kind is Kind.CAPTURES
    return _named(environment, "endpoint_name" if captured else "monitoring_schedule_name")


def _namespace(environment: Mapping[str, str]) -> str | None:
    namespace = environment.get("METRIC_NAMESPACE")
    if not namespace and environment.get("publish_cloudwatch_metrics") == "Enabled":
        raise BadInput(
            "METRIC_NAMESPACE must be set if publish_cloudwatch_metrics is Enabled, got none"
        )
    return namespace if namespace else None


def _interval(environment: Mapping[str, str]) -> Interval:
    start, end = moment_of(environment, "start_time"), moment_of(environment, "end_time")
    hours = environment.get("analysis_hours")
    if start is None and end is not None and hours is not None:
        if not hours.isdecimal() or int(hours) < 1:
            raise BadInput(f"analysis_hours must be a whole number from 1 on, got {hours}")
        start = end - timedelta(hours=int(hours))
    if start is not None and end is not None and start >= end:
        raise BadInput(f"start_time must be before end_time {end.isoformat()}, got {start}")
    return Interval(start, end)


def moment_of(environment: Mapping[str, str], name: str) -> datetime | None:
    """The time that a variable holds; None if it is not set.

    Raises:
        BadInput: It holds something else.
    """
    text = environment.get(name, "").replace(" ", "")
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadInput(f"{name} must be an ISO-8601 time, got {text}") from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _uploaded_to(folder: Path) -> str:
    """The S3 URI of an output folder, which SageMaker tells in the job's own description."""
    file = ml_root() / "config" / "processingjobconfig.json"
    if not file.is_file():
        return folder.as_uri()
    config = json.loads(file.read_text(encoding="utf-8"))
    outputs = (config.get("ProcessingOutputConfig") or {}).get("Outputs") or []
    for output in outputs:
        target = output.get("S3Output") or {}
        if target.get("LocalPath") and rerooted(target["LocalPath"]) == folder:
            return str(target["S3Uri"]).rstrip("/")
    return folder.as_uri()
