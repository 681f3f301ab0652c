"""The handlers against services that answer, where a scripted answer would prove too little."""

from typing import Any

import boto3
import pytest
from build_image import handler as build_image

from .conftest import Invocation

pytestmark = pytest.mark.usefixtures("connected")


def request(kind: str, **properties: str) -> dict[str, Any]:
    return {"RequestType": kind, "RequestId": "request-1", "ResourceProperties": properties}


def test_an_image_is_built_by_the_project(invocation: Invocation) -> None:
    boto3.client("ecr").create_repository(repositoryName="image")
    codebuild = boto3.client("codebuild")
    codebuild.create_project(
        name="builder",
        source={"type": "NO_SOURCE", "buildspec": "version: 0.2"},
        artifacts={"type": "NO_ARTIFACTS"},
        environment={
            "type": "LINUX_CONTAINER",
            "image": "standard",
            "computeType": "BUILD_GENERAL1_SMALL",
        },
        serviceRole="arn:aws:iam::000000000000:role/builder",
    )
    properties = {
        "ProjectName": "builder",
        "RepositoryName": "image",
        "ImageTag": "0123abcd",
        "BuildTarget": "project",
    }
    outcome = build_image.apply(request("Create", **properties), invocation)
    assert outcome.data == {"ImageTag": "0123abcd"}
    assert len(codebuild.list_builds_for_project(projectName="builder")["ids"]) == 1
