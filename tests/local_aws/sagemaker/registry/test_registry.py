"""The Model Registry through boto3: versions, approval, its event, filters, deletion."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_aws.conftest import allow_sending
from tests.local_aws.sagemaker.conftest import IMAGE, allow, unique


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
    """events(): the package events of the group that a rule like ours has delivered by now.

    It waits for the first one; with `more`, for another one.
    """
    rules, queues, name = client("events"), client("sqs"), unique("rule")
    url = queues.create_queue(QueueName=name)["QueueUrl"]
    allow_sending(queues, url, "events.amazonaws.com")
    attributes = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    pattern = {
        "source": ["aws.sagemaker"],
        "detail-type": ["SageMaker Model Package State Change"],
        "detail": {
            "ModelPackageGroupName": [group],
            "ModelApprovalStatus": ["Approved", "Rejected"],
        },
    }
    rules.put_rule(Name=name, EventPattern=json.dumps(pattern))
    target = {"Id": "queue", "Arn": attributes["Attributes"]["QueueArn"]}
    rules.put_targets(Rule=name, Targets=[target])
    received: list[Any] = []

    def receive(*, more: bool = False) -> list[Any]:
        deadline, had = time.monotonic() + 10, len(received) if more else 0
        while len(received) <= had and time.monotonic() < deadline:
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


def test_each_change_of_approval_is_an_event_and_nothing_else(
    client: Callable[[str], Any], register: Any, events: Any, eventually: Any
) -> None:
    arn, sagemaker = register(), client("sagemaker")
    for changes in (
        {"ModelApprovalStatus": "Approved"},
        {"CustomerMetadataProperties": {"reviewed": "yes"}},
        {"ModelApprovalStatus": "Approved"},
        {"ModelCard": {"ModelCardContent": "{}", "ModelCardStatus": "Draft"}},
        {"ModelApprovalStatus": "Rejected", "ApprovalDescription": "worse than the last one"},
        {"ModelApprovalStatus": "Approved"},
    ):
        sagemaker.update_model_package(ModelPackageArn=arn, **changes)
    eventually(lambda: len(events(more=True)) >= 3)
    details = sorted((item["detail"] for item in events()), key=lambda d: d["LastModifiedTime"])
    assert sorted(item["ModelApprovalStatus"] for item in details) == [
        *("Approved", "Approved", "Rejected")
    ]
    (rejected,) = [item for item in details if item["ModelApprovalStatus"] == "Rejected"]
    assert rejected["ApprovalDescription"] == "worse than the last one"
    assert rejected["CustomerMetadataProperties"] == {"reviewed": "yes"}


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


def test_a_package_says_who_made_and_who_changed_it(
    client: Callable[[str], Any],
    session: Any,
    make_role: Callable[..., str],
    register: Any,
) -> None:
    sagemaker, arn = client("sagemaker"), register()
    me = client("sts").get_caller_identity()
    package = sagemaker.describe_model_package(ModelPackageName=arn)
    assert package["CreatedBy"]["IamIdentity"] == {"Arn": me["Arn"], "PrincipalId": me["UserId"]}
    assert "LastModifiedBy" not in package

    role = make_role(allow(["sagemaker:UpdateModelPackage"], arn))
    assumed = client("sts").assume_role(RoleArn=role, RoleSessionName="reviewer")
    keys = assumed["Credentials"]
    reviewer = session.client(
        "sagemaker",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )
    reviewer.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Rejected")
    package = sagemaker.describe_model_package(ModelPackageName=arn)
    assert package["CreatedBy"]["IamIdentity"]["Arn"] == me["Arn"]
    assert package["LastModifiedBy"]["IamIdentity"] == {
        "Arn": assumed["AssumedRoleUser"]["Arn"],
        "PrincipalId": assumed["AssumedRoleUser"]["AssumedRoleId"],
    }


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        ({"k": "x" * 257}, "length less than or equal to 256"),
        ({"k" * 129: "x"}, "length less than or equal to 128"),
        ({f"k{i}": "x" for i in range(51)}, "length less than or equal to 50"),
        ({"k": "0.6 < 0.7"}, "failed to satisfy constraint: Member must satisfy regular"),
        ({"k": "worse, by far"}, "failed to satisfy constraint: Member must satisfy regular"),
    ],
)
def test_metadata_has_limits(register: Any, properties: dict[str, str], message: str) -> None:
    with pytest.raises(ClientError, match=message):
        register(CustomerMetadataProperties=properties)


def test_fifty_properties_are_all_that_a_package_may_have(
    client: Callable[[str], Any], register: Any
) -> None:
    sagemaker = client("sagemaker")
    arn = register(CustomerMetadataProperties={f"k{i}": "ä x/y:z=1+2-3_4.5@6" for i in range(50)})
    with pytest.raises(ClientError, match="must be at most 50 for a model package, got 51"):
        sagemaker.update_model_package(
            ModelPackageArn=arn, CustomerMetadataProperties={"one": "more"}
        )
    package = sagemaker.describe_model_package(ModelPackageName=arn)
    assert len(package["CustomerMetadataProperties"]) == 50
    assert "one" not in package["CustomerMetadataProperties"]
    sagemaker.update_model_package(
        ModelPackageArn=arn,
        CustomerMetadataProperties={"one": "more"},
        CustomerMetadataPropertiesToRemove=["k7", "absent"],
    )
    package = sagemaker.describe_model_package(ModelPackageName=arn)
    assert len(package["CustomerMetadataProperties"]) == 50
    assert package["CustomerMetadataProperties"]["one"] == "more"


CARD = {
    "model_overview": {"model_creator": "fraudloop", "model_artifact": ["s3://models/m.tar.gz"]},
    "intended_uses": {"purpose_of_model": "finds fraud", "risk_rating": "Medium"},
    "training_details": {
        "objective_function": {"function": {"function": "Maximize", "facet": "AUC"}},
        "training_job_details": {
            "training_metrics": [{"name": "average_precision", "value": 0.7}],
            "hyper_parameters": [{"name": "rounds", "value": "40"}],
        },
    },
    "evaluation_details": [
        {
            "name": "test window",
            "metric_groups": [
                {
                    "name": "detection",
                    "metric_data": [
                        {"name": "average_precision", "type": "number", "value": 0.7},
                        {
                            "name": "precision by recall",
                            "type": "linear_graph",
                            "value": [[0, 1], [1, 0]],
                            "x_axis_name": "recall",
                        },
                    ],
                }
            ],
        }
    ],
    "additional_information": {"custom_details": {"gate": "passed"}},
}


def test_a_model_card_is_kept_and_changed(client: Callable[[str], Any], register: Any) -> None:
    sagemaker = client("sagemaker")
    arn = register(ModelCard={"ModelCardContent": json.dumps(CARD), "ModelCardStatus": "Draft"})
    card = sagemaker.describe_model_package(ModelPackageName=arn)["ModelCard"]
    assert json.loads(card["ModelCardContent"]) == CARD
    assert card["ModelCardStatus"] == "Draft"
    short = sagemaker.describe_model_package(ModelPackageName=arn, IncludedData="MetadataOnly")
    assert json.loads(short["ModelCard"]["ModelCardContent"]) == {
        "intended_uses": {"risk_rating": "Medium"}
    }

    sagemaker.update_model_package(ModelPackageArn=arn, ModelCard={"ModelCardStatus": "Archived"})
    card = sagemaker.describe_model_package(ModelPackageName=arn)["ModelCard"]
    assert json.loads(card["ModelCardContent"]) == CARD
    assert card["ModelCardStatus"] == "Archived"
    with pytest.raises(ClientError, match="Model Card is in Archived state"):
        sagemaker.update_model_package(ModelPackageArn=arn, ModelCard={"ModelCardContent": "{}"})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("not JSON", "Invalid JSON"),
        ('{"model_overview": {"model_name": "x"}}', "model_overview.model_name: Extra inputs"),
        ('{"intended_uses": {"risk_rating": "Huge"}}', "intended_uses.risk_rating: Input should"),
        ('{"evaluation_details": [{}]}', "evaluation_details.0.name: Field required"),
    ],
)
def test_a_model_card_follows_its_schema(register: Any, content: str, message: str) -> None:
    with pytest.raises(ClientError, match=message):
        register(ModelCard={"ModelCardContent": content, "ModelCardStatus": "Draft"})


def test_packages_are_listed_in_pages(
    client: Callable[[str], Any], group: str, register: Any
) -> None:
    arns = [register() for _ in range(5)]
    client("sagemaker").update_model_package(
        ModelPackageArn=arns[3], ModelApprovalStatus="Approved"
    )
    pages = client("sagemaker").get_paginator("list_model_packages")

    def listed(**filters: Any) -> list[list[str]]:
        found = pages.paginate(ModelPackageGroupName=group, **filters)
        return [[item["ModelPackageArn"] for item in p["ModelPackageSummaryList"]] for p in found]

    size = {"PageSize": 2}
    assert listed(PaginationConfig=size) == [arns[:2], arns[2:4], arns[4:]]
    assert listed(SortOrder="Descending", PaginationConfig=size)[0] == [arns[4], arns[3]]
    assert listed(ModelApprovalStatus="Approved") == [[arns[3]]]
    assert listed(ModelApprovalStatus="Rejected") == [[]]
    assert listed(CreationTimeAfter=2**33) == [[]]
    summaries = pages.paginate(ModelPackageGroupName=group).build_full_result()
    assert summaries["ModelPackageSummaryList"][3]["ModelApprovalStatus"] == "Approved"


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
