"""The processing job `monitor`, from training rows and captures to reports, metrics and events."""

import json
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.stub import ANY, Stubber

from pipeline_code.__main__ import main
from pipeline_code.features.definitions import FEATURE_NAMES, FEATURES, SCHEMA_VERSION
from tests.pipeline_code.captures.capture_files import capture_rows, write_lines

ROWS = 1_500
NAMESPACE = "fraudloop/test"
RESULTS = Path("processing", "resultdata")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    monkeypatch.delenv("METRIC_NAMESPACE", raising=False)
    baseline = "/opt/ml/processing/baseline"
    for name, value in {
        "dataset_source": "/opt/ml/processing/input/endpoint",
        "output_path": "/opt/ml/processing/resultdata",
        "baseline_constraints": f"{baseline}/constraints.json",
        "baseline_statistics": f"{baseline}/statistics.json",
        "start_time": "2024-03-01T12:00:00Z",
        "end_time": "2024-03-01T13:00:00Z",
        "sagemaker_endpoint_name": "fraud",
        "sagemaker_monitoring_schedule_name": "hourly",
    }.items():
        monkeypatch.setenv(name, value)
    return tmp_path


class Clients:
    """Real clients whose requests are checked against the services' models, and not sent."""

    def __init__(self) -> None:
        arguments = {"region_name": "us-east-1", "aws_access_key_id": "k"}
        self._clients = {
            name: boto3.client(name, aws_secret_access_key="s", **arguments)
            for name in ("cloudwatch", "events")
        }
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.stubs = {name: Stubber(client) for name, client in self._clients.items()}
        for client in self._clients.values():
            client.meta.events.register("provide-client-params.*", self._note)

    def __call__(self, name: str, **_: Any) -> Any:
        self.stubs[name].activate()
        return self._clients[name]

    def take_metrics_and_event(self) -> None:
        self.stubs["cloudwatch"].add_response("put_metric_data", {})
        self.stubs["events"].add_response("put_events", {"FailedEntryCount": 0, "Entries": []})

    def _note(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        self.requests.append((model.name, params))


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Clients:
    monkeypatch.setenv("METRIC_NAMESPACE", NAMESPACE)
    monkeypatch.setenv("publish_cloudwatch_metrics", "Enabled")
    given = Clients()
    monkeypatch.setattr(boto3, "client", given)
    return given


def rows(seed: int = 0, inflation: float = 1.0) -> pa.Table:
    random = np.random.default_rng(seed)
    columns: dict[str, Any] = {
        "customer_id": random.integers(0, 150, ROWS),
        "terminal_id": random.integers(0, 300, ROWS),
        "event_time": pa.array(range(ROWS), pa.timestamp("us", tz="UTC")),
    }
    for feature in FEATURES:
        drawn = random.lognormal(3, 0.5, ROWS)
        if "risk" in feature.name:
            drawn = drawn * (random.random(ROWS) < 0.03)
        if feature.follows_calendar:
            drawn = (random.random(ROWS) < 0.3).astype(np.float64)
        columns[feature.name] = drawn if feature.store_type == "Fractional" else np.round(drawn)
    columns["amount_minor"] = np.round(columns["amount_minor"] * inflation)
    metadata = {b"feature_schema_version": SCHEMA_VERSION.encode(), b"history_days": b"90"}
    return pa.table(columns).replace_schema_metadata(metadata)


def write_train(root: Path, table: pa.Table) -> None:
    folder = root / "processing" / "input" / "train"
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / "part-0.parquet")


def make_baseline(root: Path) -> Path:
    write_train(root, rows())
    assert main(["monitor", "--baseline"]) == 0
    folder = root / "processing" / "output" / "baseline"
    target = root / "processing" / "baseline"
    target.mkdir()
    for file in folder.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    return folder


def capture(root: Path, table: pa.Table) -> None:
    capture_rows(root / "processing" / "input" / "endpoint", table)


def report(root: Path, name: str) -> Any:
    return json.loads((root / RESULTS / name).read_text())


def message(root: Path) -> str:
    return (root / "output" / "message").read_text()


def test_baseline_writes_the_documented_forms(root: Path) -> None:
    folder = make_baseline(root)
    statistics = json.loads((folder / "statistics.json").read_text())
    assert statistics["dataset"]["item_count"] == ROWS
    assert [feature["name"] for feature in statistics["features"]] == list(FEATURE_NAMES)
    numbers = statistics["features"][0]["numerical_statistics"]
    assert numbers["common"] == {"num_present": ROWS, "num_missing": 0}
    assert {"mean", "sum", "std_dev", "min", "max"} < numbers.keys()
    buckets = numbers["distribution"]["kll"]["buckets"]
    assert sum(bucket["count"] for bucket in buckets) == ROWS
    constraints = json.loads((folder / "constraints.json").read_text())
    first = constraints["features"][0]
    assert (first["inferred_type"], first["completeness"]) == ("Integral", 1.0)
    assert first["num_constraints"] == {"is_non_negative": True}
    assert constraints["monitoring_config"]["evaluate_constraints"] == "Enabled"


