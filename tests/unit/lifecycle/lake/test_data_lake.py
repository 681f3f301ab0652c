from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Match, Template

from lifecycle.lake.data_lake import DataLake, DataLakeConfig

# Found by the prefix of its logical ID.
DATA_BUCKETS = ("LakeRaw", "LakeFeatures", "LakeArtifacts", "LakeCaptures")
NewStack = Callable[[], cdk.Stack]
LakeTemplate = Callable[..., Template]
BUCKETS = (*DATA_BUCKETS, "LakeAccessLogs")


@pytest.fixture(scope="module")
def lake_template(new_stack: NewStack) -> LakeTemplate:
    def define(config: DataLakeConfig, *, may_delete_data: bool = False) -> Template:
        stack = new_stack()
        DataLake(stack, "Lake", config=config, may_delete_data=may_delete_data)
        return Template.from_stack(stack)

    return define


@pytest.fixture(scope="module")
def template(lake_template: LakeTemplate) -> Template:
    return lake_template(
        DataLakeConfig(
            raw_archive_days=11,
            capture_days=12,
            superseded_days=13,
            access_log_days=14,
            query_result_days=15,
            checkpoint_days=16,
            batch_work_days=17,
        )
    )


def resource(template: Template, kind: str, prefix: str) -> dict[str, Any]:
    (found,) = (
        body
        for logical_id, body in template.find_resources(kind).items()
        if logical_id.startswith(prefix)
    )
    return dict(found)


def bucket(template: Template, prefix: str) -> dict[str, Any]:
    return dict(resource(template, "AWS::S3::Bucket", prefix)["Properties"])


def rules(template: Template, prefix: str) -> list[dict[str, Any]]:
    return list(bucket(template, prefix)["LifecycleConfiguration"]["Rules"])


