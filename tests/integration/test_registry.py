"""Governance of the deployed loop: who decided what, where a model comes from, and the way back."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from operations.cli import app
from operations.demo.traffic import Traffic
from operations.deployment.revision import code_revision
from operations.target import Target

pytestmark = pytest.mark.end_to_end

# In this process: each verb as a process of its own would take longer to start than to answer.
runner = CliRunner()
Ask = Callable[..., Any]


@pytest.fixture
def ask(played: Any, tmp_path: Path) -> Ask:
    """ask("models"): what a verb answers, as JSON."""

    def run(*arguments: str) -> Any:
        file = tmp_path / "answer.json"
        done = runner.invoke(app, [*arguments, "--state", str(played.state), "--json", str(file)])
        assert done.exit_code == 0, done.output
        return json.loads(file.read_text())

    return run


@pytest.fixture(scope="module")
def versions(played: Any) -> list[str]:
    """ARNs of the two versions that the demo approved; the second is deployed."""
    found: list[str] = played.result["model_versions"]
    return found


def version_of(arn: str) -> str:
    return arn.rsplit("/", 1)[-1]


def test_the_registry_tells_who_approved_what_and_why(ask: Ask, versions: list[str]) -> None:
    models = {model["arn"]: model for model in ask("models")["models"]}
    first, second = (models[arn] for arn in versions)
    assert first["decided"]["by"].startswith("arn:aws:")
    assert first["decided"]["reason"] == "demo: beats the floor"
    assert second["decided"]["reason"] == "demo: retrained after drift"
    assert (first["deployed"], second["deployed"]) == (False, True)
    for model in (first, second):
        assert (model["revision"] == "unknown") is (code_revision() is None)
        assert 0 < float(model["metadata"]["average_precision"]) <= 1
        assert model["metadata"]["train_first_event"] < model["metadata"]["train_last_event"]


def test_the_endpoint_leads_back_to_the_objects_that_its_model_learned_from(
    played: Any, ask: Ask, versions: list[str]
) -> None:
    found = ask("lineage", "--verify")
    assert found["endpoint"]["name"] == played.target.output("EndpointName")
    assert found["model_package"]["arn"] == versions[1]
    assert found["model_package"]["model_card_status"] == "PendingReview"
    steps = {step["name"]: step for step in found["steps"]}
    assert steps["RegisterModel"]["job"] == versions[1]
    assert found["training_job"]["arn"] == steps["TrainModel"]["job"]
    assert found["feature_job"]["arn"] == steps["ComputeFeatures"]["job"]
    sources = found["sources"]
    assert sources["bucket"] == played.target.output("RawBucketName")
    datasets = {source["key"].split("/")[0] for source in sources["objects"]}
    assert datasets == {"transactions", "fraud_reports"}
    assert found["verification"] == {
        "passed": True,
        "objects": len(sources["objects"]),
        "problems": [],
    }


def test_the_first_version_learned_from_fewer_objects(ask: Ask, versions: list[str]) -> None:
    first, second = (ask("lineage", arn)["sources"]["objects"] for arn in versions)
    read = {(source["key"], source["version_id"]) for source in second}
    assert {(source["key"], source["version_id"]) for source in first} < read


def test_two_versions_are_compared_on_the_newers_test_window(ask: Ask, versions: list[str]) -> None:
    found = ask("compare", version_of(versions[0]), "champion")
    assert (found["a"]["arn"], found["b"]["arn"]) == (versions[0], versions[1])
    tested = ask("lineage", versions[1])["model_package"]["metadata"]
    assert found["window"]["start"] == tested["test_start"][:10]
    precision = found["metrics"]["average_precision"]
    assert precision["low"] <= precision["difference"] <= precision["high"]
    # Left out are cards known since either began to learn: what the evaluation left out, or more.
    assert 0 < found["rows"] <= int(tested["test_rows"])
    assert 0 < found["frauds"] <= int(tested["test_frauds"])


def requests(target: Target) -> list[dict[str, Any]]:
    """Requests that a served model answers, of customers that nobody knows."""
    return [
        {
            "transaction_id": 10**15 + number,
            "event_time": "2025-04-20T12:00:00Z",
            "customer_id": 10**6 + number,
            "terminal_id": 1,
            "amount": "12.50",
        }
        for number in range(50)
    ]


def await_answer_of(traffic: Traffic, arn: str) -> None:
    deadline = time.monotonic() + 60
    while arn not in traffic.scored.model_versions and not traffic.scored.failures:
        assert time.monotonic() < deadline, traffic.scored.model_versions
        time.sleep(0.05)


def test_a_roll_back_serves_the_first_version_again_and_no_request_fails(
    played: Any, ask: Ask, versions: list[str]
) -> None:
    first, second = versions
    with Traffic(played.target, requests(played.target)) as traffic:
        await_answer_of(traffic, second)
        done = ask("rollback", "--reason", "false alarms, says the desk")
        assert (done["revoked"], done["restored"]) == (second, first)
        await_answer_of(traffic, first)
    assert traffic.scored.failures == []
    models = {model["arn"]: model for model in ask("models")["models"]}
    assert models[first]["deployed"]
    assert models[second]["status"] == "Rejected"
    assert models[second]["decided"]["reason"] == "rolled back: false alarms, says the desk"
    assert ask("lineage")["model_package"]["arn"] == first


def test_nothing_is_left_to_roll_back_to(played: Any, fraudloop: Any, versions: list[str]) -> None:
    done = fraudloop("rollback", "--reason", "again", "--state", str(played.state))
    assert done.returncode == 1
    assert f"got only version {version_of(versions[0])} (Approved)" in done.stderr


def test_the_rejection_is_overruled_and_the_second_version_serves_again(
    ask: Ask, versions: list[str]
) -> None:
    second = versions[1]
    ask("approve", second, "--overrule", "--reason", "the desk was wrong")
    assert ask("lineage")["model_package"]["arn"] == second
    decisions = ask("lineage", second)["model_package"]["decisions"]
    assert [(each["status"], each["reason"]) for each in decisions] == [
        ("Approved", "demo: retrained after drift"),
        ("Rejected", "rolled back: false alarms says the desk"),
        ("Approved", "the desk was wrong"),
    ]
