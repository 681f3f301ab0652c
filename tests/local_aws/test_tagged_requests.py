"""Creations with tags need the right to tag."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

Client = Callable[[str], Any]


@pytest.mark.parametrize(
    ("service", "method", "arguments", "action", "also"),
    [
        ("sqs", "create_queue", {"QueueName": "N", "tags": {"a": "b"}}, "CreateQueue", "TagQueue"),
        (
            "sns",
            "create_topic",
            {"Name": "N", "Tags": [{"Key": "a", "Value": "b"}]},
            "CreateTopic",
            "TagResource",
        ),
        (
            "ssm",
            "put_parameter",
            {"Name": "/N", "Value": "v", "Type": "String", "Tags": [{"Key": "a", "Value": "b"}]},
            "PutParameter",
            "AddTagsToResource",
        ),
        (
            "kinesis",
            "create_stream",
            {"StreamName": "N", "ShardCount": 1, "Tags": {"a": "b"}},
            "CreateStream",
            "AddTagsToStream",
        ),
        (
            "logs",
            "create_log_group",
            {"logGroupName": "N", "tags": {"a": "b"}},
            "CreateLogGroup",
            "TagResource",
        ),
        (
            "kms",
            "create_key",
            {"Tags": [{"TagKey": "a", "TagValue": "b"}]},
            "CreateKey",
            "TagResource",
        ),
        (
            "s3",
            "put_object",
            {"Bucket": "tagged-objects", "Key": "k", "Tagging": "a=b"},
            "PutObject",
            "PutObjectTagging",
        ),
    ],
)
def test_what_is_tagged_when_it_is_made_takes_the_leave_to_tag(
    somebody: Callable[..., Client],
    client: Client,
    service: str,
    method: str,
    arguments: dict[str, Any],
    action: str,
    also: str,
) -> None:
    client("s3").create_bucket(Bucket="tagged-objects")
    name = f"tagged-{uuid.uuid4().hex[:8]}"
    given = {
        key: value.replace("N", name) if isinstance(value, str) else value
        for key, value in arguments.items()
    }
    with pytest.raises(ClientError, match=r"AccessDenied|AuthorizationError") as refused:
        getattr(somebody((f"{service}:{action}", "*"))(service), method)(**given)
    assert also in str(refused.value) or service == "s3"
    may = ([f"{service}:{action}", f"{service}:{also}", "kms:PutKeyPolicy"], "*")
    getattr(somebody(may)(service), method)(**given)
