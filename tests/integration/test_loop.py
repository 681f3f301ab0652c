"""The whole loop: the demo in small, and what it left behind."""

from typing import Any

import pytest

from operations.models import registry

pytestmark = pytest.mark.end_to_end


def test_every_stage_of_the_demo_happens(played: Any) -> None:
    stages = {stage["name"]: stage for stage in played.result["stages"]}
    assert [name for name, stage in stages.items() if not stage["ok"]] == [], played.output
    assert played.exit_code == 0, played.output
    assert len(stages) == 13


def test_two_versions_are_registered_and_no_request_fails(played: Any) -> None:
    first, second = played.result["model_versions"]
    assert first != second
    assert played.result["failed_requests"] == 0


def test_the_second_version_was_asked_for_by_the_retraining_lambda(played: Any) -> None:
    second = played.result["model_versions"][1]
    package = played.target.client("sagemaker").describe_model_package(ModelPackageName=second)
    reason = package["CustomerMetadataProperties"]["trigger_reason"]
    assert "drift" in reason.lower() or "violation" in reason.lower(), reason


def test_the_endpoint_serves_the_second_version(played: Any) -> None:
    second = played.result["model_versions"][1]
    assert registry.deployed_package(played.target) == second
    assert registry.await_deployment(played.target, second, timeout_seconds=5).endswith(
        played.target.output("EndpointName")
    )


def test_status_tells_what_runs(played: Any, fraudloop: Any) -> None:
    done = fraudloop("status", "--state", str(played.state))
    assert done.returncode == 0, done.stderr
    assert "InService" in done.stdout
    assert "CREATE_COMPLETE" in done.stdout
