"""The job `monitor` of bias and attribution: what they need is brought, and what they find is told.

Captures and the model are in the S3 of an embedded AWS, which also keeps the metrics.
"""

import io
import json
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from local_aws.server import EmbeddedAws, free_port
from pipeline_code.__main__ import main
from pipeline_code.captures.ground_truth import render
from pipeline_code.common.model_digest import model_digest
from pipeline_code.features.definitions import FEATURE_NAMES
from tests.pipeline_code.monitor.model_weeks import (
    Weeks,
    attribution_baseline,
    bias_baseline,
    live_scores,
    weeks,
)

BUCKET, NAMESPACE, VERSION = "monitored", "fraudloop/test", "arn:package/7"
RESULTS = Path("processing", "resultdata")
HOUR = datetime(2024, 3, 14, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def week() -> Weeks:
    return weeks()


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory, week: Weeks) -> Iterator[EmbeddedAws]:
    """Holds the live week's captures, labels and model."""
    folder = tmp_path_factory.mktemp("aws")
    with EmbeddedAws(folder / "state", free_port()) as embedded:
        s3 = embedded.session().client("s3")
        s3.create_bucket(Bucket=BUCKET)
        s3.put_object(Bucket=BUCKET, Key="model.tar.gz", Body=archive(week, folder / "model"))
        captures, labels = replayed(week)
        folder_of_hour = f"{HOUR:%Y/%m/%d/%H}"
        s3.put_object(Bucket=BUCKET, Key=f"captures/{folder_of_hour}/a.jsonl", Body=captures)
        s3.put_object(Bucket=BUCKET, Key=f"labels/{folder_of_hour}/labels.jsonl", Body=labels)
        yield embedded


def archive(week: Weeks, folder: Path) -> bytes:
    folder.mkdir()
    week.model.save(folder)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for file in sorted(folder.iterdir()):
            tar.add(file, file.name)
    return out.getvalue()


def replayed(week: Weeks) -> tuple[bytes, bytes]:
    """Captures of the week, as if it had been asked about within the hour, and its labels."""
    columns = ("transaction_id", "event_time", "customer_id", "terminal_id", *FEATURE_NAMES)
    rows = week.live.table.select(columns).to_pylist()
    lines = [
        line(row, HOUR + place * timedelta(milliseconds=10), score)
        for place, (row, score) in enumerate(zip(rows, live_scores(week).tolist(), strict=True))
    ]
    labels = week.live.labels().tolist()
    known = {str(row["transaction_id"]): int(one) for row, one in zip(rows, labels, strict=True)}
    return "".join(lines).encode(), render(known)


def line(row: dict[str, Any], moment: datetime, score: float) -> str:
    ids = {name: row[name] for name in ("transaction_id", "customer_id", "terminal_id")}
    request = {**ids, "event_time": row["event_time"].isoformat(), "amount": "1.00"}
    features = {name: row[name] for name in FEATURE_NAMES}
    answer = {
        "transaction_id": row["transaction_id"],
        "score": score,
        "model_version": VERSION,
        "features": features,
    }
    sides = {
        side: {
            "observedContentType": "application/json",
            "data": json.dumps(document),
            "encoding": "JSON",
        }
        for side, document in (("endpointInput", request), ("endpointOutput", answer))
    }
    metadata = {"inferenceId": str(row["transaction_id"]), "inferenceTime": moment.isoformat()}
    return json.dumps({"captureData": sides, "eventMetadata": metadata, "eventVersion": "0"}) + "\n"