def test_the_same_rows_give_the_same_baseline(root: Path) -> None:
    folder = make_baseline(root)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert main(["monitor", "--baseline"]) == 0
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_quiet_traffic(root: Path) -> None:
    make_baseline(root)
    capture(root, rows(seed=1))
    assert main(["monitor"]) == 0
    assert report(root, "constraint_violations.json") == {"violations": []}
    assert report(root, "statistics.json")["dataset"]["item_count"] == ROWS
    assert message(root) == "Completed: no violations"
    analysis = report(root, "analysis.json")
    assert (analysis["records"], analysis["enough"], analysis["violations"]) == (ROWS, True, [])
    assert not any(measure["beyond"] for measure in analysis["measures"])
    assert "Passed" in (root / RESULTS / "report.html").read_text()


def test_drifted_traffic_publishes_metrics_and_the_event(root: Path, clients: Clients) -> None:
    make_baseline(root)
    capture(root, rows(seed=1, inflation=2.0))
    clients.take_metrics_and_event()
    assert main(["monitor"]) == 0
    violations = report(root, "constraint_violations.json")["violations"]
    assert [(v["feature_name"], v["constraint_check_type"]) for v in violations] == [
        ("amount_minor", "baseline_drift_check")
    ]
    assert message(root) == "CompletedWithViolations: 1 violation in amount_minor"
    (_, metrics), (_, sent) = clients.requests
    assert metrics["Namespace"] == NAMESPACE
    assert values(metrics, "Violations") == [1]
    assert values(metrics, "MonitoredRecords") == [ROWS]
    of_kind = dimensions(EndpointName="fraud", Monitor="data-quality")
    assert {"Violations", "MonitoredRecords"} <= names(metrics, of_kind)
    for feature in ("amount_minor", "terminal_risk_30d"):
        assert "FeatureDrift" in names(metrics, dimensions(EndpointName="fraud", Feature=feature))
    assert names(metrics, dimensions(EndpointName="fraud")) == {"DegradedRecords"}
    (entry,) = sent["Entries"]
    assert entry["Source"] == "fraudloop.monitor"
    assert entry["DetailType"] == "Monitoring Violations Found"
    detail = json.loads(entry["Detail"])
    assert detail.pop("violations_uri").endswith("/resultdata/constraint_violations.json")
    assert detail.pop("report_uri").endswith("/resultdata/report.html")
    assert detail == {
        "endpoint_name": "fraud",
        "monitor_kind": "data-quality",
        "model_version": None,
        "monitoring_schedule_name": "hourly",
        "violations": 1,
        "features": ["amount_minor"],
        "start_time": "2024-03-01T12:00:00+00:00",
        "end_time": "2024-03-01T13:00:00+00:00",
    }


def values(metrics: dict[str, Any], name: str) -> list[float]:
    return [m["Value"] for m in metrics["MetricData"] if m["MetricName"] == name]


def dimensions(**named: str) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in named.items()]


def names(metrics: dict[str, Any], wanted: list[dict[str, str]]) -> set[str]:
    return {m["MetricName"] for m in metrics["MetricData"] if m["Dimensions"] == wanted}


def batch(root: Path, monkeypatch: pytest.MonkeyPatch, table: pa.Table) -> None:
    """What batch scoring tells the analyzer of a batch, in two files with their answers."""
    folder = root / "processing" / "input" / "dataset"
    for name in ("features", "scores"):
        (folder / name).mkdir(parents=True)
    ids = pa.array(range(table.num_rows), pa.int64())
    table = table.select(FEATURE_NAMES).append_column("transaction_id", ids)
    answers = pa.table({"transaction_id": ids, "score": np.linspace(0, 1, table.num_rows)})
    for number, start in enumerate((0, 700)):
        length = 700 if start == 0 else None
        pq.write_table(table.slice(start, length), folder / "features" / f"part-{number}.parquet")
        answer = folder / "scores" / f"part-{number}.parquet.out"
        pq.write_table(answers.slice(start, length), answer)
    monkeypatch.setenv("dataset_format", '{"parquet":{}}')
    monkeypatch.setenv("dataset_source", "/opt/ml/processing/input/dataset")
    monkeypatch.delenv("sagemaker_endpoint_name")