@pytest.mark.parametrize("prefix", BUCKETS)
def test_every_bucket_is_versioned_private_and_free_of_access_lists(
    template: Template, prefix: str
) -> None:
    properties = bucket(template, prefix)
    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert properties["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]


@pytest.mark.parametrize("prefix", BUCKETS)
def test_every_bucket_refuses_plain_http_and_old_tls(template: Template, prefix: str) -> None:
    policy = resource(template, "AWS::S3::BucketPolicy", f"{prefix}Policy")
    denials = [
        statement["Condition"]
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Deny" and statement["Action"] == "s3:*"
    ]
    assert {"Bool": {"aws:SecureTransport": "false"}} in denials
    assert {"NumericLessThan": {"s3:TlsVersion": 1.2}} in denials


@pytest.mark.parametrize("prefix", DATA_BUCKETS)
def test_data_is_encrypted_under_the_lakes_key(template: Template, prefix: str) -> None:
    (key_id,) = template.find_resources("AWS::KMS::Key")
    (rule,) = bucket(template, prefix)["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule == {
        "BucketKeyEnabled": True,
        "ServerSideEncryptionByDefault": {
            "KMSMasterKeyID": {"Fn::GetAtt": [key_id, "Arn"]},
            "SSEAlgorithm": "aws:kms",
        },
    }


def test_access_logs_are_encrypted_as_s3_can_deliver_them(template: Template) -> None:
    encryption = bucket(template, "LakeAccessLogs")["BucketEncryption"]
    assert encryption["ServerSideEncryptionConfiguration"] == [
        {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    ]


@pytest.mark.parametrize("prefix", DATA_BUCKETS)
def test_who_reads_data_is_logged(template: Template, prefix: str) -> None:
    logging = bucket(template, prefix)["LoggingConfiguration"]
    assert logging["DestinationBucketName"]["Ref"].startswith("LakeAccessLogs")
    assert logging["LogFilePrefix"] == prefix.removeprefix("Lake").lower() + "/"


def test_the_key_rotates(template: Template) -> None:
    template.has_resource_properties("AWS::KMS::Key", {"EnableKeyRotation": True})


def test_log_groups_of_this_account_may_use_the_key(template: Template) -> None:
    template.has_resource_properties(
        "AWS::KMS::Key",
        {
            "KeyPolicy": {
                "Statement": Match.array_with(
                    [
                        Match.object_like(
                            {
                                "Sid": "LogGroups",
                                "Condition": {
                                    "ArnLike": {
                                        "kms:EncryptionContext:aws:logs:arn": Match.any_value()
                                    }
                                },
                            }
                        )
                    ]
                )
            }
        },
    )


def test_senders_to_encrypted_queues_may_use_the_key_for_this_account(template: Template) -> None:
    template.has_resource_properties(
        "AWS::KMS::Key",
        {
            "KeyPolicy": {
                "Statement": Match.array_with(
                    [
                        {
                            "Sid": "Topics",
                            "Effect": "Allow",
                            "Principal": {"Service": "cloudwatch.amazonaws.com"},
                            "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
                            "Resource": "*",
                            "Condition": {
                                "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
                            },
                        },
                        # EventBridge tells KMS no account.
                        {
                            "Sid": "Queues",
                            "Effect": "Allow",
                            "Principal": {"Service": "events.amazonaws.com"},
                            "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
                            "Resource": "*",
                            "Condition": {
                                "ArnLike": {
                                    "kms:EncryptionContext:aws:sqs:arn": {
                                        "Fn::Join": ["", Match.array_with([":sqs:"])]
                                    }
                                }
                            },
                        },
                    ]
                )
            }
        },
    )


def test_raw_data_is_archived_and_never_expires(template: Template) -> None:
    transitions = [
        rule["Transitions"] for rule in rules(template, "LakeRaw") if "Transitions" in rule
    ]
    assert transitions == [[{"StorageClass": "INTELLIGENT_TIERING", "TransitionInDays": 11}]]
    assert not any("ExpirationInDays" in rule for rule in rules(template, "LakeRaw"))


@pytest.mark.parametrize(("prefix", "days"), [("LakeCaptures", 12), ("LakeAccessLogs", 14)])
def test_captures_and_access_logs_expire(template: Template, prefix: str, days: int) -> None:
    assert {"ExpirationInDays": days, "Status": "Enabled"} in rules(template, prefix)


def test_only_what_is_of_use_for_days_expires_among_artifacts(template: Template) -> None:
    expiring = [rule for rule in rules(template, "LakeArtifacts") if "ExpirationInDays" in rule]
    assert expiring == [
        {"ExpirationInDays": 15, "Prefix": "athena/", "Status": "Enabled"},
        {
            "ExpirationInDays": 16,
            "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
            "Prefix": "checkpoints/",
            "Status": "Enabled",
        },
        {
            "ExpirationInDays": 17,
            "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
            "Prefix": "batch/executions/",
            "Status": "Enabled",
        },
    ]


@pytest.mark.parametrize("prefix", BUCKETS)
def test_superseded_versions_and_broken_uploads_go(template: Template, prefix: str) -> None:
    assert {
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 13},
        "Status": "Enabled",
    } in rules(template, prefix)


@pytest.mark.parametrize("kind", ["AWS::S3::Bucket", "AWS::KMS::Key"])
def test_data_and_key_survive_their_stack(template: Template, kind: str) -> None:
    template.all_resources(kind, {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"})


def test_data_and_key_go_with_the_stack_if_both_keys_are_turned(
    lake_template: LakeTemplate,
) -> None:
    template = lake_template(DataLakeConfig(delete_with_stack=True), may_delete_data=True)
    template.all_resources("AWS::S3::Bucket", {"DeletionPolicy": "Delete"})
    template.all_resources("AWS::KMS::Key", {"DeletionPolicy": "Delete"})
    template.resource_count_is("Custom::S3AutoDeleteObjects", len(BUCKETS))


def test_one_key_alone_deletes_nothing(lake_template: LakeTemplate) -> None:
    template = lake_template(DataLakeConfig(delete_with_stack=True))
    template.all_resources("AWS::S3::Bucket", {"DeletionPolicy": "Retain"})
    template.resource_count_is("Custom::S3AutoDeleteObjects", 0)


@pytest.mark.parametrize(
    "field",
    [
        "raw_archive_days",
        "capture_days",
        "superseded_days",
        "access_log_days",
        "query_result_days",
        "checkpoint_days",
        "batch_work_days",
    ],
)
def test_a_time_below_a_day_is_refused(field: str) -> None:
    fields: dict[str, Any] = {field: 0}
    with pytest.raises(ValueError, match=rf"^{field} must be at least 1, got 0; "):
        DataLakeConfig(**fields)
