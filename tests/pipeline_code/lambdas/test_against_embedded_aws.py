"""The handlers against services that answer, where a scripted answer would prove too little."""

import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from random import Random
from typing import Any
from uuid import uuid4

import boto3
import pytest
from build_image import handler as build_image
from deploy_model import handler as deploy_model
from retrain import handler as retrain
from seed_parameter import handler as seed_parameter

from local_aws.server import EmbeddedAws, free_port

from .conftest import Invocation

PARAMETER = "/fraudloop/test/approved-model-package"
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
# Shows what the serving stack does: something is there only if a model is.
TEMPLATE = json.dumps(
    {
        "Parameters": {
            "Model": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": PARAMETER}
        },
        "Conditions": {"IsApproved": {"Fn::Not": [{"Fn::Equals": [{"Ref": "Model"}, "none"]}]}},
        "Resources": {
            "Always": {"Type": "AWS::SNS::Topic"},
            "Endpoint": {
                "Type": "AWS::SSM::Parameter",
                "Condition": "IsApproved",
                "Properties": {"Name": "/serves", "Type": "String", "Value": {"Ref": "Model"}},
            },
        },
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
    return {
        "RequestType": kind,
        "RequestId": "request-1",
        "PhysicalResourceId": PARAMETER,
        "ResourceProperties": properties,
    }


def value() -> str:
    found: str = boto3.client("ssm").get_parameter(Name=PARAMETER)["Parameter"]["Value"]
    return found


def test_seeding_never_resets_and_deletes_in_the_end() -> None:
    ssm = boto3.client("ssm")
    seed_parameter.apply(request("Create", ParameterName=PARAMETER))
    assert value() == "none"
    ssm.put_parameter(Name=PARAMETER, Value="model-7", Overwrite=True)
    for kind in ("Update", "Create"):
        seed_parameter.apply(request(kind, ParameterName=PARAMETER))
        assert value() == "model-7"
    for _ in range(2):
        seed_parameter.apply(request("Delete", ParameterName=PARAMETER))
        assert ssm.get_parameters(Names=[PARAMETER])["Parameters"] == []


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


def registered_package(group: str) -> str:
    container = {"Image": "image:1", "ModelDataUrl": "s3://raw/model.tar.gz"}
    arn: str = boto3.client("sagemaker").create_model_package(
        ModelPackageGroupName=group,
        ModelApprovalStatus="PendingManualApproval",
        InferenceSpecification={
            "Containers": [container],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
    )["ModelPackageArn"]
    return arn


def decide(arn: str, status: str) -> None:
    """As `fraudloop` does: the status with a record of the decision."""
    sagemaker = boto3.client("sagemaker")
    package = sagemaker.describe_model_package(ModelPackageName=arn)
    number = len(package.get("CustomerMetadataProperties", {})) + 1
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    sagemaker.update_model_package(
        ModelPackageArn=arn,
        ModelApprovalStatus=status,
        CustomerMetadataProperties={f"decision_{number:03}": f"{at} {status} by arn: because"},
    )


def approved_package(group: str) -> str:
    arn = registered_package(group)
    decide(arn, "Approved")
    return arn


def at_rest(stack: str) -> dict[str, Any]:
    cloudformation = boto3.client("cloudformation")
    for _ in range(200):
        described: dict[str, Any] = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
        if not described["StackStatus"].endswith("IN_PROGRESS"):
            return described
        time.sleep(0.05)
    raise AssertionError(described)


def serving(monkeypatch: pytest.MonkeyPatch, group: str) -> None:
    """A serving stack at day 0, and a group without packages."""
    monkeypatch.setenv("PARAMETER_NAME", PARAMETER)
    monkeypatch.setenv("STACK_NAME", group)
    monkeypatch.setenv("ARTIFACTS_BUCKET", "artifacts")
    monkeypatch.setattr(deploy_model, "POLL_SECONDS", 0.05)
    boto3.client("sagemaker").create_model_package_group(ModelPackageGroupName=group)
    seed_parameter.apply(request("Delete", ParameterName=PARAMETER))
    seed_parameter.apply(request("Create", ParameterName=PARAMETER))
    template = TEMPLATE.replace("/serves", served_name(group))
    boto3.client("cloudformation").create_stack(StackName=group, TemplateBody=template)
    assert at_rest(group)["StackStatus"] == "CREATE_COMPLETE"


def served_name(group: str) -> str:
    return "/serves" if group == "fraud" else f"/serves-{group}"


def test_each_approval_reaches_the_stack_through_the_parameter(
    invocation: Invocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving(monkeypatch, "fraud")
    ssm = boto3.client("ssm")
    assert ssm.get_parameters(Names=["/serves"])["Parameters"] == []

    first, second = approved_package("fraud"), approved_package("fraud")
    for number, arn in enumerate((first, second)):
        event = {"id": f"event-{number}", "detail": {"ModelPackageArn": arn}}
        assert deploy_model.handler(event, invocation)["deployed"] is True
        assert at_rest("fraud")["StackStatus"] == "UPDATE_COMPLETE"
        assert ssm.get_parameter(Name="/serves")["Parameter"]["Value"] == arn

    again = {"id": "event-1-again", "detail": {"ModelPackageArn": second}}
    assert deploy_model.handler(again, invocation)["reason"] == "stack is up to date"
    late = {"id": "event-0-again", "detail": {"ModelPackageArn": first}}
    assert deploy_model.handler(late, invocation)["reason"] == f"{second} was approved later"
    assert value() == second


@pytest.mark.parametrize("seed", range(6))
def test_whatever_the_order_of_events_the_newest_that_is_approved_is_served(
    monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    random, group = Random(seed), f"group-{uuid4().hex[:8]}"  # noqa: S311 - no secret
    serving(monkeypatch, group)
    packages = [registered_package(group) for _ in range(3)]
    approved: list[str] = []  # the last one last
    waiting: list[str] = []
    for _ in range(10):
        arn, status = random.choice(packages), random.choice(["Approved", "Approved", "Rejected"])
        decide(arn, status)
        approved = [each for each in approved if each != arn]
        approved += [arn] if status == "Approved" else []
        waiting.append(arn)
        if random.random() < 0.3:  # a change that is no decision raises an event, too
            waiting.append(touched(random.choice(packages)))
        # Most events come soon; some are late, some come again, and they overtake each other.
        random.shuffle(waiting)
        waiting = [
            each
            for each in waiting
            if random.random() < 0.3 or not deliver(each) or random.random() < 0.1
        ]
        if approved and not waiting:  # when all events have come, whichever way
            assert value() == approved[-1]
            served = boto3.client("ssm").get_parameter(Name=served_name(group))
            assert served["Parameter"]["Value"] == approved[-1]
    boto3.client("cloudformation").delete_stack(StackName=group)


def touched(arn: str) -> str:
    """Changes what is no decision."""
    boto3.client("sagemaker").update_model_package(
        ModelPackageArn=arn, ApprovalDescription="in other words"
    )
    return arn


def deliver(arn: str) -> bool:
    """Whether the event was handled; else Lambda would deliver it again."""
    event = {"id": uuid4().hex, "detail": {"ModelPackageArn": arn}}
    before = value()
    try:
        deploy_model.handler(event, Invocation())
    except deploy_model.NoApprovedPackageError:
        assert value() == before
        return False
    at_rest(os.environ["STACK_NAME"])
    return True


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
