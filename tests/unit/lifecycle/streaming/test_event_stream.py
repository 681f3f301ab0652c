from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk.assertions import Match, Template

from lifecycle.streaming.event_stream import EventStream, StreamConfig


def define(
    stack: cdk.Stack, key: kms.IKey, *, may_delete_data: bool = False, **config: Any
) -> EventStream:
    return EventStream(
        stack,
        "Events",
        stream_name="test-events",
        encryption_key=key,
        config=StreamConfig(**config),
        may_delete_data=may_delete_data,
    )


def statements(stack: cdk.Stack) -> list[dict[str, Any]]:
    (policy,) = Template.from_stack(stack).find_resources("AWS::IAM::Policy").values()
    found: list[dict[str, Any]] = policy["Properties"]["PolicyDocument"]["Statement"]
    return found


@pytest.fixture
def role(stack: cdk.Stack) -> iam.Role:
    return iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))


def test_records_are_encrypted_under_the_key_and_kept_a_week(
    stack: cdk.Stack, key: kms.IKey
) -> None:
    define(stack, key)
    Template.from_stack(stack).has_resource_properties(
        "AWS::Kinesis::Stream",
        {
            "Name": "test-events",
            "RetentionPeriodHours": 168,
            "StreamEncryption": {
                "EncryptionType": "KMS",
                "KeyId": stack.resolve(key.key_arn),
            },
        },
    )


def test_without_shards_the_stream_follows_the_traffic(stack: cdk.Stack, key: kms.IKey) -> None:
    define(stack, key)
    Template.from_stack(stack).has_resource_properties(
        "AWS::Kinesis::Stream",
        {"StreamModeDetails": {"StreamMode": "ON_DEMAND"}, "ShardCount": Match.absent()},
    )


def test_shards_and_retention_are_as_configured(stack: cdk.Stack, key: kms.IKey) -> None:
    define(stack, key, shards=3, retention_hours=24)
    Template.from_stack(stack).has_resource_properties(
        "AWS::Kinesis::Stream",
        {
            "StreamModeDetails": {"StreamMode": "PROVISIONED"},
            "ShardCount": 3,
            "RetentionPeriodHours": 24,
        },
    )


@pytest.mark.parametrize(
    ("asked", "allowed", "policy"),
    [
        (True, True, "Delete"),
        (True, False, "RetainExceptOnCreate"),
        (False, True, "RetainExceptOnCreate"),
    ],
)
def test_the_stream_goes_with_its_stack_only_if_both_keys_are_turned(
    stack: cdk.Stack, key: kms.IKey, asked: bool, allowed: bool, policy: str
) -> None:
    define(stack, key, may_delete_data=allowed, delete_with_stack=asked)
    Template.from_stack(stack).has_resource("AWS::Kinesis::Stream", {"DeletionPolicy": policy})


def test_a_producer_may_put_and_not_read(stack: cdk.Stack, key: kms.IKey, role: iam.Role) -> None:
    events = define(stack, key)
    events.grant_put(role)
    puts, encrypts = statements(stack)
    assert puts["Action"] == "kinesis:PutRecords"
    assert puts["Resource"] == stack.resolve(events.stream.stream_arn)
    assert encrypts["Action"] == "kms:GenerateDataKey"
    assert "kinesis." in str(encrypts["Condition"]["StringEquals"]["kms:ViaService"])
    assert encrypts["Resource"] == stack.resolve(key.key_arn)


def test_a_consumer_may_read_and_not_put(stack: cdk.Stack, key: kms.IKey, role: iam.Role) -> None:
    events = define(stack, key)
    events.grant_consume(role)
    reads, decrypts = statements(stack)
    assert "kinesis:GetRecords" in reads["Action"]
    assert not any("Put" in action or "*" in action for action in reads["Action"])
    assert reads["Resource"] == stack.resolve(events.stream.stream_arn)
    assert decrypts["Action"] == "kms:Decrypt"
    assert "kinesis." in str(decrypts["Condition"]["StringEquals"]["kms:ViaService"])


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"shards": 0}, r"^shards must be at least 1, got 0; "),
        ({"retention_hours": 23}, r"^retention_hours must be between 24 and 8760, got 23; "),
        ({"retention_hours": 8761}, r"^retention_hours must be between 24 and 8760, got 8761; "),
    ],
)
def test_impossible_streams_are_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StreamConfig(**config)
