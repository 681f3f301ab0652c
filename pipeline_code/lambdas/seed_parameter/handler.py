"""Custom resource: the SSM parameter that names the approved model package.

The serving stack reads the parameter at deployment, so it must exist before; and its value is the
deployed model, so no deployment may reset it.

Contract:
    Properties: `ParameterName`.
    Create and Update: the parameter is created with the value `none` if it is absent; a value that
    is there stays, whatever it is.
    Delete: the parameter is deleted, if it was this resource's.
    Answers: `PhysicalResourceId` and `Data.ParameterName` are the parameter's name.
    Needs: ssm:PutParameter and ssm:DeleteParameter on the parameter.
"""

from collections.abc import Mapping
from typing import Any

import boto3
from botocore.exceptions import ClientError

from custom_resource import Context, Outcome, answer

NO_MODEL = "none"


def handler(event: Mapping[str, Any], context: Context) -> None:
    """Lambda's entry."""
    answer(event, context, apply)


def apply(event: Mapping[str, Any]) -> Outcome:
    """Does what one request of CloudFormation asks for."""
    ssm = boto3.client("ssm")
    name = event["ResourceProperties"]["ParameterName"]
    if event["RequestType"] == "Delete":
        # After a failed creation the id is made up, and the parameter may be somebody else's.
        if event["PhysicalResourceId"] == name:
            _delete(ssm, name)
        return Outcome(event["PhysicalResourceId"])
    _create_if_absent(ssm, name)
    return Outcome(name, {"ParameterName": name})


def _create_if_absent(ssm: Any, name: str) -> None:
    try:
        ssm.put_parameter(
            Name=name,
            Value=NO_MODEL,
            Type="String",
            Overwrite=False,
            Description="ARN of the approved model package that the endpoint serves, or none",
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ParameterAlreadyExists":
            raise


def _delete(ssm: Any, name: str) -> None:
    try:
        ssm.delete_parameter(Name=name)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ParameterNotFound":
            raise
