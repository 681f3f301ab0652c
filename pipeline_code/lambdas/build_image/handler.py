"""Custom resource: the container image, built by CodeBuild while the stack is deployed.

So the deployer needs no Docker. The image's tag is the hash of its content: an image that is in the
repository already is not built again.

Contract:
    Properties: `ProjectName` (a CodeBuild project that builds and pushes the image, and reads the
    tag and the Dockerfile's target from its environment variables IMAGE_TAG and BUILD_TARGET),
    `RepositoryName`, `ImageTag`, `BuildTarget`.
    Create and Update: returns when the image is in the repository; a build that fails, or outlasts
    the invocation, fails the deployment with the build's id and phase.
    Delete: nothing; images leave by the repository's lifecycle rules and its own deletion.
    Answers: `PhysicalResourceId` is `image:<RepositoryName>`; `Data.ImageTag`.
    Needs: codebuild:StartBuild and codebuild:BatchGetBuilds on the project, ecr:DescribeImages on
    the repository.
"""

import time
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.exceptions import ClientError

from custom_resource import Context, Outcome, answer

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 8.0
# What must be left of the invocation to answer CloudFormation.
RESERVE_MILLISECONDS = 20_000


class BuildError(Exception):
    """The image could not be built."""


def handler(event: Mapping[str, Any], context: Context) -> None:
    """Lambda's entry."""
    answer(event, context, lambda request: apply(request, context))


def apply(event: Mapping[str, Any], context: Context) -> Outcome:
    """Does what one request of CloudFormation asks for."""
    properties = event["ResourceProperties"]
    repository, tag = properties["RepositoryName"], properties["ImageTag"]
    if event["RequestType"] == "Delete":
        return Outcome(event["PhysicalResourceId"])
    if not _is_there(repository, tag):
        chosen = {"IMAGE_TAG": tag, "BUILD_TARGET": properties["BuildTarget"]}
        _build(properties["ProjectName"], chosen, event["RequestId"], context)
    return Outcome(f"image:{repository}", {"ImageTag": tag})


def _is_there(repository: str, tag: str) -> bool:
    images = [{"imageTag": tag}]
    try:
        found = boto3.client("ecr").describe_images(repositoryName=repository, imageIds=images)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ImageNotFoundException":
            raise
        return False
    return bool(found["imageDetails"])


def _build(project: str, chosen: Mapping[str, str], request_id: str, context: Context) -> None:
    codebuild = boto3.client("codebuild")
    build = codebuild.start_build(
        projectName=project,
        # Lambda may deliver a request twice; the second is to wait for the same build.
        idempotencyToken=request_id,
        environmentVariablesOverride=[
            {"name": name, "value": value, "type": "PLAINTEXT"} for name, value in chosen.items()
        ],
    )["build"]
    pause = FIRST_PAUSE
    while build["buildStatus"] == "IN_PROGRESS":
        if context.get_remaining_time_in_millis() < RESERVE_MILLISECONDS:
            raise BuildError(f"build {build['id']} still runs; deploy again when it has ended")
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
        build = codebuild.batch_get_builds(ids=[build["id"]])["builds"][0]
    if build["buildStatus"] != "SUCCEEDED":
        raise BuildError(
            f"build {build['id']} ended {build['buildStatus']} in phase "
            f"{build.get('currentPhase', 'unknown')}; its log says why"
        )
