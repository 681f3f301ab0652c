"""A stack decides its conditions again, once per event, and never in the middle of an update."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from refresh_stack import handler

from .conftest import Aws, Invocation

NAME = "fraudloop-dev-monitoring"
ROLE = "arn:aws:iam::000000000000:role/stack"
ARN = "arn:aws:sagemaker:us-east-1:000000000000:"
PARAMETER = "/fraudloop/dev/approved-model-package"
CAUSE = {"id": "0f3c9c4e-1111-2222-3333-444455556666", "detail": {"EndpointStatus": "IN_SERVICE"}}
MESSAGE = {"messageId": "m", "receiptHandle": "r", "body": json.dumps(CAUSE)}
EVENT = {"Records": [MESSAGE]}
DONE: dict[str, Any] = {"batchItemFailures": []}
AGAIN = {"batchItemFailures": [{"itemIdentifier": "m"}]}
QUEUE = "https://sqs.us-east-1.amazonaws.com/000000000000/events.fifo"


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACK_NAME", NAME)
    monkeypatch.setenv("STACK_ROLE_ARN", ROLE)
    monkeypatch.setenv("ENDPOINT_NAME", "fraudloop-dev-fraud")
    monkeypatch.setenv("PARAMETER_NAME", PARAMETER)
    monkeypatch.setenv("QUEUE_URL", QUEUE)


def approved(aws: Aws, value: str) -> None:
    aws.answers("ssm", "get_parameters", {"Parameters": [{"Name": PARAMETER, "Value": value}]})


def serves(aws: Aws, spelled: str) -> None:
    moment = "2018-04-01T00:00:00Z"
    named = {"EndpointConfigName": "by", "EndpointConfigArn": f"{ARN}endpoint-config/by"}
    variant = {"VariantName": "primary", "ModelName": "model"}
    endpoint = {
        "EndpointName": "e",
        "EndpointArn": f"{ARN}endpoint/e",
        "EndpointStatus": "InService",
    }
    config = {"ProductionVariants": [variant], "CreationTime": moment, **named}
    times = {"CreationTime": moment, "LastModifiedTime": moment}
    aws.answers("sagemaker", "describe_endpoint", endpoint | times | {"EndpointConfigName": "by"})
    aws.answers("sagemaker", "describe_endpoint_config", config)
    container = {"ModelPackageName": f"{ARN}model-package/g/1"}
    model = {"ModelName": "model", "ModelArn": f"{ARN}model/model", "CreationTime": moment}
    told = {"Environment": {"MODEL_PACKAGE": spelled}}
    aws.answers("sagemaker", "describe_model", model | {"PrimaryContainer": container | told})


def described(aws: Aws, status: str, *parameters: str) -> None:
    stack: dict[str, Any] = {
        "StackName": NAME,
        "StackStatus": status,
        "CreationTime": "2018-04-01T00:00:00Z",
        "Parameters": [{"ParameterKey": key, "ParameterValue": "x"} for key in parameters],
    }
    aws.answers("cloudformation", "describe_stacks", {"Stacks": [stack]})


def comes_again(aws: Aws) -> int:
    """After how many seconds the message does."""
    request = aws.request("ChangeMessageVisibility")
    assert (request["QueueUrl"], request["ReceiptHandle"]) == (QUEUE, "r")
    return int(request["VisibilityTimeout"])


def test_template_and_parameters_stay_as_they_are(aws: Aws, invocation: Invocation) -> None:
    approved(aws, "none")
    described(aws, "CREATE_COMPLETE", "ApprovedModelPackage", "BootstrapVersion")
    aws.answers("cloudformation", "update_stack", {"StackId": "id"})
    assert handler.handler(EVENT, invocation) == DONE
    assert aws.request("UpdateStack") == {
        "StackName": NAME,
        "UsePreviousTemplate": True,
        "Parameters": [
            {"ParameterKey": "ApprovedModelPackage", "UsePreviousValue": True},
            {"ParameterKey": "BootstrapVersion", "UsePreviousValue": True},
        ],
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
        "RoleARN": ROLE,
        "ClientRequestToken": CAUSE["id"],
    }


def test_the_stack_follows_what_serves(aws: Aws, invocation: Invocation) -> None:
    approved(aws, "second|image")
    serves(aws, "first|image")  # during a roll-out, and after a roll-back until it is put back
    assert handler.handler(EVENT, invocation) == DONE
    assert "UpdateStack" not in aws.names()
    approved(aws, "first|image")
    serves(aws, "first|image")
    described(aws, "UPDATE_COMPLETE")
    aws.answers("cloudformation", "update_stack", {"StackId": "id"})
    assert handler.handler(EVENT, invocation) == DONE


def test_nothing_to_update_is_fine(aws: Aws, invocation: Invocation) -> None:
    approved(aws, "none")
    described(aws, "UPDATE_COMPLETE")
    message = "No updates are to be performed."
    aws.refuses("cloudformation", "update_stack", "ValidationError", message)
    assert handler.handler(EVENT, invocation) == DONE


def test_a_stack_in_the_middle_of_an_update_is_tried_again_later(
    aws: Aws, invocation: Invocation
) -> None:
    approved(aws, "none")
    described(aws, "UPDATE_IN_PROGRESS")
    aws.answers("sqs", "change_message_visibility", {})
    assert handler.handler(EVENT, invocation) == AGAIN
    assert comes_again(aws) == 10


def test_an_update_that_began_meanwhile_is_tried_again_later(
    aws: Aws, invocation: Invocation
) -> None:
    approved(aws, "none")
    described(aws, "UPDATE_COMPLETE")
    message = "Stack is in UPDATE_IN_PROGRESS state and can not be updated."
    aws.refuses("cloudformation", "update_stack", "ValidationError", message)
    aws.answers("sqs", "change_message_visibility", {})
    assert handler.handler(EVENT, invocation) == AGAIN
    assert comes_again(aws) == 10


def test_any_other_refusal_is_raised(aws: Aws, invocation: Invocation) -> None:
    approved(aws, "none")
    described(aws, "UPDATE_COMPLETE")
    aws.refuses("cloudformation", "update_stack", "AccessDenied", "not you")
    aws.answers("sqs", "change_message_visibility", {})
    with pytest.raises(ClientError, match="not you"):
        handler.handler(EVENT, invocation)
    assert comes_again(aws) == 60
