"""Updates a stack with its own template, so that CloudFormation reads its SSM parameters anew.

The monitors need an endpoint to watch, and on the first day there is none: their stack has a
condition on the approved model, and this function has it decided again when the endpoint is up.

During a roll-out the parameter names what does not serve yet, and after a roll-back what did not
come to serve, until it is put back: the monitors would look for traffic that there is none of. So
the stack is left as it is unless the endpoint serves what the parameter names, or it names none;
the one event or the other is the last.

Contract:
    Event: any; rules select `SageMaker Endpoint State Change` of the endpoint in service, and
    `Parameter Store Change` of the parameter.
    Environment: STACK_NAME; STACK_ROLE_ARN, the role by which the stack is updated, which can do
    less than that of the stack's last deployment; ENDPOINT_NAME; PARAMETER_NAME, which names the
    approved model package.
    "No updates" is success. A stack that is being updated raises, and Lambda retries.
    Returns: {"updated": bool}.
    Needs: cloudformation:DescribeStacks and UpdateStack on the stack; iam:PassRole of the role;
    ssm:GetParameters on the parameters that the stack reads; what `served_model` needs.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import ClientError
from pipeline_code.contracts.environment import read
from pipeline_code.contracts.packages import NO_MODEL

from served_model import served


class StackBusyError(Exception):
    """The stack cannot be updated now; the next attempt may find it at rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The contract's environment."""

    stack_name: str
    stack_role_arn: str
    parameter_name: str
    endpoint_name: str


def handler(event: Mapping[str, Any], _context: Any) -> dict[str, bool]:
    """Lambda's entry."""
    settings = read(Settings, os.environ)
    name, role = settings.stack_name, settings.stack_role_arn
    if serves_what_is_approved(settings):
        updated = refresh(boto3.client("cloudformation"), name, role, event["id"])
        print(json.dumps({"message": "refreshed", "stack": name, "updated": updated}))
        return {"updated": updated}
    print(json.dumps({"message": "left as it is: what is approved does not serve", "stack": name}))
    return {"updated": False}


def serves_what_is_approved(settings: Settings) -> bool:
    """Whether the endpoint serves what the parameter names, or the parameter names nothing."""
    names = [settings.parameter_name]
    (parameter,) = boto3.client("ssm").get_parameters(Names=names)["Parameters"]
    if parameter["Value"] == NO_MODEL:
        return True
    serving = served(boto3.client("sagemaker"), settings.endpoint_name)
    return serving is not None and serving.spelled == parameter["Value"]


def refresh(cloudformation: Any, name: str, role_arn: str, token: str) -> bool:
    """Starts the update; False if there is nothing to update."""
    stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    if stack["StackStatus"].endswith("_IN_PROGRESS"):
        raise StackBusyError(f"stack {name} is {stack['StackStatus']}; trying again later")
    keys = [parameter["ParameterKey"] for parameter in stack.get("Parameters", [])]
    try:
        cloudformation.update_stack(
            StackName=name,
            UsePreviousTemplate=True,
            Parameters=[{"ParameterKey": key, "UsePreviousValue": True} for key in keys],
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
            RoleARN=role_arn,
            # An event that is delivered twice starts one update.
            ClientRequestToken=token,
        )
    except ClientError as error:
        message = error.response["Error"]["Message"]
        if "No updates are to be performed" in message:
            return False
        if "_IN_PROGRESS" in message:
            raise StackBusyError(f"stack {name} is being updated; trying again later") from error
        raise
    return True
