"""Custom resource: an SSM parameter that names a model package.

The serving stack reads the parameter at deployment, so it must exist before; and its value is the
deployed model, so no deployment may reset it.

Contract:
    Properties: `ParameterName`; and `EndpointName`, if it names what an endpoint serves.
    Create and Update: the parameter is created if it is absent, with what the endpoint serves or,
    if there is no endpoint, `none`; a value that is there stays, whatever it is.
    Delete: the parameter is deleted with its stack, if it was this resource's, unless the endpoint
    is still there. An update that drops the resource may have it under another name, and then
    CloudFormation makes the new one before it deletes the old one: the parameter stays.
    Answers: `PhysicalResourceId` and `Data.ParameterName` are the parameter's name.
    Needs: ssm:PutParameter and ssm:DeleteParameter on the parameter; cloudformation:DescribeStacks
    on the stack; with an endpoint, what `served` needs.
"""

from collections.abc import Mapping
from typing import Any

import boto3
from botocore.exceptions import ClientError
from pipeline_code.contracts.packages import NO_MODEL

from custom_resource import Context, ResourceResult, answer
from served_model import ServedModel, served

# While its creation is undone, what it made is deleted, too.
STACK_GOES = frozenset({"DELETE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS"})


def handler(event: Mapping[str, Any], context: Context) -> None:
    """Lambda's entry."""
    answer(event, context, apply)


def apply(event: Mapping[str, Any]) -> ResourceResult:
    """Does what one request of CloudFormation asks for."""
    name = event["ResourceProperties"]["ParameterName"]
    endpoint = _endpoint(event["ResourceProperties"])
    if event["RequestType"] == "Delete":
        # After a failed creation the id is made up, and the parameter may be somebody else's.
        is_ours = event["PhysicalResourceId"] == name
        if is_ours and endpoint is None and _stack_goes(event["StackId"]):
            _delete(name)
        return ResourceResult(event["PhysicalResourceId"])
    _create_if_absent(name, NO_MODEL if endpoint is None else endpoint.spelled)
    return ResourceResult(name, {"ParameterName": name})


def _endpoint(properties: Mapping[str, str]) -> ServedModel | None:
    if "EndpointName" not in properties:
        return None
    name = properties["EndpointName"]
    found = served(boto3.client("sagemaker"), name)
    if found is not None and found.lost:
        # "none" would take the endpoint away.
        raise ValueError(f"endpoint {name} runs by a configuration that was deleted; deploy later")
    return found


def _stack_goes(stack_id: str) -> bool:
    found = boto3.client("cloudformation").describe_stacks(StackName=stack_id)["Stacks"]
    return found[0]["StackStatus"] in STACK_GOES


def _create_if_absent(name: str, value: str) -> None:
    try:
        boto3.client("ssm").put_parameter(
            Name=name,
            Value=value,
            Type="String",
            Overwrite=False,
            Description="A model package, or none",
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ParameterAlreadyExists":
            raise


def _delete(name: str) -> None:
    try:
        boto3.client("ssm").delete_parameter(Name=name)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ParameterNotFound":
            raise
