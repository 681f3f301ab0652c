"""The analyzer's settings: Model Monitor's bring-your-own-container contract, and our own.

https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-byoc-contract-inputs.html

The `scheduled` engine gives the same variables, and so does batch scoring, of which no endpoint is
named. Ours, all of which may be left out:

MONITOR_KIND     What is looked for, `data-quality` if not said.
MODEL_VERSION    Only what this model package answered is analyzed.
CAPTURES_URI     Captures are streamed from here instead of `dataset_source`.
LOOK_BACK_HOURS  The interval ends at `end_time` and is so long, whatever `start_time` says;
                 `analysis_hours` is the same for an engine that knows no `start_time`.
GROUND_TRUTH_URI Labels, for the kinds that wait for them.
MODEL_DATA_URI   The model's archive, for attribution.
MODEL_DIGEST     What the files inside must have for a digest; needed with the archive.
METRIC_NAMESPACE Where metrics go; without it neither metrics nor events are sent.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline_code.captures.datasets import DatasetFormat
from pipeline_code.captures.interval import Interval
from pipeline_code.captures.window import interval_of, moment_of
from pipeline_code.common.exits import BadInput
from pipeline_code.common.model_digest import registered_digest
from pipeline_code.common.paths import ml_root, rerooted
from pipeline_code.contracts.monitoring import MonitorKind

__all__ = ["AnalysisSettings", "moment_of"]

CAPTURES = "/opt/ml/processing/input/endpoint"
RESULTS = "/opt/ml/processing/resultdata"
S3_SCHEME = "s3://"
# Captures with the label beside each exchange.
MERGED = "sagemakerMergeJson"
CAPTURED = ("sagemakerCaptureJson", MERGED)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisSettings:
    """One analysis.

    Attributes:
        kind: What is looked for.
        source: Folder or S3 prefix of the captured exchanges; folder of a batch's files.
        dataset_format: What those are.
        results: Folder for the reports.
        results_uri: Where SageMaker uploads the reports to.
        constraints: The baseline's constraints.
        statistics: The baseline's statistics.
        interval: The inference times to analyze.
        endpoint_name: The endpoint watched; for a batch, the schedule or pipeline itself.
        schedule_name: The schedule, or the pipeline, that started the analysis.
        metric_namespace: CloudWatch namespace; None publishes neither metrics nor events.
        model_version: The only model package whose responses are analyzed; None takes any.
        ground_truth: Folder or S3 prefix of the labels; None if they come with the exchanges.
        model_data: File or S3 object of the model's archive; None if no model is asked.
        model_digest: Of the files inside; None likewise.
    """

    kind: MonitorKind
    source: Path | str
    dataset_format: DatasetFormat
    results: Path
    results_uri: str
    constraints: Path
    statistics: Path
    interval: Interval
    endpoint_name: str
    schedule_name: str
    metric_namespace: str | None
    model_version: str | None
    ground_truth: Path | str | None
    model_data: Path | str | None
    model_digest: str | None

    @property
    def is_batch(self) -> bool:
        """Whether a batch is judged, and no traffic."""
        return not _captured(self.dataset_format)

    @classmethod
    def parse(cls, environment: Mapping[str, str]) -> "AnalysisSettings":
        """Reads the job's environment variables.

        Raises:
            BadInput: One is missing or wrong.
        """
        form = DatasetFormat.parse(environment.get("dataset_format", ""))
        kind = _kind(environment, form)
        results = rerooted(environment.get("output_path", RESULTS))
        return cls(
            kind=kind,
            source=_source(environment, form),
            dataset_format=form,
            results=results,
            results_uri=_uploaded_to(results),
            constraints=_file(environment, "baseline_constraints"),
            statistics=_file(environment, "baseline_statistics"),
            interval=interval_of(environment),
            endpoint_name=_watched(environment, form),
            schedule_name=_named(environment, "monitoring_schedule_name"),
            metric_namespace=_namespace(environment),
            model_version=environment.get("MODEL_VERSION") or None,
            ground_truth=_ground_truth(environment, kind, form),
            model_data=_model_data(environment, kind),
            model_digest=(
                registered_digest(environment) if kind is MonitorKind.ATTRIBUTION else None
            ),
        )


def _captured(form: DatasetFormat) -> bool:
    return form.kind.value in CAPTURED


def _kind(environment: Mapping[str, str], form: DatasetFormat) -> MonitorKind:
    text = environment.get("MONITOR_KIND") or MonitorKind.DATA_QUALITY
    try:
        kind = MonitorKind(text)
    except ValueError as error:
        raise BadInput(
            f"MONITOR_KIND must be one of {', '.join(MonitorKind)}, got {text}"
        ) from error
    if kind is not MonitorKind.DATA_QUALITY and not _captured(form):
        raise BadInput(
            f"MONITOR_KIND must be {MonitorKind.DATA_QUALITY} for a dataset of {form.kind}, "
            f"got {kind}; the other kinds look at captures"
        )
    return kind


def _source(environment: Mapping[str, str], form: DatasetFormat) -> Path | str:
    if environment.get("CAPTURES_URI") and not _captured(form):
        raise BadInput(
            f"CAPTURES_URI must not be set for a dataset of {form.kind}, "
            f"got {environment['CAPTURES_URI']}; leave one of the two out"
        )
    streamed = _place(environment, "CAPTURES_URI")
    return rerooted(environment.get("dataset_source", CAPTURES)) if streamed is None else streamed


def _ground_truth(
    environment: Mapping[str, str], kind: MonitorKind, form: DatasetFormat
) -> Path | str | None:
    if not kind.needs_labels or form.kind.value == MERGED:
        return None
    place = _place(environment, "GROUND_TRUTH_URI")
    if place is None:
        raise BadInput(f"GROUND_TRUTH_URI must be set for {kind}, got none; say where labels are")
    return place


def _model_data(environment: Mapping[str, str], kind: MonitorKind) -> Path | str | None:
    if kind is not MonitorKind.ATTRIBUTION:
        return None
    place = _place(environment, "MODEL_DATA_URI")
    if place is None:
        raise BadInput(f"MODEL_DATA_URI must be set for {kind}, got none; say where the model is")
    return place


def _place(environment: Mapping[str, str], name: str) -> Path | str | None:
    """An S3 URI as it is; a path below the job's root."""
    given = environment.get(name)
    if not given:
        return None
    if given.startswith(S3_SCHEME):
        return given
    if not given.startswith("/"):
        raise BadInput(f"{name} must be an s3:// address or an absolute path, got {given}")
    return rerooted(given)


def _file(environment: Mapping[str, str], name: str) -> Path:
    given = environment.get(name)
    if not given:
        raise BadInput(f"{name} must name a file, got none; give the schedule a baseline")
    file = rerooted(given)
    if not file.is_file():
        raise BadInput(
            f"{name} must be a file, got {given}, which is not there; "
            "the model package has no such baseline"
        )
    return file


def _named(environment: Mapping[str, str], name: str) -> str:
    # Model Monitor itself puts its own name before these two.
    value = environment.get(f"sagemaker_{name}", environment.get(name))
    if not value:
        raise BadInput(f"sagemaker_{name} must be set, got none")
    return value


def _watched(environment: Mapping[str, str], form: DatasetFormat) -> str:
    return _named(environment, "endpoint_name" if _captured(form) else "monitoring_schedule_name")


def _namespace(environment: Mapping[str, str]) -> str | None:
    namespace = environment.get("METRIC_NAMESPACE")
    if not namespace and environment.get("publish_cloudwatch_metrics") == "Enabled":
        raise BadInput(
            "METRIC_NAMESPACE must be set if publish_cloudwatch_metrics is Enabled, got none"
        )
    return namespace if namespace else None


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