@pytest.fixture(scope="module")
def digest(week: Weeks, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of the model's files."""
    folder = tmp_path_factory.mktemp("model")
    week.model.save(folder)
    return model_digest(folder)


@pytest.fixture
def root(aws: EmbeddedAws, digest: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A job that is told all but its kind."""
    for name, value in {
        **aws.environment(),
        "SAGEMAKER_BASE_DIR": str(tmp_path),
        "CAPTURES_URI": f"s3://{BUCKET}/captures/",
        "GROUND_TRUTH_URI": f"s3://{BUCKET}/labels/",
        "MODEL_DATA_URI": f"s3://{BUCKET}/model.tar.gz",
        "MODEL_DIGEST": digest,
        "MODEL_VERSION": VERSION,
        "METRIC_NAMESPACE": NAMESPACE,
        "LOOK_BACK_HOURS": "1",
        "end_time": (HOUR + timedelta(hours=1)).isoformat(),
        "baseline_constraints": "/opt/ml/constraints.json",
        "baseline_statistics": "/opt/ml/statistics.json",
        "sagemaker_endpoint_name": "fraud",
        "sagemaker_monitoring_schedule_name": "daily",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    return tmp_path


def told(root: Path, documents: tuple[Any, Any]) -> dict[str, Any]:
    """What the job finds, by file."""
    for name, document in zip(("statistics", "constraints"), documents, strict=True):
        (root / f"{name}.json").write_text(json.dumps(document))
    assert main(["monitor"]) == 0, message(root)
    files = {file.name: file.read_text() for file in (root / RESULTS).iterdir()}
    return {
        name: text if name.endswith("html") else json.loads(text) for name, text in files.items()
    }


def message(root: Path) -> str:
    return (root / "output" / "message").read_text()


def metrics(aws: EmbeddedAws, **dimensions: str) -> set[str]:
    """The names of what was published with these dimensions and no others."""
    wanted = [{"Name": name, "Value": value} for name, value in dimensions.items()]
    listed = aws.session().client("cloudwatch").list_metrics(Namespace=NAMESPACE)["Metrics"]
    return {each["MetricName"] for each in listed if each["Dimensions"] == wanted}


def test_a_quiet_week_has_no_bias(
    aws: EmbeddedAws, week: Weeks, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONITOR_KIND", "bias")
    statistics, constraints, _ = bias_baseline(week)
    files = told(root, (statistics, constraints))
    assert files["constraint_violations.json"] == {"version": "1.0", "violations": []}
    analysis = files["analysis.json"]
    assert (analysis["kind"], analysis["maturity"]) == ("bias", 1.0)
    assert analysis["records"] == len(week.live)
    assert "Segments against all others" in files["report.html"]
    published = metrics(aws, EndpointName="fraud", Monitor="bias")
    assert {"MonitoredRecords", "Violations", "LabelMaturity"} <= published
    for measure in analysis["measures"]:
        assert metrics(aws, EndpointName="fraud", **measure["dimensions"]) == {"BiasDifference"}


def test_scores_are_made_of_what_they_were_made_of(
    aws: EmbeddedAws, week: Weeks, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONITOR_KIND", "attribution")
    files = told(root, attribution_baseline(week))
    assert files["constraint_violations.json"] == {"version": "1.0", "violations": []}
    assert set(files["statistics.json"]["shares"]) == set(FEATURE_NAMES)
    assert "What scores are made of" in files["report.html"]
    assert "AttributionRank" in metrics(aws, EndpointName="fraud")


def test_answers_of_another_version_say_nothing_about_this_one(
    week: Weeks, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONITOR_KIND", "attribution")
    monkeypatch.setenv("MODEL_VERSION", "arn:package/8")
    files = told(root, attribution_baseline(week))
    assert files["analysis.json"]["tally"]["other_versions"] == len(week.live)
    (violation,) = files["constraint_violations.json"]["violations"]
    assert violation["constraint_check_type"] == "missing_data_check"
    assert "Too little data" in files["report.html"]


def test_a_model_that_is_not_the_registered_one_fails_the_job(
    week: Weeks, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONITOR_KIND", "attribution")
    monkeypatch.setenv("MODEL_DIGEST", "0d" * 32)
    for name in ("statistics", "constraints"):
        (root / f"{name}.json").write_text("{}")
    assert main(["monitor"]) == 1
    assert f"must have the digest {'0d' * 32} that was registered, got" in message(root)
    assert not (root / RESULTS).exists()


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (f"s3://{BUCKET}/none.tar.gz", "MODEL_DATA_URI must name an object that can be read"),
        ("/opt/ml/none.tar.gz", "MODEL_DATA_URI must name a file, got"),
    ],
)
def test_a_model_that_is_not_there_fails_the_job(
    week: Weeks, root: Path, monkeypatch: pytest.MonkeyPatch, place: str, words: str
) -> None:
    monkeypatch.setenv("MONITOR_KIND", "attribution")
    monkeypatch.setenv("MODEL_DATA_URI", place)
    for name in ("statistics", "constraints"):
        (root / f"{name}.json").write_text("{}")
    assert main(["monitor"]) == 1
    assert words in message(root)
    assert not (root / RESULTS).exists()
