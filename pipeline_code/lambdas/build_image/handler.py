"""Custom resource: the container image, built by CodeBuild while the stack is deployed.

So the deployer needs no Docker. The image's tag is the hash of its content: an image that is in the
repository already is not built again.

Contract:
    Properties: `ProjectName` (a CodeBuild project that builds and pushes the image, and reads the
    tag and the Dockerfile's target from its environment variables IMAGE_TAG and BUILD_TARGET),
    `RepositoryName`, `ImageTag`, `BuildTarget`.
    Create and Update: succeeds when the image is in the repository. A build of it that is running
    is waited for, so neither a request that comes twice nor a repeated deployment starts another.
    Where a build outlasts the invocation, the function is invoked again with what it waits for. A
    build that fails, or is not done when CloudFormation's patience ends, fails the deployment with
    the build's id, phase and log.
    Delete: nothing; images leave by the repository's own deletion.
    Answers: `PhysicalResourceId` is `image:<RepositoryName>`; `Data.ImageTag`.
    Needs: codebuild:StartBuild, codebuild:BatchGetBuilds and codebuild:ListBuildsForProject on the
    project, ecr:DescribeImages on the repository, lambda:InvokeFunction on itself.
"""

import json
import time
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.exceptions import ClientError

from custom_resource import Context, ResourceResult, answer

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 8.0
# What must be left of the invocation to hand over, or to answer CloudFormation.
RESERVE_MILLISECONDS = 20_000
# CloudFormation waits an hour for a custom resource, and no longer (ServiceTimeout: 1 to 3600).
PATIENCE_SECONDS = 3600 - 120
# Builds are started one after another: a running one is among the newest.
NEWEST_BUILDS = 20

Build = Mapping[str, Any]


class BuildError(Exception):
    """The image could not be built."""


def handler(event: Mapping[str, Any], context: Context) -> None:
    """Lambda's entry."""
    answer(event, context, lambda request: apply(request, context))


def apply(event: Mapping[str, Any], context: Context) -> ResourceResult | None:
    """Does what one request of CloudFormation asks for; None if another invocation goes on."""
    properties = event["ResourceProperties"]
    repository, tag = properties["RepositoryName"], properties["ImageTag"]
    done = ResourceResult(f"image:{repository}", {"ImageTag": tag})
    if event["RequestType"] == "Delete":
        return ResourceResult(event["PhysicalResourceId"])
    awaited = event.get("Awaited")
    if awaited is None:
        if _is_there(repository, tag):
            return done
        build = _running(properties) or _started(properties, event["RequestId"])
        awaited = {"BuildId": build["id"], "Until": time.time() + PATIENCE_SECONDS}
    ended = _ended(awaited["BuildId"], awaited["Until"], context)
    if ended is None:
        _invoke_again({**event, "Awaited": awaited}, context)
        return None
    # Of two builds of a tag, the second cannot push what the first has pushed.
    if ended["buildStatus"] != "SUCCEEDED" and not _is_there(repository, tag):
        raise BuildError(_failure(ended))
    return done


def _is_there(repository: str, tag: str) -> bool:
    images = [{"imageTag": tag}]
    try:
        found = boto3.client("ecr").describe_images(repositoryName=repository, imageIds=images)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ImageNotFoundException":
            raise
        return False
    return bool(found["imageDetails"])


def _running(properties: Mapping[str, str]) -> Build | None:
    """The build of this tag that is under way, if there is one."""
    codebuild = boto3.client("codebuild")
    listed = codebuild.list_builds_for_project(
        projectName=properties["ProjectName"], sortOrder="DESCENDING"
    ).get("ids")
    if not listed:
        return None
    wanted = {"name": "IMAGE_TAG", "value": properties["ImageTag"], "type": "PLAINTEXT"}
    for build in codebuild.batch_get_builds(ids=listed[:NEWEST_BUILDS])["builds"]:
        variables = build.get("environment", {}).get("environmentVariables", [])
        if build["buildStatus"] == "IN_PROGRESS" and wanted in variables:
            found: Build = build
            return found
    return None


def _started(properties: Mapping[str, str], request_id: str) -> Build:
    chosen = {"IMAGE_TAG": properties["ImageTag"], "BUILD_TARGET": properties["BuildTarget"]}
    build: Build = boto3.client("codebuild").start_build(
        projectName=properties["ProjectName"],
        # Lambda may deliver a request twice, at once even. CodeBuild knows a token for 5 minutes.
        idempotencyToken=request_id,
        environmentVariablesOverride=[
            {"name": name, "value": value, "type": "PLAINTEXT"} for name, value in chosen.items()
        ],
    )["build"]
    return build


def _ended(build_id: str, until: float, context: Context) -> Build | None:
    """The build when it has ended; None when this invocation is about to."""
    codebuild = boto3.client("codebuild")
    pause = FIRST_PAUSE
    while True:
        found = codebuild.batch_get_builds(ids=[build_id]).get("builds")
        # One that was started just now may not be known everywhere yet.
        build: Build = found[0] if found else {"buildStatus": "IN_PROGRESS"}
        if build["buildStatus"] != "IN_PROGRESS":
            return build
        if time.time() > until:
            raise BuildError(
                f"build {build_id} still runs in phase {build.get('currentPhase')} after all the "
                f"time that CloudFormation gives; deploy again to wait for it{_log(build)}"
            )
        if context.get_remaining_time_in_millis() < RESERVE_MILLISECONDS:
            return None
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


def _invoke_again(event: Mapping[str, Any], context: Context) -> None:
    """Asynchronously: Lambda stops no chain of so few (it takes about 16 for a loop)."""
    boto3.client("lambda").invoke(
        FunctionName=context.invoked_function_arn,
        InvocationType="Event",
        Payload=json.dumps(event).encode(),
    )


def _failure(build: Build) -> str:
    """What went wrong: an ended build's current phase is COMPLETED, whatever it died of."""
    broken = [
        phase
        for phase in build.get("phases", [])
        if phase.get("phaseStatus", "SUCCEEDED") != "SUCCEEDED"
        and phase["phaseType"] != "COMPLETED"
    ]
    phase = broken[0] if broken else {}
    told = [context["message"] for context in phase.get("contexts", []) if context.get("message")]
    return (
        f"build {build['id']} ended {build['buildStatus']} in phase "
        f"{phase.get('phaseType', 'unknown')}: {'; '.join(told) or 'no reason given'}{_log(build)}"
    )


def _log(build: Build) -> str:
    logs = build.get("logs", {})
    return f" (log group {logs.get('groupName')}, stream {logs.get('streamName')})"
