"""What is told of deployments, and how waiting for one ends."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from local_aws.server import EmbeddedAws
from operations.cli import app
from operations.errors import OperationError
from operations.models import registry
from operations.models.deployments import (
    deployments,
    last_deployment,
    longest_deployment,
    waits_for_retry,
    why_not_deployed,
)
from operations.target import PROJECT_ROOT, Target
from tests.operations.said import said


class Recorded:
    """A group of packages, and the parameter that says what became of the last deployment."""

    def __init__(self, target_with: Callable[..., Target]) -> None:
        name = f"group-{uuid4().hex[:8]}"
        self.target = target_with(
            ModelPackageGroupName=name,
            DeploymentStateParameterName=f"/{name}/state",
            ApprovedModelParameterName=f"/{name}/approved",
            EndpointName=name,
            RolloutTimeoutSeconds="600",
        )
        self.sagemaker = self.target.client("sagemaker")
        self.sagemaker.create_model_package_group(ModelPackageGroupName=name)
        self._group = name
        self.put("none")
        self.target.client("ssm").put_parameter(
            Name=f"/{name}/approved", Value="none", Type="String"
        )

    def package(self, status: str) -> str:
        container = {"Image": "image:1", "ModelDataUrl": "s3://raw/model.tar.gz"}
        arn: str = self.sagemaker.create_model_package(
            ModelPackageGroupName=self._group,
            ModelApprovalStatus=status,
            InferenceSpecification={
                "Containers": [container],
                "SupportedContentTypes": ["text/csv"],
                "SupportedResponseMIMETypes": ["text/csv"],
            },
        )["ModelPackageArn"]
        return arn

    def put(self, value: str) -> None:
        self.target.client("ssm").put_parameter(
            Name=self.target.output("DeploymentStateParameterName"),
            Value=value,
            Type="String",
            Overwrite=True,
        )

    def status(self, arn: str) -> str:
        found = self.sagemaker.describe_model_package(ModelPackageName=arn)
        return str(found["ModelApprovalStatus"])

    def ended(self, arn: str, state: str) -> dict[str, Any]:
        deployment = {"model_package": arn, "state": state, "reason": "because"}
        self.put(json.dumps(deployment))
        return deployment


@pytest.fixture
def recorded(target_with: Callable[..., Target]) -> Recorded:
    return Recorded(target_with)


def test_before_the_first_deployment_there_is_none(recorded: Recorded) -> None:
    assert last_deployment(recorded.target) is None
    assert deployments(recorded.target) == {}
    assert why_not_deployed(recorded.target, "arn") is None


def test_of_each_package_the_last_deployment_is_told(recorded: Recorded) -> None:
    recorded.ended("one", "Deploying")
    one = recorded.ended("one", "InService")
    two = recorded.ended("two", "RolledBack")
    assert deployments(recorded.target) == {"one": one, "two": two}
    assert last_deployment(recorded.target) == two


@pytest.mark.parametrize(
    ("state", "status", "told"),
    [
        ("Refused", "Rejected", "Refused: because"),
        ("RolledBack", "Rejected", "RolledBack: because"),
        ("RolledBack", "Approved", None),  # approved again since
        ("Deploying", "Rejected", None),
        ("InService", "Approved", None),
    ],
)
def test_why_a_package_is_not_deployed(
    recorded: Recorded, state: str, status: str, told: str | None
) -> None:
    arn = recorded.package(status)
    recorded.ended(arn, state)
    assert why_not_deployed(recorded.target, arn) == told


def test_a_package_that_is_tried_again_later_is_told_with_when(recorded: Recorded) -> None:
    arn = recorded.package("Approved")
    later = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    deployment = recorded.ended(arn, "RolledBack") | {"since": later, "retry_at": "2026-12-01"}
    recorded.put(json.dumps(deployment))
    why = why_not_deployed(recorded.target, arn)
    assert why is not None
    assert why.startswith(
        "RolledBack: because; that is not its doing, and it is tried again after 2026-12-01: "
    )
    assert waits_for_retry(recorded.target, arn)
    # Approved since then, it is about to be.
    recorded.put(json.dumps(deployment | {"since": "2020-01-01T00:00:00Z"}))
    assert why_not_deployed(recorded.target, arn) is None


def test_a_package_that_was_overtaken_is_told_by_which(recorded: Recorded) -> None:
    first, second = recorded.package("Approved"), recorded.package("Approved")
    recorded.ended(second, "InService")
    assert why_not_deployed(recorded.target, first) == ("version 2 was approved later, and serves")
    recorded.ended(first, "InService")
    assert why_not_deployed(recorded.target, second) is None


def test_waiting_for_a_package_that_was_refused_ends_with_the_reason(recorded: Recorded) -> None:
    arn = recorded.package("Rejected")
    recorded.ended(arn, "Refused")
    with pytest.raises(OperationError, match=f"{arn} is not deployed; Refused: because"):
        registry.await_deployment(recorded.target, arn)


@pytest.fixture
def stack(recorded: Recorded) -> Iterator[str]:
    """A serving stack at rest; an approval has yet to reach it."""
    cloudformation, name = recorded.target.client("cloudformation"), "fraudloop-local-serving"
    template = {
        "Resources": {"Handle": {"Type": "AWS::CloudFormation::WaitConditionHandle"}},
        "Outputs": {key: {"Value": value} for key, value in recorded.target.outputs.items()},
    }
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(template))
    created = cloudformation.get_waiter("stack_create_complete")
    created.wait(StackName=name, WaiterConfig={"Delay": 1})
    yield name
    cloudformation.delete_stack(StackName=name)
    deleted = cloudformation.get_waiter("stack_delete_complete")
    deleted.wait(StackName=name, WaiterConfig={"Delay": 1})


def test_waiting_lasts_as_long_as_two_rollouts_and_the_creation_of_an_endpoint(
    recorded: Recorded, target_with: Callable[..., Target]
) -> None:
    assert longest_deployment(recorded.target) == 2 * 600 + 160 * 60
    # Stacks of an older version do not say: SageMaker's own limit then.
    assert longest_deployment(target_with(EndpointName="any")) == 2 * 8 * 3600 + 160 * 60


def test_waiting_says_what_for_and_what_to_look_at_in_the_end(
    recorded: Recorded, stack: str
) -> None:
    arn = recorded.package("Approved")
    state = (
        "it is yet to be taken by the deployment function; "
        f"stack {stack} CREATE_COMPLETE, endpoint not created"
    )
    expected = f"within 1 s, got {state}; it may go on"
    with said() as updates, pytest.raises(OperationError, match=expected) as ended:
        registry.await_deployment(recorded.target, arn, timeout_seconds=0.6)
    for named in ("`fraudloop status`", "the stack's events", "`fraudloop redrive`"):
        assert named in str(ended.value)
    assert {each.item for each in updates} == {"deployment of version 1"}
    assert updates[0].state == "waited for at most 0 minutes"
    assert {each.state for each in updates[1:]} == {state}


def test_who_stops_waiting_is_told_that_the_deployment_goes_on(
    recorded: Recorded, stack: str, embedded_aws: EmbeddedAws
) -> None:
    arn = recorded.package("PendingManualApproval")
    state = ["--state", str(embedded_aws.state_dir)]
    with subprocess.Popen(
        [sys.executable, "-m", "operations.cli", "approve", "1", *state],
        cwd=PROJECT_ROOT,
        stderr=subprocess.PIPE,
        text=True,
        # What runs in the background ignores Ctrl-C, and so do its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    ) as waiting:
        assert waiting.stderr is not None
        first = waiting.stderr.readline()
        time_of, _, said_then = first.partition(" ")
        assert datetime.fromisoformat(time_of).utcoffset() == timedelta(0)
        assert said_then == "deployment of version 1: waited for at most 180 minutes\n"
        waiting.send_signal(signal.SIGINT)
        rest = waiting.stderr.read()
    assert waiting.returncode == 130
    assert rest.splitlines()[-1] == (
        "fraudloop: no longer waiting; version 1 is approved; its deployment goes on by itself: "
        f"`fraudloop watch {' '.join(state)}` attaches to it, "
        f"`fraudloop rollback {' '.join(state)}` undoes it"
    )
    assert recorded.status(arn) == "Approved"


def test_where_the_credentials_end_waiting_ends_with_what_goes_on(
    recorded: Recorded, embedded_aws: EmbeddedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded.package("PendingManualApproval")
    monkeypatch.setattr(Target, "outputs", recorded.target.outputs)
    # There is no stack of that name: an error of AWS amid the wait, as an expired session is.
    done = CliRunner().invoke(app, ["approve", "1", "--state", str(embedded_aws.state_dir)])
    assert done.exit_code == 1
    last = done.stderr.splitlines()[-1]
    assert re.search(
        "cannot wait any longer: .*; version 1 is approved; its deployment goes on", last
    )
