"""Which roles SageMaker may assume."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_aws.images import PULL
from tests.local_aws.sagemaker.conftest import (
    end,
    unique,
)

from .identities import ARN, CREATIONS, request_of

Trust = Callable[..., str]


@pytest.fixture(scope="module")
def trusting(client: Callable[[str], Any]) -> Trust:
    """trusting(principal, condition): a role with that trust policy, which may pull images."""

    def make(principal: Any, condition: dict[str, Any] | None = None) -> str:
        iam, name = client("iam"), unique("trust")
        statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
        if condition is not None:
            statement["Condition"] = condition
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy)
        may = json.dumps({"Version": "2012-10-17", "Statement": PULL})
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=may)
        return str(role["Role"]["Arn"])

    return make


SAGEMAKER = {"Service": "sagemaker.amazonaws.com"}


@pytest.fixture(
    scope="module",
    params=["missing", "elsewhere", "ec2", "account", "everybody-here", "source-account", "source"],
)
def untrusting(request: pytest.FixtureRequest, trusting: Trust) -> str:
    """A role that SageMaker may not assume here."""
    return {
        "missing": lambda: "arn:aws:iam::000000000000:role/there-is-none",
        "elsewhere": lambda: "arn:aws:iam::111122223333:role/worker",
        "ec2": lambda: trusting({"Service": "ec2.amazonaws.com"}),
        "account": lambda: trusting({"AWS": "arn:aws:iam::000000000000:root"}),
        "everybody-here": lambda: trusting({"AWS": "000000000000"}),
        "source-account": lambda: trusting(
            SAGEMAKER, {"StringEquals": {"aws:SourceAccount": "111122223333"}}
        ),
        "source": lambda: trusting(SAGEMAKER, {"ArnLike": {"aws:SourceArn": f"{ARN}:domain/*"}}),
    }[str(request.param)]()


@pytest.mark.parametrize("creation", CREATIONS, ids=[each[0] for each in CREATIONS])
def test_a_role_must_let_sagemaker_assume_it(
    client: Callable[[str], Any], untrusting: str, creation: tuple[str, str, str, dict[str, Any]]
) -> None:
    with pytest.raises(ClientError) as error:
        client("sagemaker")._make_api_call(creation[0], request_of(creation, untrusting))
    answer = error.value.response["Error"]
    assert answer["Code"] == "ValidationException"
    assert answer["Message"].startswith(
        f"Could not assume role {untrusting}. Please ensure that the role exists and allows "
        "principal 'sagemaker.amazonaws.com' to assume the role."
    )


@pytest.mark.parametrize(
    ("operation", "pattern"),
    [
        ("CreateProcessingJob", "processing-job/*"),
        ("CreateTrainingJob", "training-job/*"),
        ("CreateHyperParameterTuningJob", "training-job/*"),
        ("CreatePipeline", "pipeline/made-*/*"),
        ("CreateModel", "*"),
    ],
)
def test_the_examples_of_sagemakers_guide_let_it_in(
    client: Callable[[str], Any], trusting: Trust, operation: str, pattern: str
) -> None:
    role = trusting(
        SAGEMAKER,
        {
            "ArnLike": {"aws:SourceArn": f"{ARN}:{pattern}"},
            "StringEquals": {"aws:SourceAccount": "000000000000"},
        },
    )
    creation = next(each for each in CREATIONS if each[0] == operation)
    client("sagemaker")._make_api_call(operation, request_of(creation, role))


def test_a_trust_policy_cannot_name_one_model(
    client: Callable[[str], Any], trusting: Trust
) -> None:
    """ "Do not replace the aws:SourceArn in this template with the full ARN of a specific model or
    endpoint" (Developer Guide, "Cross-Service Confused Deputy Prevention").
    """
    creation = next(each for each in CREATIONS if each[0] == "CreateModel")
    role = trusting(SAGEMAKER, {"ArnLike": {"aws:SourceArn": f"{ARN}:model/*"}})
    with pytest.raises(ClientError, match="Could not assume role"):
        client("sagemaker").create_model(**request_of(creation, role))


def test_feature_store_says_nothing_of_a_source(
    client: Callable[[str], Any], trusting: Trust
) -> None:
    creation = next(each for each in CREATIONS if each[0] == "CreateFeatureGroup")
    demanding = trusting(SAGEMAKER, {"StringEquals": {"aws:SourceAccount": "000000000000"}})
    with pytest.raises(ClientError, match="Could not assume role"):
        client("sagemaker").create_feature_group(**request_of(creation, demanding))
    either = trusting(SAGEMAKER, {"StringEqualsIfExists": {"aws:SourceAccount": "000000000000"}})
    assert client("sagemaker").create_feature_group(**request_of(creation, either))


def test_a_pipeline_whose_role_no_longer_trusts_sagemaker_fails(
    client: Callable[[str], Any], trusting: Trust
) -> None:
    sagemaker, role = client("sagemaker"), trusting(SAGEMAKER)
    creation = next(each for each in CREATIONS if each[0] == "CreatePipeline")
    request = request_of(creation, role)
    sagemaker.create_pipeline(**request)
    client("iam").update_assume_role_policy(
        RoleName=role.rpartition("/")[2],
        PolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"Service": "ec2.amazonaws.com"},
                        "Action": "sts:AssumeRole",
                    }
                ],
            }
        ),
    )
    started = sagemaker.start_pipeline_execution(PipelineName=request["PipelineName"])
    ended = end(sagemaker, started["PipelineExecutionArn"])
    assert ended["PipelineExecutionStatus"] == "Failed"
    assert "Could not assume role" in ended["FailureReason"]
    with pytest.raises(ClientError, match="Could not assume role"):
        sagemaker.update_pipeline(PipelineName=request["PipelineName"], RoleArn=role)
