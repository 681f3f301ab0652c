"""The handlers against services that answer, where a scripted answer would prove too little."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from build_image import handler as build_image
from retrain import handler as retrain

from local_aws.server import EmbeddedAws, free_port

from .conftest import Invocation

PIPELINE = json.dumps(
    {
        "Version": "2020-12-01",
        "Parameters": [
            {"Name": name, "Type": "String", "DefaultValue": "none"}
            for name in ("TriggerReason", "DataVersion")
        ],
        "Steps": [{"Name": "Stop", "Type": "Fail", "Arguments": {"ErrorMessage": "stopped"}}],
    }
)
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sagemaker.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with EmbeddedAws(tmp_path_factory.mktemp("embedded") / "state", free_port()) as aws:
        yield aws.environment()


@pytest.fixture(autouse=True)
def connected(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The handlers' clients, and the tests', find the embedded AWS as those of a user do."""
    for name, value in environment.items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


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


def test_of_two_events_one_starts_the_pipeline(
    invocation: Invocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIPELINE_NAME", "training")
    monkeypatch.setenv("COOL_DOWN_SECONDS", "3600")
    monkeypatch.setenv("RAW_BUCKET", "raw")
    s3, sagemaker = boto3.client("s3"), boto3.client("sagemaker")
    s3.create_bucket(Bucket="raw")
    s3.put_object(Bucket="raw", Key="transactions/event_date=2018-04-01/part.parquet", Body=b"1")
    role = boto3.client("iam").create_role(RoleName="pipeline", AssumeRolePolicyDocument=TRUST)
    sagemaker.create_pipeline(
        PipelineName="training",
        RoleArn=role["Role"]["Arn"],
        PipelineDefinition=PIPELINE,
        ClientRequestToken="0" * 32,
    )
    event = {"id": "1", "time": "2018-06-01T12:00:00Z", "source": "aws.scheduler"}
    started = [retrain.handler(event, invocation)["started"] for _ in range(2)]
    assert started == [True, False]
    (execution,) = sagemaker.list_pipeline_executions(PipelineName="training")[
        "PipelineExecutionSummaries"
    ]
    given = sagemaker.list_pipeline_parameters_for_execution(
        PipelineExecutionArn=execution["PipelineExecutionArn"]
    )["PipelineParameters"]
    assert {parameter["Name"]: parameter["Value"] for parameter in given} == {
        "TriggerReason": "schedule",
        "DataVersion": retrain.fingerprint(s3, "raw"),
    }
