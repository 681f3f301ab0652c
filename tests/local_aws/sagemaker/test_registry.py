"""The Model Registry through boto3: versions, approval, its event, filters, deletion."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_aws.sagemaker.conftest import IMAGE, unique


@pytest.fixture
def group(client: Callable[[str], Any]) -> str:
    name = unique("fraud")
    client("sagemaker").create_model_package_group(ModelPackageGroupName=name)
    return name


@pytest.fixture
def register(client: Callable[[str], Any], group: str) -> Callable[..., str]:
    """register(**changes): the ARN of a new version of the group."""

    def run(**changes: Any) -> str:
        answer = client("sagemaker").create_model_package(
            ModelPackageGroupName=group,
            InferenceSpecification={
                "Containers": [{"Image": IMAGE, "ModelDataUrl": "s3://models/model.tar.gz"}],
                "SupportedContentTypes": ["application/json"],
                "SupportedResponseMIMETypes": ["application/json"],
            },
            **changes,
        )
        return str(answer["ModelPackageArn"])

    return run


@pytest.fixture
def events(client: Callable[[str], Any], group: str) -> Iterator[Callable[[], list[Any]]]:
    """events(): the package events of the group that a rule like ours has delivered by now."""
    rules, queues, name = client("events"), client("sqs"), unique("rule")
    url = queues.create_queue(QueueName=name)["QueueUrl"]
    attributes = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    pattern = {
        "source": ["aws.sagemaker"],
        "detail-type": ["SageMaker Model Package State Change"],
        "detail": {"ModelPackageGroupName": [group], "ModelApprovalStatus": ["Approved"]},
    }
    rules.put_rule(Name=name, EventPattern=json.dumps(pattern))
    target = {"Id": "queue", "Arn": attributes["Attributes"]["QueueArn"]}
    rules.put_targets(Rule=name, Targets=[target])
    received: list[Any] = []

    def receive() -> list[Any]:
        deadline = time.monotonic() + 10
        while not received and time.monotonic() < deadline:
            answer = queues.receive_message(QueueUrl=url, WaitTimeSeconds=1)
            received.extend(json.loads(item["Body"]) for item in answer.get("Messages", []))
        return received

    yield receive
    rules.remove_targets(Rule=name, Ids=["queue"])
    rules.delete_rule(Name=name)


def test_versions_count_up_and_numbers_are_not_given_again(
    client: Callable[[str], Any], group: str, register: Any
) -> None:
    first, second = register(), register()
    assert first.endswith(f":model-package/{group}/1")
    assert second.endswith(f":model-package/{group}/2")
    client("sagemaker").delete_model_package(ModelPackageName=second)
    assert register().endswith(f":model-package/{group}/3")


def test_a_package_keeps_what_it_was_registered_with(
    client: Callable[[str], Any], group: str, register: Any
) -> None:
    metrics = {
        "ModelQuality": {
            "Statistics": {"ContentType": "application/json", "S3Uri": "s3://models/e.json"}
        }
    }
    arn = register(
        ModelMetrics=metrics,
        DriftCheckBaselines={
            "ModelDataQuality": {
                "Constraints": {"ContentType": "application/json", "S3Uri": "s3://models/c.json"}
            }
        },
        CustomerMetadataProperties={"schema": "v1"},
    )
    package = client("sagemaker").describe_model_package(ModelPackageName=arn)
    assert package["ModelMetrics"] == metrics
    baselines = package["DriftCheckBaselines"]["ModelDataQuality"]
    assert baselines["Constraints"]["S3Uri"] == "s3://models/c.json"
    assert package["CustomerMetadataProperties"] == {"schema": "v1"}
    assert package["ModelApprovalStatus"] == "PendingManualApproval"
    assert package["ModelPackageStatus"] == "Completed"
    assert package["ModelPackageVersion"] == 1
    assert package["ModelPackageGroupName"] == group


def test_approval_is_an_event(client: Callable[[str], Any], register: Any, events: Any) -> None:
    arn = register()
    client("sagemaker").update_model_package(
        ModelPackageArn=arn, ModelApprovalStatus="Approved", ApprovalDescription="looks good"
    )
    (event,) = events()
    assert event["resources"] == [arn]
    detail = event["detail"]
    assert detail["ModelPackageArn"] == arn
    assert detail["ModelPackageVersion"] == 1
    assert detail["ModelApprovalStatus"] == "Approved"
    assert detail["ApprovalDescription"] == "looks good"
    assert detail["InferenceSpecification"]["Containers"][0]["Image"] == IMAGE


def test_the_newest_approved_version_can_be_found(
    client: Callable[[str], Any], group: str, register: Any
) -> None:
    sagemaker = client("sagemaker")
    arns = [register() for _ in range(3)]
    for arn, status in zip(arns, ("Approved", "Approved", "Rejected"), strict=True):
        sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus=status)
    found = sagemaker.list_model_packages(
        ModelPackageGroupName=group,
        ModelApprovalStatus="Approved",
        SortBy="CreationTime",
        SortOrder="Descending",
        MaxResults=1,
    )
    assert [item["ModelPackageArn"] for item in found["ModelPackageSummaryList"]] == [arns[1]]
    assert "NextToken" in found


def test_one_token_registers_once(register: Any) -> None:
    assert register(ClientToken="token-1") == register(ClientToken="token-1")


def test_metadata_can_be_changed(client: Callable[[str], Any], register: Any) -> None:
    sagemaker, arn = client("sagemaker"), register(CustomerMetadataProperties={"a": "1", "b": "2"})
    sagemaker.update_model_package(
        ModelPackageArn=arn,
        CustomerMetadataProperties={"c": "3"},
        CustomerMetadataPropertiesToRemove=["a"],
    )
    package = sagemaker.describe_model_package(ModelPackageName=arn)
    assert package["CustomerMetadataProperties"] == {"b": "2", "c": "3"}


def test_a_group_with_packages_cannot_be_deleted(
    client: Callable[[str], Any], group: str, register: Any
) -> None:
    sagemaker, arn = client("sagemaker"), register()
    with pytest.raises(ClientError, match="while it holds 1 model packages"):
        sagemaker.delete_model_package_group(ModelPackageGroupName=group)
    sagemaker.delete_model_package(ModelPackageName=arn)
    sagemaker.delete_model_package_group(ModelPackageGroupName=group)
    with pytest.raises(ClientError, match="does not exist"):
        sagemaker.describe_model_package_group(ModelPackageGroupName=group)


def test_unknown_packages_are_named(client: Callable[[str], Any], register: Any) -> None:
    sagemaker, known = client("sagemaker"), register()
    absent = known.rpartition("/")[0] + "/99"
    with pytest.raises(ClientError, match=f"ModelPackage {absent} does not exist"):
        sagemaker.update_model_package(ModelPackageArn=absent, ModelApprovalStatus="Approved")
    answer = sagemaker.batch_describe_model_package(ModelPackageArnList=[known, absent])
    assert list(answer["ModelPackageSummaries"]) == [known]
    assert list(answer["BatchDescribeModelPackageErrorMap"]) == [absent]


def test_tags_are_kept(client: Callable[[str], Any]) -> None:
    sagemaker = client("sagemaker")
    arn = sagemaker.create_model_package_group(
        ModelPackageGroupName=unique("tagged"), Tags=[{"Key": "team", "Value": "fraud"}]
    )["ModelPackageGroupArn"]
    sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "stage", "Value": "dev"}])
    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["team"])
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "stage", "Value": "dev"}]
