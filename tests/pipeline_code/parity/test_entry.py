"""The audit as the job that runs it: files and records in, a report and metrics out."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from local_aws.server import EmbeddedAws
from pipeline_code.__main__ import main
from pipeline_code.common.probes import PROBE_INFERENCE_PREFIX
from pipeline_code.features.definitions import FEATURE_NAMES
from pipeline_code.features.events import Transaction

from .world import Asked, World

START = datetime(2026, 3, 1, 10, tzinfo=UTC)
REQUESTS = 6


@pytest.fixture(scope="module")
def session(embedded_aws: EmbeddedAws) -> Any:
    return embedded_aws.session()


@pytest.fixture(scope="module")
def world(session: Any, tmp_path_factory: pytest.TempPathFactory) -> World:
    """Six requests, of which one was answered wrongly; and what is no traffic."""
    world = World(session, tmp_path_factory.mktemp("world"))
    answers = []
    for number in range(REQUESTS):
        request = Transaction(
            transaction_id=number,
            event_time=START + number * timedelta(hours=5),
            customer_id=number % 2,
            terminal_id=7,
            amount_minor=1000 + number,
        )
        answers.append(world.ask(request))
        world.fold([request])
        world.land([request])
    wrong = answers[3].features | {"customer_count_7d": 77.0}
    answers[3] = Asked(answers[3].request, wrong, answers[3].degraded, answers[3].moment)
    world.capture(answers)
    world.capture(answers[:1], inferenceId=f"{PROBE_INFERENCE_PREFIX}1")
    older = dict.fromkeys(FEATURE_NAMES[1:], 0.0)
    world.capture([Asked(answers[0].request, older, False, answers[0].moment)])
    world.stores()
    return world


@pytest.fixture
def run(
    world: World, embedded_aws: EmbeddedAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., dict[str, Any]]:
    """Runs the entry point; answers its report."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    for name, value in embedded_aws.environment().items():
        monkeypatch.setenv(name, value)
    for name, value in {
        "SAGEMAKER_BASE_DIR": str(tmp_path),
        "RAW_BUCKET": world.raw,
        "CAPTURES_URI": f"s3://{world.name}/captures",
        "CUSTOMER_FEATURE_GROUP": world.groups.customer,
        "TERMINAL_FEATURE_GROUP": world.groups.terminal,
        "ENDPOINT_NAME": world.name,
        "METRIC_NAMESPACE": "test/parity",
    }.items():
        monkeypatch.setenv(name, value)

    def audit(*arguments: str) -> dict[str, Any]:
        assert main(["parity", *arguments]) == 0
        folder = tmp_path / "processing" / "output" / "report"
        report: dict[str, Any] = json.loads((folder / "parity.json").read_text())
        lines = (folder / "differences.jsonl").read_text().splitlines()
        return report | {
            "lines": [json.loads(line) for line in lines],
            "message": (tmp_path / "output" / "message").read_text(),
        }

    return audit


def metrics(session: Any, world: World) -> dict[str, float]:
    """The newest sum of each of the audit's metrics."""
    cloudwatch = session.client("cloudwatch")
    found = {}
    for metric in cloudwatch.list_metrics(Namespace="test/parity")["Metrics"]:
        assert metric["Dimensions"] == [{"Name": "EndpointName", "Value": world.name}]
        points = cloudwatch.get_metric_statistics(
            Namespace="test/parity",
            MetricName=metric["MetricName"],
            Dimensions=metric["Dimensions"],
            StartTime=datetime.now(UTC) - timedelta(hours=1),
            EndTime=datetime.now(UTC) + timedelta(minutes=1),
            Period=3600,
            Statistics=["Maximum"],
        )["Datapoints"]
        found[metric["MetricName"]] = max(point["Maximum"] for point in points)
    return found


def test_a_wrong_answer_is_found_told_and_published(
    run: Callable[..., dict[str, Any]], session: Any, world: World
) -> None:
    found = run("--settle-minutes", "0", "--hours", "2")
    assert (found["rows"], found["mismatches"], found["defects"]) == (REQUESTS, 1, 1)
    assert (found["captured"], found["probes"], found["other_schema"]) == (REQUESTS + 1, 1, 1)
    (line,) = found["lines"]
    assert line == found["first_difference"]
    assert line["transaction_id"] == 3
    assert (line["outcome"], line["feature"]) == ("answer", "customer_count_7d")
    assert (line["answered"], line["batch"]) == (77.0, 2.0)
    assert found["message"].startswith("CompletedWithDifferences: 1 of 6 answers, 1 of them defect")
    assert metrics(session, world) == {
        "ParityRows": REQUESTS,
        "ParityDefects": 1,
        "ParityLate": 0,
        "ParityDegraded": 0,
        "ParityMismatchRate": pytest.approx(100 / REQUESTS),
    }


def test_a_sample_is_the_same_every_time(run: Callable[..., dict[str, Any]]) -> None:
    few, more = (
        run("--settle-minutes", "0", "--hours", "2", "--sample", str(size)) for size in (5, 50)
    )
    assert (few["rows"], more["rows"]) == (5, REQUESTS)
    assert few["captured"] == more["captured"]
    again = run("--settle-minutes", "0", "--hours", "2", "--sample", "5")
    assert again["lines"] == few["lines"]


def test_requests_that_have_not_settled_are_left_for_the_next_audit(
    run: Callable[..., dict[str, Any]],
) -> None:
    found = run("--settle-minutes", "1440")
    assert (found["rows"], found["message"]) == (0, "Completed: 0 answers are batch's")


def test_a_variable_that_is_missing_is_named(
    run: Callable[..., dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("CAPTURES_URI")
    assert main(["parity"]) == 1
    assert "CAPTURES_URI must be set, got none" in capsys.readouterr().err


def test_a_capture_that_cannot_be_read_fails_the_job(
    run: Callable[..., dict[str, Any]], world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    key = f"captures/{datetime.now(UTC):%Y/%m/%d/%H}/bad.jsonl"
    world.s3.put_object(Bucket=world.name, Key=key, Body=b"{")
    assert main(["parity", "--settle-minutes", "0"]) == 1
    assert "bad.jsonl, line 1: must be JSON" in capsys.readouterr().err
    world.s3.delete_object(Bucket=world.name, Key=key)
