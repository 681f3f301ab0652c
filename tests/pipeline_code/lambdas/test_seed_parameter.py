"""The parameter is created once, and its value never touched again."""

from typing import Any

import pytest
from botocore.exceptions import ClientError
from seed_parameter import handler

from .conftest import Answers, Aws, Invocation

NAME = "/fraudloop/dev/approved-model-package"


def request(kind: str, **fields: object) -> dict[str, Any]:
    return {
        "RequestType": kind,
        "ResponseURL": "http://127.0.0.1/",
        "StackId": "stack",
        "RequestId": "request-1",
        "LogicalResourceId": "Seed",
        "ResourceProperties": {"ParameterName": NAME},
        **fields,
    }


def test_creation_says_none(aws: Aws) -> None:
    aws.answers("ssm", "put_parameter", {})
    outcome = handler.apply(request("Create"))
    assert outcome.physical_resource_id == NAME
    assert outcome.data == {"ParameterName": NAME}
    asked = aws.request("PutParameter")
    assert (asked["Name"], asked["Value"], asked["Overwrite"]) == (NAME, "none", False)


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_a_value_that_is_there_stays(aws: Aws, kind: str) -> None:
    aws.refuses("ssm", "put_parameter", "ParameterAlreadyExists")
    outcome = handler.apply(request(kind, PhysicalResourceId=NAME))
    assert outcome.physical_resource_id == NAME
    assert aws.names() == ["PutParameter"]
    assert aws.request("PutParameter")["Overwrite"] is False


def test_another_refusal_is_not_swallowed(aws: Aws) -> None:
    aws.refuses("ssm", "put_parameter", "AccessDeniedException", "no")
    with pytest.raises(ClientError, match="AccessDenied"):
        handler.apply(request("Create"))


def stack(aws: Aws, status: str) -> None:
    found = {"StackName": "training", "StackStatus": status, "CreationTime": "2018-04-01T00:00:00Z"}
    aws.answers("cloudformation", "describe_stacks", {"Stacks": [found]})


@pytest.mark.parametrize("status", ["DELETE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS"])
def test_the_parameter_goes_with_its_stack(aws: Aws, status: str) -> None:
    stack(aws, status)
    aws.answers("ssm", "delete_parameter", {})
    assert handler.apply(request("Delete", PhysicalResourceId=NAME)).physical_resource_id == NAME
    assert aws.request("DeleteParameter") == {"Name": NAME}


def test_a_parameter_that_is_gone_already_is_deleted(aws: Aws) -> None:
    stack(aws, "DELETE_IN_PROGRESS")
    aws.refuses("ssm", "delete_parameter", "ParameterNotFound")
    handler.apply(request("Delete", PhysicalResourceId=NAME))
    assert "DeleteParameter" in aws.names()


def test_an_update_that_drops_the_resource_leaves_the_parameter(aws: Aws) -> None:
    stack(aws, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
    assert handler.apply(request("Delete", PhysicalResourceId=NAME)).physical_resource_id == NAME
    assert aws.names() == ["DescribeStacks"]


def test_the_clean_up_of_a_failed_creation_deletes_nothing(aws: Aws) -> None:
    made_up = "not-created-request-1"
    outcome = handler.apply(request("Delete", PhysicalResourceId=made_up))
    assert outcome.physical_resource_id == made_up
    assert aws.calls == []


def test_the_handler_answers_cloudformation(
    aws: Aws, answers: Answers, invocation: Invocation
) -> None:
    aws.refuses("ssm", "put_parameter", "AccessDeniedException", "no")
    handler.handler(request("Create", ResponseURL=answers.url), invocation)
    (response,) = answers.received
    assert response["Status"] == "FAILED"
    assert "AccessDeniedException" in response["Reason"]
