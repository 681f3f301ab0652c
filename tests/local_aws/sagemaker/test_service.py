"""The front: what is unknown, not supported, not valid or not allowed is said in AWS's terms."""

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local_aws.sagemaker.images import PULL
from tests.local_aws.sagemaker.conftest import IMAGE, allow, unique


def test_an_operation_that_is_not_supported_is_named(client: Callable[[str], Any]) -> None:
    with pytest.raises(ClientError) as error:
        client("sagemaker").list_labeling_jobs()
    answer = error.value.response["Error"]
    assert answer["Code"] == "ValidationException"
    assert "The local SageMaker does not support ListLabelingJobs; supported: " in answer["Message"]
    assert "CreateProcessingJob" in answer["Message"]


def test_a_request_is_checked_like_on_aws(session: boto3.Session) -> None:
    lax = session.client("sagemaker", config=Config(parameter_validation=False))
    with pytest.raises(ClientError) as error:
        lax.create_model_package_group(ModelPackageGroupName="x", Tags=[{"Key": "a"}])
    assert error.value.response["Error"]["Message"] == (
        '1 validation error detected: Missing required parameter in Tags[0]: "Value"'
    )
    with pytest.raises(ClientError) as error:
        lax.list_model_packages(MaxResults=101, NameContains="a b")
    message = error.value.response["Error"]["Message"]
    assert message.startswith("2 validation errors detected: Value '101' at 'maxResults' failed")
    assert "Member must have value less than or equal to 100" in message
    assert "Value 'a b' at 'nameContains' failed to satisfy constraint" in message


def test_an_enumeration_is_checked(client: Callable[[str], Any]) -> None:
    with pytest.raises(ClientError) as error:
        client("sagemaker").list_model_packages(SortOrder="Up")
    assert error.value.response["Error"]["Message"] == (
        "1 validation error detected: Value 'Up' at 'sortOrder' failed to satisfy constraint: "
        "Member must satisfy enum value set: [Ascending, Descending]"
    )


def test_a_wrong_page_token_is_refused(client: Callable[[str], Any]) -> None:
    with pytest.raises(ClientError, match="NextToken must be what the last answer gave"):
        client("sagemaker").list_pipelines(NextToken="nonsense")


def test_policies_hold_for_each_resource(
    client: Callable[[str], Any], assume: Callable[..., Any]
) -> None:
    mine, other = unique("mine"), unique("other")
    for name in (mine, other):
        client("sagemaker").create_model_package_group(ModelPackageGroupName=name)
    limited = assume(
        allow(
            ["sagemaker:DescribeModelPackageGroup"],
            f"arn:aws:sagemaker:us-east-1:000000000000:model-package-group/{mine}",
        )
    )
    assert limited.describe_model_package_group(ModelPackageGroupName=mine)
    with pytest.raises(ClientError) as error:
        limited.describe_model_package_group(ModelPackageGroupName=other)
    assert error.value.response["Error"]["Code"] == "AccessDeniedException"
    assert "sagemaker:DescribeModelPackageGroup" in error.value.response["Error"]["Message"]


def test_registering_needs_the_right_to_the_version(
    client: Callable[[str], Any], assume: Callable[..., Any]
) -> None:
    group = unique("group")
    client("sagemaker").create_model_package_group(ModelPackageGroupName=group)
    packages = f"arn:aws:sagemaker:us-east-1:000000000000:model-package/{group}/*"
    artifact = allow(["s3:GetObject"], "arn:aws:s3:::models/m.tar.gz")
    pulled = allow([*PULL, "ecr:GetAuthorizationToken"], "*")
    limited = assume(allow(["sagemaker:CreateModelPackage"], packages), artifact, pulled)
    specification = {
        "Containers": [{"Image": IMAGE, "ModelDataUrl": "s3://models/m.tar.gz"}],
        "SupportedContentTypes": ["text/csv"],
        "SupportedResponseMIMETypes": ["text/csv"],
    }
    request = {"ModelPackageGroupName": group, "InferenceSpecification": specification}
    assert limited.create_model_package(**request)["ModelPackageArn"].endswith(f"{group}/1")
    with pytest.raises(ClientError, match="not authorized"):
        assume(allow(["sagemaker:CreateModelPackage"], packages + "x")).create_model_package(
            **request
        )


@pytest.mark.parametrize("status", ["Approved", "PendingManualApproval", None])
def test_who_may_reject_may_do_nothing_else_to_a_version(
    client: Callable[[str], Any], assume: Callable[..., Any], status: str | None
) -> None:
    """sagemaker:ModelApprovalStatus is a key of both (Service Authorization Reference)."""
    group = unique("group")
    client("sagemaker").create_model_package_group(ModelPackageGroupName=group)
    arn = client("sagemaker").create_model_package(ModelPackageGroupName=group)["ModelPackageArn"]
    actions = ["sagemaker:CreateModelPackage", "sagemaker:UpdateModelPackage"]
    rejecting = allow(actions, "*")
    rejecting["Condition"] = {"StringEquals": {"sagemaker:ModelApprovalStatus": "Rejected"}}
    sagemaker = assume(rejecting)
    given = {} if status is None else {"ModelApprovalStatus": status}
    with pytest.raises(ClientError, match="not authorized to perform: sagemaker:UpdateModelPacka"):
        sagemaker.update_model_package(
            ModelPackageArn=arn, CustomerMetadataProperties={"a": "b"}, **given
        )
    with pytest.raises(ClientError, match="not authorized to perform: sagemaker:CreateModelPacka"):
        sagemaker.create_model_package(ModelPackageGroupName=group, **given)
    sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Rejected")


def test_a_role_must_be_passable(assume: Callable[..., Any], job_role: str) -> None:
    limited = assume(allow(["sagemaker:*"], "*"))
    with pytest.raises(ClientError) as error:
        limited.create_processing_job(
            ProcessingJobName=unique("job"),
            RoleArn=job_role,
            AppSpecification={"ImageUri": IMAGE},
            ProcessingResources={
                "ClusterConfig": {
                    "InstanceCount": 1,
                    "InstanceType": "ml.m5.large",
                    "VolumeSizeInGB": 1,
                }
            },
        )
    answer = error.value.response["Error"]
    assert answer["Code"] == "AccessDeniedException"
    assert (
        f"is not authorized to perform: iam:PassRole on resource: {job_role}" in answer["Message"]
    )
