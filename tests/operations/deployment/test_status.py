"""Status of an environment of which something is missing: what is known, and why not all is."""

import json
from collections.abc import Iterator
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from local_aws.server import EmbeddedAws
from operations.cli import app
from operations.deployment.status import short_alarm, status
from operations.errors import OperationError
from operations.target import Target

HANDLE = {"Type": "AWS::CloudFormation::WaitConditionHandle"}


@pytest.fixture(scope="module")
def target(embedded_aws: EmbeddedAws) -> Target:
    return Target(f"s{uuid4().hex[:6]}", embedded_aws.session(), embedded_aws.environment())


@pytest.fixture
def broken_off(target: Target) -> Iterator[Target]:
    """Its deployment was broken off: the first stack's creation failed, and it has no outputs."""
    cloudformation = target.client("cloudformation")
    name = target.stack_name("data-lake")
    group = {"Type": "AWS::SageMaker::ModelPackageGroup", "Properties": {}}
    cloudformation.create_stack(
        StackName=name, TemplateBody=json.dumps({"Resources": {"Handle": HANDLE, "Bad": group}})
    )
    with pytest.raises(Exception, match="ROLLBACK"):
        cloudformation.get_waiter("stack_create_complete").wait(
            StackName=name, WaiterConfig={"Delay": 1}
        )
    yield target
    cloudformation.delete_stack(StackName=name)


def test_what_is_not_deployed_at_all_says_how(target: Target) -> None:
    with pytest.raises(OperationError, match="run `fraudloop deploy` first"):
        status(target)


def test_a_deployment_that_was_broken_off_has_a_status(
    broken_off: Target, embedded_aws: EmbeddedAws
) -> None:
    found = status(broken_off)
    states = found["stacks"]
    assert states.pop(broken_off.stack_name("data-lake")).startswith("ROLLBACK")
    assert set(states.values()) == {"not deployed"}
    assert found["alarms"] == {}
    parts = {"executions", "model_packages", "approved_model_package", "deployment", "endpoint"}
    assert found["unknown"].keys() == parts | {"outputs"}
    assert all("got no stack" in why for why in found["unknown"].values())


def test_what_is_unknown_is_shown_beside_what_is_known(
    broken_off: Target, embedded_aws: EmbeddedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("operations.cli.parts.verbs.connect", lambda *_, **__: broken_off)
    done = CliRunner().invoke(app, ["status"])
    assert done.exit_code == 0, done.output
    for text in ("not deployed", "ROLLBACK_", "Unknown", "model packages", "0 of 0 in ALARM"):
        assert text in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize(
    ("name", "short"),
    [
        (
            "monitoring-MonitoringAlarmsDrift990539D5-250E59174E75F",
            "monitoring-MonitoringAlarmsDrift",
        ),
        ("serving-Latency-A7096F19855B7", "serving-Latency"),
        ("serving-by-hand", "serving-by-hand"),
    ],
)
def test_an_alarm_is_named_without_hashes(target: Target, name: str, short: str) -> None:
    assert short_alarm(target, f"fraudloop-{target.environment}-{name}") == short
