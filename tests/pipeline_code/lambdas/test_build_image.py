"""An image is built if it is not there, and the deployment waits for it."""

from typing import Any

import pytest
from botocore.exceptions import ClientError
from build_image import handler

from .conftest import Answers, Aws, Invocation

PROPERTIES = {
    "ProjectName": "builder",
    "RepositoryName": "image",
    "ImageTag": "0123abcd",
    "BuildTarget": "spark",
}


def request(kind: str, **fields: object) -> dict[str, Any]:
    return {
        "RequestType": kind,
        "ResponseURL": "http://127.0.0.1/",
        "StackId": "stack",
        "RequestId": "request-1",
        "LogicalResourceId": "Image",
        "ResourceProperties": PROPERTIES,
        **fields,
    }


def build(status: str) -> dict[str, Any]:
    return {"id": "builder:7", "buildStatus": status, "currentPhase": "POST_BUILD"}


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    taken: list[float] = []
    monkeypatch.setattr(handler.time, "sleep", taken.append)
    return taken


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_it_waits_for_the_build(
    aws: Aws, invocation: Invocation, pauses: list[float], kind: str
) -> None:
    aws.refuses("ecr", "describe_images", "ImageNotFoundException")
    aws.answers("codebuild", "start_build", {"build": build("IN_PROGRESS")})
    aws.answers("codebuild", "batch_get_builds", {"builds": [build("IN_PROGRESS")]})
    aws.answers("codebuild", "batch_get_builds", {"builds": [build("SUCCEEDED")]})
    outcome = handler.apply(request(kind, PhysicalResourceId="image:image"), invocation)
    assert outcome.physical_resource_id == "image:image"
    assert outcome.data == {"ImageTag": "0123abcd"}
    started = aws.request("StartBuild")
    assert started["projectName"] == "builder"
    assert started["idempotencyToken"] == "request-1"
    assert started["environmentVariablesOverride"] == [
        {"name": "IMAGE_TAG", "value": "0123abcd", "type": "PLAINTEXT"},
        {"name": "BUILD_TARGET", "value": "spark", "type": "PLAINTEXT"},
    ]
    assert pauses == [0.25, 0.5]


def test_an_image_that_is_there_is_not_built_again(aws: Aws, invocation: Invocation) -> None:
    aws.answers("ecr", "describe_images", {"imageDetails": [{}]})
    outcome = handler.apply(request("Update", PhysicalResourceId="image:image"), invocation)
    assert outcome.data == {"ImageTag": "0123abcd"}
    assert aws.names() == ["DescribeImages"]


def test_a_failed_build_says_which_and_where(
    aws: Aws, invocation: Invocation, answers: Answers
) -> None:
    aws.refuses("ecr", "describe_images", "ImageNotFoundException")
    aws.answers("codebuild", "start_build", {"build": build("FAILED")})
    handler.handler(request("Create", ResponseURL=answers.url), invocation)
    (response,) = answers.received
    assert response["Status"] == "FAILED"
    assert "build builder:7 ended FAILED in phase POST_BUILD" in response["Reason"]


def test_cloudformation_is_answered_before_time_runs_out(aws: Aws, answers: Answers) -> None:
    aws.refuses("ecr", "describe_images", "ImageNotFoundException")
    aws.answers("codebuild", "start_build", {"build": build("IN_PROGRESS")})
    aws.answers("codebuild", "batch_get_builds", {"builds": [build("IN_PROGRESS")]})
    invocation = Invocation(remaining=[30_000, 15_000])
    handler.handler(request("Create", ResponseURL=answers.url), invocation)
    assert "build builder:7 still runs" in answers.received[0]["Reason"]


def test_a_repository_that_cannot_be_read_is_an_error(aws: Aws, invocation: Invocation) -> None:
    aws.refuses("ecr", "describe_images", "RepositoryNotFoundException")
    with pytest.raises(ClientError, match="RepositoryNotFound"):
        handler.apply(request("Create"), invocation)


def test_deletion_leaves_the_images_to_the_repository(aws: Aws, invocation: Invocation) -> None:
    outcome = handler.apply(request("Delete", PhysicalResourceId="image:image"), invocation)
    assert outcome.physical_resource_id == "image:image"
    assert aws.calls == []
