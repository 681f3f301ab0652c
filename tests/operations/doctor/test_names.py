"""A name that somebody else has is found before a deployment finds it."""

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from operations.deployment.names import NAMED, name_of
from operations.doctor.checks import Check, Outcome
from operations.doctor.names import names
from operations.target import Target
from pipeline_code.contracts.resources import RESOURCE_TAG
from tests.local_aws.sagemaker.serving import Serving
from tests.operations.doctor.assemblies import write

Make = Callable[..., Target]
FAST = {"Delay": 0.1, "MaxAttempts": 100}


def named(kind: str, name: str) -> dict[str, Any]:
    """A resource as a template has it."""
    value: Any = name
    for each in reversed(NAMED[kind].path):
        value = {each: value}
    return {"Type": kind, "Properties": value, "DeletionPolicy": "Retain"}


def checks(target: Target, folder: Path, kind: str, name: str) -> list[Check]:
    return list(names(target, write(folder, {"Thing": named(kind, name)})))


def pipeline(target: Target, name: str) -> None:
    definition = {"Version": "2020-12-01", "Steps": [{"Name": "F", "Type": "Fail"}]}
    definition["Steps"][0]["Arguments"] = {"ErrorMessage": "no"}  # type: ignore[index]
    role = Serving.make(target.client).role
    target.client("sagemaker").create_pipeline(
        PipelineName=name,
        PipelineDefinition=json.dumps(definition),
        RoleArn=role,
        ClientRequestToken=uuid.uuid4().hex,
    )


def endpoint(target: Target, name: str) -> None:
    serving = Serving.make(target.client)
    config = serving.config(serving.model())
    target.client("sagemaker").create_endpoint(EndpointName=name, EndpointConfigName=config)


TAKE: dict[str, Callable[[Target, str], object]] = {
    "AWS::Athena::WorkGroup": lambda t, n: t.client("athena").create_work_group(Name=n),
    "AWS::Glue::Database": lambda t, n: t.client("glue").create_database(DatabaseInput={"Name": n}),
    "AWS::IAM::Role": lambda t, n: t.client("iam").create_role(
        RoleName=n,
        AssumeRolePolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": {
                    "Effect": "Allow",
                    "Action": "sts:AssumeRole",
                    "Principal": {"Service": "lambda.amazonaws.com"},
                },
            }
        ),
    ),
    "AWS::Kinesis::Stream": lambda t, n: t.client("kinesis").create_stream(
        StreamName=n, ShardCount=1
    ),
    "AWS::Logs::LogGroup": lambda t, n: t.client("logs").create_log_group(logGroupName=n),
    "AWS::SSM::Parameter": lambda t, n: t.client("ssm").put_parameter(
        Name=n, Value="x", Type="String"
    ),
    "AWS::SageMaker::Endpoint": endpoint,
    "AWS::SageMaker::ModelPackageGroup": lambda t, n: t.client(
        "sagemaker"
    ).create_model_package_group(ModelPackageGroupName=n),
    "AWS::SageMaker::Pipeline": pipeline,
}


@pytest.mark.parametrize("kind", sorted(NAMED))
def test_a_name_that_nobody_has_is_free(kind: str, target_with: Make, tmp_path: Path) -> None:
    (found,) = checks(target_with(), tmp_path, kind, f"free{uuid.uuid4().hex[:8]}")
    assert (found.outcome, found.found[:6]) == (Outcome.OK, "1 are ")


@pytest.mark.parametrize("kind", sorted(TAKE))
def test_a_name_that_somebody_has_is_refused(kind: str, target_with: Make, tmp_path: Path) -> None:
    target, name = target_with(), f"taken{uuid.uuid4().hex[:8]}"
    TAKE[kind](target, name)
    # One that begins like it is another.
    (free,) = checks(target, tmp_path, kind, name[:-1])
    (found,) = checks(target, tmp_path, kind, name)
    assert free.outcome is Outcome.OK
    assert (found.outcome, found.subject) == (Outcome.REFUSED, f"{kind} {name}")
    assert "delete it if nobody needs it" in found.advice


@pytest.fixture
def stack(target_with: Make) -> Iterator[tuple[str, str]]:
    """A deployed stack with a stream: its name, and the stream's."""
    name = f"names{uuid.uuid4().hex[:8]}"
    cloudformation = target_with().client("cloudformation")
    template = {"Resources": {"Thing": named("AWS::Kinesis::Stream", name)}}
    template["Resources"]["Thing"]["Properties"]["ShardCount"] = 1
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(template))
    cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig=FAST)
    yield name, name
    with suppress(ClientError):
        cloudformation.delete_stack(StackName=name)


def test_a_name_of_the_environments_own_is_no_obstacle(
    stack: tuple[str, str], target_with: Make, tmp_path: Path
) -> None:
    stack_name, name = stack
    resources = {"Thing": named("AWS::Kinesis::Stream", name)}
    (own,) = names(target_with(), write(tmp_path, resources, stack=stack_name))
    (foreign,) = names(target_with(), write(tmp_path, resources))
    assert own.outcome is Outcome.OK
    assert foreign.outcome is Outcome.REFUSED
    assert f"the tag {RESOURCE_TAG}=fraudloop-none/Thing" in foreign.advice


def test_what_an_earlier_deployment_left_is_adopted(target_with: Make, tmp_path: Path) -> None:
    target, name = target_with(), f"left{uuid.uuid4().hex[:8]}"
    target.client("kinesis").create_stream(
        StreamName=name, ShardCount=1, Tags={RESOURCE_TAG: f"{name}/Thing"}
    )
    resources = {"Thing": named("AWS::Kinesis::Stream", name)}
    (found,) = names(target, write(tmp_path, resources, stack=name))
    assert found.outcome is Outcome.OK


def test_a_name_may_end_with_the_region() -> None:
    role = named("AWS::IAM::Role", "x")
    role["Properties"]["RoleName"] = {"Fn::Join": ["", ["store-", {"Ref": "AWS::Region"}]]}
    assert name_of(role, "eu-west-1") == "store-eu-west-1"
    role["Properties"]["RoleName"] = {"Fn::Join": ["", ["store-", {"Ref": "Other"}]]}
    assert name_of(role, "eu-west-1") is None
