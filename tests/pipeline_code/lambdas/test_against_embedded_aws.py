"""The handlers against services that answer, where a scripted answer would prove too little."""

import json
from typing import Any

import boto3
import pytest
from build_image import handler as build_image
from custom_resource import ResourceResult

from .conftest import Invocation

pytestmark = pytest.mark.usefixtures("connected")


def request(kind: str, **properties: str) -> dict[str, Any]:
    return {"RequestType": kind, "RequestId": "request-1", "ResourceProperties": properties}


def test_an_image_is_built_by_the_project(invocation: Invocation) -> None:
    boto3.client("ecr").create_repository(repositoryName="image")
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "codebuild.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    boto3.client("iam").create_role(
        RoleName="builder", AssumeRolePolicyDocument=json.dumps({"Statement": [trust]})
    )
    actions = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
    logging = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    boto3.client("iam").put_role_policy(
        RoleName="builder",
        PolicyName="logs",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [logging]}),
    )
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
    for _ in range(2):  # Lambda may deliver a request twice
        outcome = build_image.apply(request("Create", **properties), invocation)
        assert outcome == ResourceResult("image:image", {"ImageTag": "0123abcd"})
    (build_id,) = codebuild.list_builds_for_project(projectName="builder")["ids"]
    (build,) = codebuild.batch_get_builds(ids=[build_id])["builds"]
    variables = build["environment"]["environmentVariables"]
    assert {each["name"]: each["value"] for each in variables} == {
        "IMAGE_TAG": "0123abcd",
        "BUILD_TARGET": "project",
    }
    # The same token for something else is a mistake.
    with pytest.raises(codebuild.exceptions.InvalidInputException, match="do not match"):
        other = properties | {"BuildTarget": "cuda"}
        build_image.apply(request("Create", **other), invocation)
