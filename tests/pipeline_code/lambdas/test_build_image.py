"""An image is built if it is not there, and the deployment waits for it."""

import json
from types import SimpleNamespace
from typing import Any

import lifecycle  # noqa: F401  # first: it tells jsii which node to start when aws_cdk is imported

# isort: split
import pytest
from botocore.exceptions import ClientError
from build_image import handler
from custom_resource import ResourceResult

from lifecycle.image.container_image import INVOCATION_LIMIT, SERVICE_LIMIT
from lifecycle.image.image_build import BUILD_LIMIT, QUEUE_LIMIT

from .conftest import Answers, Aws, Invocation

NOW = 1_522_540_800.0
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


def build(status: str, **fields: object) -> dict[str, Any]:
    return {
        "id": "builder:7",
        "buildStatus": status,
        "currentPhase": "BUILD" if status == "IN_PROGRESS" else "COMPLETED",
        "logs": {"groupName": "builds", "streamName": "7"},
        **fields,
    }


def of_tag(tag: str) -> dict[str, Any]:
    return {
        "type": "LINUX_CONTAINER",
        "image": "standard",
        "computeType": "BUILD_GENERAL1_MEDIUM",
        "environmentVariables": [{"name": "IMAGE_TAG", "value": tag, "type": "PLAINTEXT"}],
    }


def no_image(aws: Aws) -> None:
    aws.refuses("ecr", "describe_images", "ImageNotFoundException")


def builds(aws: Aws, *found: dict[str, Any]) -> None:
    aws.answers("codebuild", "batch_get_builds", {"builds": list(found)} if found else {})


def listed(aws: Aws, *found: dict[str, Any]) -> None:
    ids = [each["id"] for each in found]
    aws.answers("codebuild", "list_builds_for_project", {"ids": ids} if ids else {})
    if ids:
        builds(aws, *found)


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long it waited each time; its clock stands still meanwhile."""
    taken: list[float] = []
    clock = SimpleNamespace(sleep=taken.append, time=lambda: NOW)
    monkeypatch.setattr(handler, "time", clock)
    return taken


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_it_waits_for_the_build(
    aws: Aws, invocation: Invocation, pauses: list[float], kind: str
) -> None:
    no_image(aws)
    listed(aws)
    aws.answers("codebuild", "start_build", {"build": build("IN_PROGRESS")})
    builds(aws)  # not known everywhere yet
    builds(aws, build("IN_PROGRESS"))
    builds(aws, build("SUCCEEDED"))
    outcome = handler.apply(request(kind, PhysicalResourceId="image:image"), invocation)
    assert outcome == ResourceResult("image:image", {"ImageTag": "0123abcd"})
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
    assert outcome == ResourceResult("image:image", {"ImageTag": "0123abcd"})
    assert aws.names() == ["DescribeImages"]


def test_a_build_of_the_image_that_runs_already_is_waited_for(
    aws: Aws, invocation: Invocation
) -> None:
    no_image(aws)
    listed(
        aws,
        build("IN_PROGRESS", id="builder:9", environment=of_tag("0123abcd-cuda")),
        build("FAILED", id="builder:8", environment=of_tag("0123abcd")),
        build("IN_PROGRESS", id="builder:6", environment=of_tag("0123abcd")),
    )
    builds(aws, build("SUCCEEDED", id="builder:6"))
    assert handler.apply(request("Create"), invocation) is not None
    assert aws.calls[-1] == ("BatchGetBuilds", {"ids": ["builder:6"]})
    assert "StartBuild" not in aws.names()


def test_a_build_that_outlasts_an_invocation_is_waited_for_by_the_next(
    aws: Aws, answers: Answers
) -> None:
    no_image(aws)
    listed(aws)
    aws.answers("codebuild", "start_build", {"build": build("IN_PROGRESS")})
    builds(aws, build("IN_PROGRESS"))
    builds(aws, build("IN_PROGRESS"))
    aws.answers("lambda", "invoke", {"StatusCode": 202})
    first = Invocation(remaining=[30_000, 15_000])
    handler.handler(request("Create", ResponseURL=answers.url), first)
    assert answers.received == []
    again = aws.request("Invoke")
    assert again["InvocationType"] == "Event"
    assert again["FunctionName"] == first.invoked_function_arn

    builds(aws, build("SUCCEEDED"))
    handler.handler(json.loads(again["Payload"]), Invocation())
    assert [response["Status"] for response in answers.received] == ["SUCCESS"]
    assert aws.names().count("StartBuild") == 1


def test_a_build_that_hangs_is_told_before_cloudformation_gives_up(
    aws: Aws, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    builds(aws, build("IN_PROGRESS"))
    waiting = {"BuildId": "builder:7", "Until": NOW - 1}
    handler.handler(request("Create", ResponseURL=answers.url, Awaited=waiting), Invocation())
    (response,) = answers.received
    assert response["Status"] == "FAILED"
    assert "build builder:7 still runs in phase BUILD" in response["Reason"]
    assert "log group builds, stream 7" in response["Reason"]


def test_codebuild_ends_a_build_before_that() -> None:
    longest = BUILD_LIMIT.to_seconds() + QUEUE_LIMIT.to_seconds()
    assert longest < handler.PATIENCE_SECONDS < SERVICE_LIMIT.to_seconds() == 3600
    # So many invocations are no loop to Lambda, which stops one after about 16.
    assert SERVICE_LIMIT.to_seconds() / (INVOCATION_LIMIT.to_seconds() - 20) < 5


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "FAULT", "STOPPED"])
def test_a_failed_build_says_which_where_and_why(aws: Aws, answers: Answers, status: str) -> None:
    phases = [
        {"phaseType": "SUBMITTED", "phaseStatus": "SUCCEEDED"},
        {
            "phaseType": "BUILD",
            "phaseStatus": status,
            "contexts": [{"message": "Error while executing command: docker build"}],
        },
        {"phaseType": "COMPLETED"},
    ]
    builds(aws, build(status, phases=phases))
    no_image(aws)
    waiting = {"BuildId": "builder:7", "Until": NOW + 1}
    handler.handler(request("Create", ResponseURL=answers.url, Awaited=waiting), Invocation())
    (response,) = answers.received
    assert response["Status"] == "FAILED"
    assert (
        f"build builder:7 ended {status} in phase BUILD: Error while executing command: docker "
        "build (log group builds, stream 7)"
    ) in response["Reason"]


def test_a_build_that_came_second_has_failed_for_no_harm(aws: Aws, invocation: Invocation) -> None:
    """Tags are immutable: what another build has pushed, it cannot push."""
    builds(aws, build("FAILED"))
    aws.answers("ecr", "describe_images", {"imageDetails": [{}]})
    waiting = {"BuildId": "builder:7", "Until": NOW + 1}
    assert handler.apply(request("Update", Awaited=waiting), invocation) is not None


def test_a_repository_that_cannot_be_read_is_an_error(aws: Aws, invocation: Invocation) -> None:
    aws.refuses("ecr", "describe_images", "RepositoryNotFoundException")
    with pytest.raises(ClientError, match="RepositoryNotFound"):
        handler.apply(request("Create"), invocation)


def test_deletion_leaves_the_images_to_the_repository(aws: Aws, invocation: Invocation) -> None:
    outcome = handler.apply(request("Delete", PhysicalResourceId="image:image"), invocation)
    assert outcome == ResourceResult("image:image")
    assert aws.calls == []
