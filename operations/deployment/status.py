"""An environment's status: stacks, data, executions, model versions, endpoint, monitor."""

from typing import Any

from botocore.exceptions import ClientError

from operations import executions
from operations.models import registry
from operations.models.deployments import last_deployment
from operations.target import Target
from pipeline_code.contracts.outputs import Output
from pipeline_code.contracts.resources import Stage, resource_name


def status(target: Target) -> dict[str, Any]:
    """Everything an operator asks first, as one document."""
    return {
        "environment": target.environment,
        "region": target.session.region_name,
        "stacks": stack_states(target),
        "executions": [
            {
                "name": item.get("PipelineExecutionDisplayName", ""),
                "status": item["PipelineExecutionStatus"],
                "started": item["StartTime"].isoformat(),
            }
            for item in executions.recent(target, limit=5)
        ],
        "model_packages": [
            {
                "version": item["ModelPackageVersion"],
                "approval": item["ModelApprovalStatus"],
                "created": item["CreationTime"].isoformat(),
            }
            for item in registry.packages(target, limit=5)
        ],
        "approved_model_package": registry.deployed_package(target),
        "deployment": last_deployment(target),
        "endpoint": _endpoint(target),
        "alarms": _alarms(target),
    }


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
            states[name] = "not deployed"
            continue
        states[name] = found["StackStatus"]
    return states


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
