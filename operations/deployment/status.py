"""An environment's status: stacks, data, executions, model versions, endpoint, monitor."""

import re
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from operations import executions
from operations.console import utc
from operations.errors import OperationError
from operations.models import registry
from operations.models.deployments import last_deployment
from operations.target import Target
from pipeline_code.contracts.outputs import Output
from pipeline_code.contracts.resources import Stage, resource_name

__all__ = ["NOT_DEPLOYED", "named_outputs", "short_alarm", "stack_states", "status"]

NOT_DEPLOYED = "not deployed"
# What the CDK calls the values by that one stack gives another.
_EXPORTS = "ExportsOutput"
# What the CDK and CloudFormation put behind a name, to make it differ from all others.
_HASHES = re.compile(r"(?:[0-9A-F]{8})?-[0-9A-Za-z]{12,13}$")


def status(target: Target) -> dict[str, Any]:
    """Everything an operator asks first, as one document.

    What cannot be known, as after a deployment that was broken off, is named with why in `unknown`.

    Raises:
        OperationError: If nothing at all is deployed.
    """
    states = stack_states(target)
    if set(states.values()) == {NOT_DEPLOYED}:
        target.outputs  # noqa: B018 - raises the error that says what to do
    found: dict[str, Any] = {
        "environment": target.environment,
        "region": target.session.region_name,
        "stacks": states,
    }
    unknown: dict[str, str] = {}
    parts: dict[str, Callable[[Target], Any]] = {
        "executions": _executions,
        "model_packages": _packages,
        "approved_model_package": registry.deployed_package,
        "deployment": last_deployment,
        "endpoint": _endpoint,
        "alarms": _alarms,
        "outputs": named_outputs,
    }
    for name, part in parts.items():
        try:
            found[name] = part(target)
        except (ClientError, OperationError) as error:
            found[name], unknown[name] = None, str(error).partition(";")[0]
    return {**found, "unknown": unknown}


def named_outputs(target: Target) -> dict[str, str]:
    """The stacks' outputs that have a name of ours."""
    found = sorted(target.outputs.items())
    return {name: value for name, value in found if not name.startswith(_EXPORTS)}


def stack_states(target: Target) -> dict[str, str]:
    """Status of every stack of the environment, deployed or not."""
    cloudformation, states = target.client("cloudformation"), {}
    for stage in Stage:
        name = target.stack_name(stage)
        try:
            found = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        except ClientError as error:
            if "does not exist" not in str(error):
                raise
            states[name] = NOT_DEPLOYED
            continue
        states[name] = found["StackStatus"]
    return states


def short_alarm(target: Target, name: str) -> str:
    """An alarm's name without the environment's, which is the same for all, and without hashes."""
    return _HASHES.sub("", name.removeprefix(resource_name(target.environment, "")))


def _executions(target: Target) -> list[dict[str, str]]:
    return [
        {
            "name": item.get("PipelineExecutionDisplayName", ""),
            "status": item["PipelineExecutionStatus"],
            "started": utc(item["StartTime"]),
        }
        for item in executions.recent(target, limit=5)
    ]


def _packages(target: Target) -> list[dict[str, Any]]:
    return [
        {
            "version": item["ModelPackageVersion"],
            "approval": item["ModelApprovalStatus"],
            "created": utc(item["CreationTime"]),
        }
        for item in registry.packages(target, limit=5)
    ]


def _endpoint(target: Target) -> dict[str, str]:
    name = target.output(Output.ENDPOINT)
    try:
        found = target.client("sagemaker").describe_endpoint(EndpointName=name)
    except ClientError as error:
        if "Could not find endpoint" not in str(error):
            raise
        return {"name": name, "status": "not deployed: no model package is approved yet"}
    return {"name": name, "status": found["EndpointStatus"]}


def _alarms(target: Target) -> dict[str, str]:
    pages = (
        target.client("cloudwatch")
        .get_paginator("describe_alarms")
        .paginate(AlarmNamePrefix=resource_name(target.environment, ""))
    )
    return {
        alarm["AlarmName"]: alarm["StateValue"] for page in pages for alarm in page["MetricAlarms"]
    }
