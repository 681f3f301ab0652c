"""Updates a stack with its own template, so that CloudFormation reads its SSM parameters anew.

The monitors need an endpoint to watch, and on the first day there is none: their stack has a
condition on the approved model, and this function has it decided again when the endpoint is up.

During a roll-out the parameter names what does not serve yet, and after a roll-back what did not
come to serve, until it is put back: the monitors would look for traffic that there is none of. So
the stack is left as it is unless the endpoint serves what the parameter names, or it names none;
the one event or the other is the last.

Contract:
    Event: one message of a queue, that of an event; rules select `SageMaker Endpoint State Change`
    of the endpoint in service, and `Parameter Store Change` of the parameter.
    Environment: STACK_NAME; STACK_ROLE_ARN, the role by which the stack is updated, which can do
    less than that of the stack's last deployment; ENDPOINT_NAME; PARAMETER_NAME, which names the
    approved model package; QUEUE_URL.
    "No updates" is success. While the stack is being updated, the message waits in the queue, for
    hours if need be; an error gives it back for a minute. After as many times as the queue allows,
    it goes to the dead-letter queue.
    Returns: {"batchItemFailures": [...]} with the message that is to come again, if it is.
    Needs: cloudformation:DescribeStacks and UpdateStack on the stack; iam:PassRole of the role;
    ssm:GetParameters on the parameters that the stack reads; what `served_model` needs; and
    sqs:ReceiveMessage, DeleteMessage, GetQueueAttributes and ChangeMessageVisibility.
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

BUSY_SECONDS = 10
RETRY_SECONDS = 60


class StackBusyError(Exception):
    """The stack cannot be updated now; the next attempt may find it at rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The contract's environment."""

    stack_name: str
    stack_role_arn: str
    parameter_name: str
    endpoint_name: str
    queue_url: str


def handler(event: Mapping[str, Any], _context: Any) -> dict[str, list[dict[str, str]]]:
    """Lambda's entry."""
    settings = read(Settings, os.environ)
    (message,) = event["Records"]
    try:
        done = follow(settings, json.loads(message["body"])["id"])
    except StackBusyError as busy:
        log(f"{busy}; the message comes again", settings)
        _come_again(settings, message, BUSY_SECONDS)
        return {"batchItemFailures": [{"itemIdentifier": message["messageId"]}]}
    except Exception:
        _come_again(settings, message, RETRY_SECONDS)
        raise
    log(done, settings)
    return {"batchItemFailures": []}


def follow(settings: Settings, token: str) -> str:
    """What was done about an event.

    Raises:
        StackBusyError: If the stack cannot be updated now.
    """
    if not serves_what_is_approved(settings):
        return "left as it is: what is approved does not serve"
    cloudformation = boto3.client("cloudformation")
    if refresh(cloudformation, settings.stack_name, settings.stack_role_arn, token):
        return "refreshed"
    return "up to date"


def log(message: str, settings: Settings) -> None:
    """A line of JSON in the function's log."""
    print(json.dumps({"message": message, "stack": settings.stack_name}))


def _come_again(settings: Settings, message: Mapping[str, Any], seconds: int) -> None:
    """Sooner than the queue would give the message out again by itself."""
    boto3.client("sqs").change_message_visibility(
        QueueUrl=settings.queue_url,
        ReceiptHandle=message["receiptHandle"],
        VisibilityTimeout=seconds,
    )


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
