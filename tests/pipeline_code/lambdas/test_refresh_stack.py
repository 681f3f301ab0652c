"""A stack decides its conditions again, once per event, and never in the middle of an update."""

from typing import Any

import pytest
from botocore.exceptions import ClientError
from refresh_stack import handler

from .conftest import Aws, Invocation

NAME = "fraudloop-dev-monitoring"
ROLE = "arn:aws:iam::000000000000:role/stack"
EVENT = {"id": "0f3c9c4e-1111-2222-3333-444455556666", "detail": {"EndpointStatus": "IN_SERVICE"}}


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACK_NAME", NAME)
    monkeypatch.setenv("STACK_ROLE_ARN", ROLE)


def described(aws: Aws, status: str, *parameters: str) -> None:
    stack: dict[str, Any] = {
        "StackName": NAME,
        "StackStatus": status,
        "CreationTime": "2018-04-01T00:00:00Z",
        "Parameters": [{"ParameterKey": key, "ParameterValue": "x"} for key in parameters],
    }
    aws.answers("cloudformation", "describe_stacks", {"Stacks": [stack]})


def test_template_and_parameters_stay_as_they_are(aws: Aws, invocation: Invocation) -> None:
    described(aws, "CREATE_COMPLETE", "ApprovedModelPackage", "BootstrapVersion")
    aws.answers("cloudformation", "update_stack", {"StackId": "id"})
    assert handler.handler(EVENT, invocation) == {"updated": True}
    assert aws.request("UpdateStack") == {
        "StackName": NAME,
        "UsePreviousTemplate": True,
        "Parameters": [
            {"ParameterKey": "ApprovedModelPackage", "UsePreviousValue": True},
            {"ParameterKey": "BootstrapVersion", "UsePreviousValue": True},
        ],
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
        "RoleARN": ROLE,
        "ClientRequestToken": EVENT["id"],
    }


def test_nothing_to_update_is_fine(aws: Aws, invocation: Invocation) -> None:
    described(aws, "UPDATE_COMPLETE")
    message = "No updates are to be performed."
    aws.refuses("cloudformation", "update_stack", "ValidationError", message)
    assert handler.handler(EVENT, invocation) == {"updated": False}


def test_a_stack_in_the_middle_of_an_update_is_tried_again_later(
    aws: Aws, invocation: Invocation
) -> None:
    described(aws, "UPDATE_IN_PROGRESS")
    with pytest.raises(handler.StackBusyError, match=f"{NAME} is UPDATE_IN_PROGRESS"):
        handler.handler(EVENT, invocation)


def test_an_update_that_began_meanwhile_is_tried_again_later(
    aws: Aws, invocation: Invocation
) -> None:
    described(aws, "UPDATE_COMPLETE")
    message = "Stack is in UPDATE_IN_PROGRESS state and can not be updated."
    aws.refuses("cloudformation", "update_stack", "ValidationError", message)
    with pytest.raises(handler.StackBusyError, match="is being updated"):
        handler.handler(EVENT, invocation)


def test_any_other_refusal_is_raised(aws: Aws, invocation: Invocation) -> None:
    described(aws, "UPDATE_COMPLETE")
    aws.refuses("cloudformation", "update_stack", "AccessDenied", "not you")
    with pytest.raises(ClientError, match="not you"):
        handler.handler(EVENT, invocation)
