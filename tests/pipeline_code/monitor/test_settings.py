"""The variables that SageMaker, or the scheduled pipeline, gives the analyzer."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline_code.captures.datasets import DatasetFormat, Kind
from pipeline_code.captures.interval import Interval
from pipeline_code.common.exits import BadInput
from pipeline_code.contracts.monitoring import MonitorKind
from pipeline_code.monitor.settings import AnalysisSettings

# As AWS documents them, with its space in the times.
GIVEN = {
    "dataset_format": '{"sagemakerCaptureJson":{"captureIndexNames":["endpointOutput"]}}',
    "dataset_source": "/opt/ml/processing/endpointdata",
    "output_path": "/opt/ml/processing/resultdata",
    "baseline_constraints": "/opt/ml/processing/baseline/constraints.json",
    "baseline_statistics": "/opt/ml/processing/baseline/statistics.json",
    "start_time": "2019-12-01T15: 20: 00Z",
    "end_time": "2019-12-01T16: 20: 00Z",
    "publish_cloudwatch_metrics": "Disabled",
    "sagemaker_endpoint_name": "fraud",
    "sagemaker_monitoring_schedule_name": "hourly",
}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    baseline = tmp_path / "processing" / "baseline"
    baseline.mkdir(parents=True)
    for name in ("constraints.json", "statistics.json"):
        (baseline / name).write_text("{}")
    return tmp_path


def hour(number: int) -> datetime:
    return datetime(2019, 12, 1, number, 20, tzinfo=UTC)


def test_the_documented_variables(root: Path) -> None:
    settings = AnalysisSettings.parse(GIVEN)
    assert settings.kind is MonitorKind.DATA_QUALITY
    assert settings.source == root / "processing/endpointdata"
    assert settings.results == root / "processing/resultdata"
    assert settings.constraints == root / "processing/baseline/constraints.json"
    assert settings.interval == Interval(hour(15), hour(16))
    assert (settings.endpoint_name, settings.schedule_name) == ("fraud", "hourly")
    assert settings.metric_namespace is None
    assert settings.model_version is None
    assert (settings.ground_truth, settings.model_data) == (None, None)


def test_the_scheduled_engine_gives_hours_before_its_start(root: Path) -> None:
    given = {k: v for k, v in GIVEN.items() if k != "start_time" and not k.startswith("sagemaker")}
    given |= {"analysis_hours": "2", "endpoint_name": "e", "monitoring_schedule_name": "p"}
    settings = AnalysisSettings.parse(given | {"METRIC_NAMESPACE": "fraudloop/test"})
    assert settings.interval == Interval(hour(14), hour(16))
    assert (settings.endpoint_name, settings.schedule_name) == ("e", "p")
    assert settings.metric_namespace == "fraudloop/test"


def test_an_interval_looks_back_from_its_end_whatever_the_schedule_says(root: Path) -> None:
    settings = AnalysisSettings.parse(GIVEN | {"LOOK_BACK_HOURS": "336", "analysis_hours": "1"})
    assert settings.interval == Interval(hour(16) - timedelta(days=14), hour(16))
    settings = AnalysisSettings.parse(GIVEN | {"LOOK_BACK_HOURS": "0.01"})
    assert settings.interval == Interval(hour(16) - timedelta(seconds=36), hour(16))


@pytest.mark.parametrize("kind", [MonitorKind.MODEL_QUALITY, MonitorKind.BIAS])
def test_kinds_that_wait_for_labels(root: Path, kind: MonitorKind) -> None:
    given = GIVEN | {
        "MONITOR_KIND": kind,
        "MODEL_VERSION": "arn:package/3",
        "CAPTURES_URI": "s3://captures/fraud/primary/",
        "GROUND_TRUTH_URI": "/opt/ml/processing/labels",
    }
    settings = AnalysisSettings.parse(given)
    assert (settings.kind, settings.model_version) == (kind, "arn:package/3")
    assert settings.source == "s3://captures/fraud/primary/"
    assert settings.ground_truth == root / "processing/labels"


def test_attribution_asks_the_model(root: Path) -> None:
    given = GIVEN | {
        "MONITOR_KIND": "attribution",
        "MODEL_DATA_URI": "s3://m/model.tar.gz",
        "MODEL_DIGEST": "0d" * 32,
    }
    settings = AnalysisSettings.parse(given)
    assert (settings.model_data, settings.model_digest) == ("s3://m/model.tar.gz", "0d" * 32)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"csv":{"header":"true"}}', DatasetFormat(Kind.CSV, header=True)),
        ('{"csv":{"header":false}}', DatasetFormat(Kind.CSV)),
        ('{"json":{"line":true}}', DatasetFormat(Kind.JSON_LINES)),
        ('{"parquet":{}}', DatasetFormat(Kind.PARQUET)),
    ],
)
def test_a_batch_is_called_after_its_schedule(
    root: Path, text: str, expected: DatasetFormat
) -> None:
    given = {name: value for name, value in GIVEN.items() if "endpoint_name" not in name}
    settings = AnalysisSettings.parse(given | {"dataset_format": text})
    assert settings.dataset_format == expected
    assert settings.is_batch
    assert (settings.endpoint_name, settings.schedule_name) == ("hourly", "hourly")


def test_reports_are_named_where_sagemaker_uploads_them(root: Path) -> None:
    assert AnalysisSettings.parse(GIVEN).results_uri.startswith("file:///")
    output = {"S3Uri": "s3://reports/run/", "LocalPath": GIVEN["output_path"]}
    config = {"ProcessingOutputConfig": {"Outputs": [{"AppManaged": True}, {"S3Output": output}]}}
    file = root / "config" / "processingjobconfig.json"
    file.parent.mkdir()
    file.write_text(json.dumps(config))
    assert AnalysisSettings.parse(GIVEN).results_uri == "s3://reports/run"


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"dataset_format": '{"avro":{}}'}, "dataset_format must be one of sagemakerCaptureJson"),
        ({"dataset_format": "{"}, "dataset_format must be one of sagemakerCaptureJson"),
        ({"dataset_format": "[]"}, "dataset_format must be one of sagemakerCaptureJson"),
        ({"dataset_format": '{"csv":{},"json":{}}'}, "dataset_format must be one"),
        ({"dataset_format": '{"json":{"line":"false"}}'}, "json must have line true"),
        ({"baseline_constraints": ""}, "baseline_constraints must name a file, got none"),
        (
            {"baseline_statistics": "/opt/ml/nothing"},
            "baseline_statistics must be a file, got /opt",
        ),
        ({"sagemaker_endpoint_name": ""}, "sagemaker_endpoint_name must be set"),
        ({"start_time": "dawn"}, "start_time must be an ISO-8601 time, got dawn"),
        ({"start_time": "2019-12-01T16:20:00Z"}, "start_time must be before end_time"),
        ({"start_time": "", "analysis_hours": "0"}, "analysis_hours must be more than 0, got 0"),
        ({"LOOK_BACK_HOURS": "day"}, "LOOK_BACK_HOURS must be a number of hours, got day"),
        ({"LOOK_BACK_HOURS": "nan"}, "LOOK_BACK_HOURS must be a number of hours, got nan"),
        ({"LOOK_BACK_HOURS": "1e99"}, "LOOK_BACK_HOURS must be a number of hours, got 1e99"),
        ({"LOOK_BACK_HOURS": "24", "end_time": ""}, "end_time must be set if LOOK_BACK_HOURS is"),
        ({"MONITOR_KIND": "drift"}, "MONITOR_KIND must be one of data-quality, model-quality"),
        ({"MONITOR_KIND": "bias"}, "GROUND_TRUTH_URI must be set for bias, got none"),
        (
            {"MONITOR_KIND": "bias", "GROUND_TRUTH_URI": "labels"},
            "GROUND_TRUTH_URI must be an s3:// address or an absolute path, got labels",
        ),
        ({"MONITOR_KIND": "attribution"}, "MODEL_DATA_URI must be set for attribution, got none"),
        (
            {"MONITOR_KIND": "attribution", "MODEL_DATA_URI": "s3://m/model.tar.gz"},
            "MODEL_DIGEST must be the SHA-256 that the model package was registered with, got none",
        ),
        (
            {"MONITOR_KIND": "bias", "dataset_format": '{"parquet":{}}'},
            "MONITOR_KIND must be data-quality for a dataset of parquet, got bias",
        ),
        (
            {"CAPTURES_URI": "s3://c/", "dataset_format": '{"parquet":{}}'},
            "CAPTURES_URI must not be set for a dataset of parquet, got s3://c/",
        ),
        ({"publish_cloudwatch_metrics": "Enabled"}, "METRIC_NAMESPACE must be set if"),
    ],
)
def test_refusals(root: Path, change: dict[str, str], rule: str) -> None:
    with pytest.raises(BadInput, match=rule):
        AnalysisSettings.parse(GIVEN | change)
