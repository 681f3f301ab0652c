"""Requests for mappings of streams, and stacks with one."""

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_aws.conftest import Queue

from .conftest import Client, Eventually, Make, numbered


def test_a_mapping_is_shown_changed_disabled_and_deleted(
    pipeline: Make, client: Client, eventually: Eventually
) -> None:
    one, lambda_ = pipeline(), client("lambda")
    mapping = one.map(Enabled=False, Tags={"team": "fraud"})
    shown = lambda_.get_event_source_mapping(UUID=mapping)
    assert shown["State"] == "Disabled"
    assert (shown["BatchSize"], shown["MaximumRetryAttempts"]) == (100, -1)
    assert lambda_.list_tags(Resource=shown["EventSourceMappingArn"])["Tags"] == {"team": "fraud"}
    one.put(*numbered(0, 1))
    lambda_.update_event_source_mapping(UUID=mapping, Enabled=True, BatchSize=1)
    eventually(lambda: one.batches() == [[0], [1]])
    (listed,) = lambda_.list_event_source_mappings(EventSourceArn=one.stream_arn)[
        "EventSourceMappings"
    ]
    assert (listed["State"], listed["BatchSize"]) == ("Enabled", 1)
    assert listed["LastProcessingResult"] == "OK"
    lambda_.update_event_source_mapping(UUID=mapping, Enabled=False)
    eventually(lambda: lambda_.get_event_source_mapping(UUID=mapping)["State"] == "Disabled")
    time.sleep(0.5)  # a disabled mapping may finish what it has begun
    one.put({"id": 2})
    lambda_.update_event_source_mapping(UUID=mapping, ParallelizationFactor=2)
    time.sleep(0.5)
    assert one.seen() == [0, 1]
    lambda_.update_event_source_mapping(UUID=mapping, Enabled=True)
    eventually(lambda: one.seen() == [0, 1, 2])
    lambda_.delete_event_source_mapping(UUID=mapping)
    with pytest.raises(ClientError, match="ResourceNotFound"):
        lambda_.get_event_source_mapping(UUID=mapping)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"StartingPosition": "AT_TIMESTAMP"}, "StartingPositionTimestamp must be given"),
    ({"MaximumRecordAgeInSeconds": 30}, "MaximumRecordAgeInSeconds must be -1 or at least 60"),
    ({"MaximumBatchingWindowInSeconds": 301}, "maximumBatchingWindowInSeconds. failed to satisfy"),
    ({"TumblingWindowInSeconds": 5}, "does not support TumblingWindowInSeconds"),
    (
        {
            "DestinationConfig": {
                "OnFailure": {"Destination": "arn:aws:sqs:us-east-1:000000000000:q"}
            }
        },
        "does not have permissions to call SendMessage",
    ),
    (
        {"DestinationConfig": {"OnFailure": {"Destination": "arn:aws:lambda:us-east-1:1:q"}}},
        "onFailure.destination. failed to satisfy",
    ),
]


@pytest.mark.parametrize(("settings", "message"), REFUSED)
def test_what_aws_refuses_is_refused(
    settings: dict[str, Any], message: str, pipeline: Make
) -> None:
    with pytest.raises(ClientError, match=message):
        pipeline().map(**settings)


def test_a_role_that_may_not_read_is_refused_and_later_stopped(
    pipeline: Make, client: Client, eventually: Eventually
) -> None:
    one, iam = pipeline(), client("iam")
    role_name = one.role.rpartition("/")[2]
    policy = iam.get_role_policy(RoleName=role_name, PolicyName="actions")["PolicyDocument"]
    mapping = one.map()
    iam.delete_role_policy(RoleName=role_name, PolicyName="actions")

    def result() -> str:
        shown = client("lambda").get_event_source_mapping(UUID=mapping)
        return str(shown["LastProcessingResult"])

    eventually(lambda: "not authorized to perform: kinesis:" in result())
    other = pipeline().stream_arn
    with pytest.raises(ClientError, match=f"Cannot access stream {other}"):
        client("lambda").create_event_source_mapping(
            FunctionName=one.name, EventSourceArn=other, StartingPosition="TRIM_HORIZON"
        )
    one.put({"id": 0})
    iam.put_role_policy(RoleName=role_name, PolicyName="actions", PolicyDocument=json.dumps(policy))
    eventually(lambda: one.seen() == [0])


def test_a_template_makes_and_changes_a_mapping(
    pipeline: Make,
    client: Client,
    queue: Queue,
    deploy: Callable[..., dict[str, str]],
    eventually: Eventually,
) -> None:
    one = pipeline(actions=["sqs:SendMessage"])
    properties: dict[str, Any] = {
        "EventSourceArn": one.stream_arn,
        "FunctionName": one.name,
        "StartingPosition": "TRIM_HORIZON",
        "BatchSize": "7",
        "MaximumBatchingWindowInSeconds": 1,
        "MaximumRetryAttempts": 0,
        "MaximumRecordAgeInSeconds": 3600,
        "BisectBatchOnFunctionError": "true",
        "ParallelizationFactor": 2,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "DestinationConfig": {"OnFailure": {"Destination": queue.arn}},
        "Tags": [{"Key": "team", "Value": "fraud"}],
    }
    name = f"test-{uuid.uuid4().hex[:8]}"

    def deployed() -> dict[str, Any]:
        resource = {"Type": "AWS::Lambda::EventSourceMapping", "Properties": properties}
        outputs = {"Id": {"Ref": "Mapping"}, "Arn": {"Fn::GetAtt": "Mapping.EventSourceMappingArn"}}
        made = deploy({"Mapping": resource}, outputs, name=name)
        shown: dict[str, Any] = client("lambda").get_event_source_mapping(UUID=made["Id"])
        assert shown["EventSourceMappingArn"] == made["Arn"]
        return shown

    shown = deployed()
    wanted = {k: v for k, v in properties.items() if k not in ("FunctionName", "Tags")}
    wanted |= {"BatchSize": 7, "BisectBatchOnFunctionError": True}
    assert {member: shown[member] for member in wanted} == wanted
    tags = client("lambda").list_tags(Resource=shown["EventSourceMappingArn"])["Tags"]
    assert tags["team"] == "fraud"
    one.put({"id": 0, "report": True}, {"id": 1})
    (told,) = eventually(queue.take)
    assert told["KinesisBatchInfo"]["batchSize"] == 1
    eventually(lambda: 1 in one.seen())
    properties |= {"BatchSize": 9}
    del properties["MaximumRecordAgeInSeconds"]
    changed = deployed()
    assert (changed["BatchSize"], changed["MaximumRecordAgeInSeconds"]) == (9, -1)
    assert changed["UUID"] == shown["UUID"]