def test_a_batch_is_judged_as_traffic_is(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_baseline(root)
    capture(root, rows(seed=1, inflation=2.0))
    assert main(["monitor"]) == 0
    violations = report(root, "constraint_violations.json")
    traffic = report(root, "statistics.json")
    batch(root, monkeypatch, rows(seed=1, inflation=2.0))
    assert main(["monitor"]) == 0
    assert report(root, "constraint_violations.json") == violations
    *features, scores = report(root, "statistics.json")["features"]
    for found, expected in zip(features, traffic["features"], strict=True):
        assert moments(found) == pytest.approx(moments(expected))
        assert distribution(found) == distribution(expected)
    assert scores["name"] == "score"
    assert scores["numerical_statistics"]["common"]["num_present"] == ROWS


def moments(feature: dict[str, Any]) -> dict[str, float]:
    """These depend a little on how many files the records came in."""
    statistics = feature["numerical_statistics"]
    return {name: statistics[name] for name in ("mean", "sum", "std_dev", "min", "max")}


def distribution(feature: dict[str, Any]) -> tuple[Any, ...]:
    statistics = feature["numerical_statistics"]
    return feature["name"], statistics["common"], statistics["distribution"]


def test_drift_of_a_batch_is_told_apart(
    root: Path, clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_baseline(root)
    batch(root, monkeypatch, rows(seed=1, inflation=2.0))
    clients.take_metrics_and_event()
    assert main(["monitor"]) == 0
    (_, metrics), (_, sent) = clients.requests
    assert {metric["Dimensions"][0]["Value"] for metric in metrics["MetricData"]} == {"hourly"}
    (entry,) = sent["Entries"]
    # Retraining listens to the other type only.
    assert entry["DetailType"] == "Batch Violations Found"


def test_quiet_traffic_publishes_zero_and_that_it_passed(root: Path, clients: Clients) -> None:
    make_baseline(root)
    capture(root, rows(seed=1))
    clients.take_metrics_and_event()
    assert main(["monitor"]) == 0
    (_, metrics), (_, sent) = clients.requests
    assert values(metrics, "Violations") == [0]
    (entry,) = sent["Entries"]
    assert entry["DetailType"] == "Monitoring Passed"
    detail = json.loads(entry["Detail"])
    assert (detail["violations"], detail["features"]) == (0, [])


def test_the_same_interval_again_says_the_same(root: Path, clients: Clients) -> None:
    make_baseline(root)
    capture(root, rows(seed=1, inflation=2.0))
    files, events = [], []
    for _ in range(2):
        clients.take_metrics_and_event()
        assert main(["monitor"]) == 0
        files.append({f.name: f.read_bytes() for f in (root / RESULTS).iterdir()})
        events.append(clients.requests[-1])
    assert files[0] == files[1]
    assert events[0] == events[1]


def test_too_little_traffic_is_neither_drift_nor_health(root: Path, clients: Clients) -> None:
    make_baseline(root)
    capture(root, rows(seed=1, inflation=9.0).slice(0, 150))
    clients.stubs["cloudwatch"].add_response("put_metric_data", {})
    assert main(["monitor"]) == 0
    ((_, metrics),) = clients.requests
    assert values(metrics, "Violations") == []
    assert values(metrics, "MonitoredRecords") == [150]
    assert message(root) == "CompletedWithViolations: 1 violation in All features"


def test_no_captures_at_all_are_reported(root: Path) -> None:
    make_baseline(root)
    assert main(["monitor"]) == 0
    (violation,) = report(root, "constraint_violations.json")["violations"]
    assert violation["constraint_check_type"] == "missing_data_check"
    assert report(root, "statistics.json")["features"] == []


def test_an_event_that_is_not_taken_fails_the_job(root: Path, clients: Clients) -> None:
    make_baseline(root)
    capture(root, rows(seed=1, inflation=2.0))
    clients.stubs["cloudwatch"].add_response("put_metric_data", {})
    refused = {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "ThrottlingException"}]}
    clients.stubs["events"].add_response("put_events", refused, {"Entries": ANY})
    assert main(["monitor"]) == 1
    assert "ThrottlingException" in message(root)


def test_metrics_that_are_not_taken_fail_the_job_before_its_event(
    root: Path, clients: Clients
) -> None:
    make_baseline(root)
    capture(root, rows(seed=1, inflation=2.0))
    clients.stubs["cloudwatch"].add_client_error("put_metric_data", "InvalidParameterValue")
    assert main(["monitor"]) == 1
    assert "InvalidParameterValue" in message(root)
    assert [name for name, _ in clients.requests] == ["PutMetricData"]
    assert report(root, "constraint_violations.json")["violations"]


def test_a_broken_capture_fails_the_job_with_its_place(root: Path, clients: Clients) -> None:
    make_baseline(root)
    capture(root, rows(seed=1))
    write_lines(root / "processing" / "input" / "endpoint", ["{"], "30-00-000-x.jsonl")
    assert main(["monitor"]) == 1
    assert "30-00-000-x.jsonl, line 1: must be JSON" in message(root)
    assert not (root / RESULTS).exists()
    assert clients.requests == []


def test_a_broken_baseline_fails_the_job(root: Path) -> None:
    make_baseline(root)
    (root / "processing" / "baseline" / "constraints.json").write_text("{")
    assert main(["monitor"]) == 1
    assert "constraints.json must be JSON" in message(root)


@pytest.mark.parametrize(
    ("table", "rule"),
    [
        (rows().slice(0, 0), "train must hold at least one row"),
        (rows().replace_schema_metadata({}), f"feature schema version {SCHEMA_VERSION}, got none"),
        (rows().drop_columns(["is_night"]), "must have the column is_night"),
        (
            rows().set_column(0, "customer_id", pa.nulls(ROWS, pa.int64())),
            "column customer_id must have a value in every row",
        ),
    ],
    ids=["empty", "version", "column", "null"],
)
def test_training_rows_that_make_no_baseline(root: Path, table: pa.Table, rule: str) -> None:
    write_train(root, table)
    assert main(["monitor", "--baseline"]) == 1
    assert rule in message(root)
