"""Requests for delivery streams that are refused, and changes of a destination."""

import json
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_aws.events.test_delivery import role
from tests.local_aws.firehose.conftest import S3

from .conftest import ERRORS, READ, Client, Eventually, Make, conversion, processing

REFUSED: list[tuple[dict[str, Any], str]] = [
    (
        {"BufferingHints": {"SizeInMBs": 129, "IntervalInSeconds": 0}},
        "satisfy constraint",
    ),
    (
        {"BufferingHints": {"SizeInMBs": 1, "IntervalInSeconds": 901}},
        "satisfy constraint",
    ),
    ({"Prefix": "a/!{timestamp:yyyy}/"}, "ErrorOutputPrefix must be specified"),
    ({"Prefix": "!{firehose:error-output-type}/"}, "cannot contain !{firehose:error-output-type}"),
    ({"S3BackupMode": "Enabled"}, "does not support S3BackupMode"),
    ({"CompressionFormat": "Snappy"}, "does not support CompressionFormat Snappy"),
    (
        {"ProcessingConfiguration": processing("RecordDeAggregation", SubRecordType="JSON")},
        "does not support the processor RecordDeAggregation",
    ),
    (
        {
            "ProcessingConfiguration": processing(
                "MetadataExtraction", MetadataExtractionQuery='{a: .b | test("x")}'
            )
        },
        "does not support the JQ query {a: .b | test",
    ),
    (
        {
            "Prefix": "!{partitionKeyFromLambda:day}/",
            "ErrorOutputPrefix": ERRORS,
            "BufferingHints": {"SizeInMBs": 64, "IntervalInSeconds": 1},
            "DynamicPartitioningConfiguration": {"Enabled": True},
        },
        "no function gives keys",
    ),
    (
        {
            "Prefix": "!{partitionKeyFromLambda:day}/",
            "ErrorOutputPrefix": ERRORS,
            "BufferingHints": {"SizeInMBs": 64, "IntervalInSeconds": 0},
            "DynamicPartitioningConfiguration": {"Enabled": True},
        },
        "IntervalInSeconds must be 1 to 900 with dynamic partitioning, got 0",
    ),
]


@pytest.mark.parametrize(("changes", "message"), REFUSED)
def test_what_cannot_be_delivered_is_refused(
    changes: dict[str, Any], message: str, landing: Make
) -> None:
    with pytest.raises(ClientError) as refused:
        landing().create(**changes)
    assert message in str(refused.value)


def test_roles_are_checked_when_the_stream_is_made(
    landing: Make, client: Client, table: dict[str, Any]
) -> None:
    one, iam = landing(), client("iam")
    # The guide's trust policies have no key but sts:ExternalId.
    sourced = role(iam, "firehose.amazonaws.com", *S3)
    trust = iam.get_role(RoleName=sourced.rpartition("/")[2])["Role"]["AssumeRolePolicyDocument"]
    trust["Statement"][0]["Condition"] = {"StringEquals": {"aws:SourceAccount": "000000000000"}}
    iam.update_assume_role_policy(
        RoleName=sourced.rpartition("/")[2], PolicyDocument=json.dumps(trust)
    )
    absent = "arn:aws:iam::000000000000:role/missing"
    for bad in (absent, role(iam, "lambda.amazonaws.com", *S3), sourced):
        with pytest.raises(ClientError, match="Firehose is unable to assume role"):
            one.create(RoleARN=bad)
    name = f"test-{uuid.uuid4().hex[:8]}"
    client("kinesis").create_stream(StreamName=name, ShardCount=1)
    arn = client("kinesis").describe_stream(StreamName=name)["StreamDescription"]["StreamARN"]
    with pytest.raises(ClientError, match="not authorized to perform: kinesis:DescribeStream"):
        one.create(source=arn)
    with pytest.raises(ClientError, match="not found"):
        one.create(source=f"{arn}-absent")
    hints = {"SizeInMBs": 64, "IntervalInSeconds": 0}
    with pytest.raises(ClientError, match="not authorized to perform: glue:GetTable "):
        one.create(
            DataFormatConversionConfiguration=conversion(table, one.role), BufferingHints=hints
        )
    client("kinesis").delete_stream(StreamName=name)


def test_a_destination_can_be_changed(
    landing: Make, client: Client, eventually: Eventually
) -> None:
    one, firehose = landing(), client("firehose")
    name = one.create(Prefix="a/")
    described = firehose.describe_delivery_stream(DeliveryStreamName=name)
    described = described["DeliveryStreamDescription"]
    request = {
        "DeliveryStreamName": name,
        "CurrentDeliveryStreamVersionId": described["VersionId"],
        "DestinationId": described["Destinations"][0]["DestinationId"],
    }
    with pytest.raises(ClientError, match="satisfy constraint"):
        firehose.update_destination(
            **request,
            ExtendedS3DestinationUpdate={
                "BufferingHints": {"SizeInMBs": 1, "IntervalInSeconds": 901}
            },
        )
    firehose.update_destination(**request, ExtendedS3DestinationUpdate={"Prefix": "b/"})
    one.put(name, b"x")
    ((key, _body),) = eventually(one.objects).items()
    assert key.startswith("b/")
    assert f"/{name}-2-" in key


def test_what_has_a_source_takes_no_records_directly(landing: Make, client: Client) -> None:
    one = landing(*READ)
    name = f"test-{uuid.uuid4().hex[:8]}"
    client("kinesis").create_stream(StreamName=name, ShardCount=1)
    arn = client("kinesis").describe_stream(StreamName=name)["StreamDescription"]["StreamARN"]
    with pytest.raises(ClientError, match="not permitted on KinesisStreamAsSource"):
        one.put(one.create(source=arn), b"x")
    client("kinesis").delete_stream(StreamName=name)
