"""What CloudFormation says of an endpoint whose update goes back, and who makes its log group."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from operations.smoke.probes.packages import PYTHON_PATH
from operations.smoke.probes.probe import Seen, asks, refusal
from operations.smoke.probes.rollouts import (
    deployment_config,
    logs,
    set_alarm,
    variant,
    when_baking,
)
from operations.smoke.run import NotSeenError
from operations.smoke.stacks import reason, rested, stack, update

if TYPE_CHECKING:
    from operations.smoke.run import Run

__all__ = ["endpoint_template"]

_LOG_SECONDS = 180.0


@asks(
    *("log-group-absent", "update-under-way", "rolled-back-stack"),
    minutes={"hosting ml.m5.large": 50},
)
def endpoint(run: Run) -> Iterator[Seen]:
    """A stack with an endpoint, and its update to another model while an alarm goes on; beside it
    another update is tried."""
    name = run.named("stack")
    stack(run, name, endpoint_template(run, "first"))
    made = run.seen(lambda: logs(run, name), _LOG_SECONDS)
    yield Seen(question="log-group-absent", reading="made" if made else "missing")
    set_alarm(run, "stack", "OK")
    update(run, name, endpoint_template(run, "second"))
    when_baking(run, name, lambda _endpoint: _status(run, name) != "UPDATE_IN_PROGRESS")
    yield _refused_beside(run, name)
    set_alarm(run, "stack", "ALARM")
    found = rested(run, name)
    status = found["StackStatus"]
    if status not in ("UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_FAILED"):
        raise NotSeenError(f"the stack is {status}: {reason(run, name)}")
    done = status == "UPDATE_COMPLETE"
    yield Seen(
        question="rolled-back-stack",
        reading="done" if done else "failed",
        detail=status if done else f"{status}: {reason(run, name)}",
    )


def _refused_beside(run: Run, name: str) -> Seen:
    """What a second update is told; it is one to the configuration that serves."""
    sagemaker = run.client("sagemaker")
    serving = sagemaker.describe_endpoint(EndpointName=name)["EndpointConfigName"]
    why = refusal(lambda: sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=serving))
    readings = {None: None, True: "in-progress", False: "other-words"}
    words = None if why is None else "Cannot update in-progress endpoint" in why
    return Seen(
        question="update-under-way",
        reading=readings[words],
        detail=why or "an update beside another is taken",
    )


def _status(run: Run, name: str) -> str:
    found = run.client("cloudformation").describe_stacks(StackName=name)
    return str(found["Stacks"][0]["StackStatus"])


def endpoint_template(run: Run, version: str) -> str:
    """Model, configuration and endpoint; another version replaces the first two."""
    container = {
        "Image": run.serving_image,
        "ModelDataUrl": f"s3://{run.bucket}/model.tar.gz",
        "Environment": {"PYTHONPATH": PYTHON_PATH, "SMOKE_VERSION": version},
    }
    properties: dict[str, dict[str, Any]] = {
        "Model": {"ExecutionRoleArn": run.outputs["ModelRole"], "PrimaryContainer": container},
        "EndpointConfig": {
            "ProductionVariants": [
                variant({"Fn::GetAtt": ["Model", "ModelName"]}, "ml.m5.large")  # type: ignore[arg-type]
            ]
        },
        "Endpoint": {
            "EndpointName": run.named("stack"),
            "EndpointConfigName": {"Fn::GetAtt": ["EndpointConfig", "EndpointConfigName"]},
            "DeploymentConfig": deployment_config(run, run.outputs["StackAlarm"]),
        },
    }
    # Never named: a change of either is a replacement, as in the project's stack.
    resources = {
        kind: {"Type": f"AWS::SageMaker::{kind}", "Properties": each}
        for kind, each in properties.items()
    }
    return json.dumps({"Resources": resources})
