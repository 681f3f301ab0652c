"""The checks before stacks are deployed: nothing else updates them, and no endpoint goes."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from operations import progress
from operations.deployment.assembly import stacks
from operations.deployment.stack_conditions import Conditions
from operations.deployment.status import stack_states
from operations.errors import OperationError
from operations.models.deployments import VERDICT_SECONDS, last_deployment
from operations.target import Target
from operations.waiting import looks
from pipeline_code.contracts.resources import Stage

__all__ = [
    "await_rest",
    "check_endpoint",
    "deploy_undisturbed",
    "deployed_template",
    "is_in_service",
]

_ENDPOINT = "AWS::SageMaker::Endpoint"
_BUSY = "_IN_PROGRESS state and can not be updated"
_ATTEMPTS = 3
_REST = "waiting"
# Longer than the longest rollout that SageMaker allows.
_LONGEST_SECONDS = 36_000.0
_ALLOW_EVERYTHING = {
    "Statement": [{"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"}]
}


def check_endpoint(target: Target, assembly: Path, *, may_go: str | None = None) -> None:
    """Refuse a deployment that would delete or replace the endpoint while it is in service.

    The stack's policy would stop it, too, but only half-way; so this compares the templates first.

    Args:
        target: Where.
        assembly: What is about to be deployed.
        may_go: The endpoint that may be deleted or replaced; its stack's policy is lifted then,
            and the function that deploys models puts it back after the deployment.

    Raises:
        OperationError: If an endpoint would go that is not the named one.
    """
    stack_name = target.stack_name(Stage.SERVING)
    going = (
        endpoint
        for stack in stacks(assembly)
        if stack.name == stack_name
        for endpoint in _endpoints_that_go(target, stack_name, stack.template)
    )
    for name, fate in going:
        if not is_in_service(target, name):
            continue
        if may_go != name:
            raise OperationError(
                f"a deployment must not {fate} endpoint {name}, which is in service; "
                f"if that is meant, give --replace-endpoint {name}"
            )
        target.client("cloudformation").set_stack_policy(
            StackName=stack_name, StackPolicyBody=json.dumps(_ALLOW_EVERYTHING)
        )


def deploy_undisturbed(target: Target, deploy: Callable[[], None]) -> None:
    """Deploy when the stacks are at rest, and again if another update came in between."""
    for attempt in range(_ATTEMPTS):
        await_rest(target)
        try:
            deploy()
        except OperationError as error:
            if _BUSY not in str(error) or attempt == _ATTEMPTS - 1:
                raise
        else:
            return


def await_rest(target: Target, *, timeout_seconds: float = _LONGEST_SECONDS) -> None:
    """Wait until nothing is being done to the stacks, and the last deployment has its verdict.

    Before that verdict, the approved package may be one that was just rolled back.

    Raises:
        OperationError: If that takes too long.
    """
    rested, waits = time.monotonic(), ""
    for _ in looks(timeout_seconds):
        busy = [name for name, state in stack_states(target).items() if _is_busy(state)]
        if busy:
            rested = time.monotonic()
            waits = f"until the update of {', '.join(busy)} has ended"
        elif not _is_deploying(target) or time.monotonic() - rested > VERDICT_SECONDS:
            if waits:
                progress.update(_REST, "nothing is being updated", ended=True)
            return
        else:
            waits = "until the last deployment of a model has its verdict"
        progress.update(_REST, waits)
    raise OperationError(
        f"the stacks must be at rest within {timeout_seconds:.0f} s, got {', '.join(busy)} in "
        "progress; see their events in CloudFormation"
    )


def _is_busy(status: str) -> bool:
    # A stack in review waits for an operator: it has a change set that nobody has executed.
    return status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS"


def _is_deploying(target: Target) -> bool:
    try:
        # A target of its own: outputs are kept, and these are about to change.
        last = last_deployment(replace(target))
    except OperationError:  # nothing is deployed, or nothing that records deployments
        return False
    return last is not None and last["state"] == "Deploying"


def _endpoints_that_go(
    target: Target, stack_name: str, template: Mapping[str, Any]
) -> list[tuple[str, str]]:
    """Name of each deployed endpoint that the template has not, or not as it is, and its fate."""
    before = deployed_template(target, stack_name)
    if before is None:
        return []
    resources = target.client("cloudformation").describe_stack_resources(StackName=stack_name)
    conditions = Conditions(template, target.client("ssm"))
    found = []
    for resource in resources["StackResources"]:
        logical_id = resource["LogicalResourceId"]
        if resource["ResourceType"] != _ENDPOINT or logical_id not in before["Resources"]:
            continue
        name = before["Resources"][logical_id]["Properties"]["EndpointName"]
        after = template["Resources"].get(logical_id, {})
        if after.get("Type") != _ENDPOINT or not conditions.hold_for(after):
            found.append((name, "delete"))
        elif after["Properties"].get("EndpointName") != name:
            found.append((name, "replace"))
    return found


def deployed_template(target: Target, stack_name: str) -> dict[str, Any] | None:
    """The template that a stack was deployed with; None if there is no such stack."""
    cloudformation = target.client("cloudformation")
    try:
        found = cloudformation.get_template(StackName=stack_name, TemplateStage="Processed")
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
        return None
    body: Any = found["TemplateBody"]
    template: dict[str, Any] = json.loads(body) if isinstance(body, str) else body
    return template


def is_in_service(target: Target, name: str) -> bool:
    """Whether there is an endpoint of that name."""
    try:
        target.client("sagemaker").describe_endpoint(EndpointName=name)
    except ClientError as error:
        if "Could not find endpoint" not in str(error):
            raise
        return False
    return True
