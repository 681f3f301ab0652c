"""Delivery streams to a bucket of their own, and what arrives there."""

import base64
import io
import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.local_aws.events.test_delivery import role

Client = Callable[[str], Any]
# What Firehose's guide wants for an S3 destination.
S3 = (
    "s3:AbortMultipartUpload",
    "s3:GetBucketLocation",
    "s3:GetObject",
    "s3:ListBucket",
    "s3:ListBucketMultipartUploads",
    "s3:PutObject",
)


class Landing:
    """A bucket and delivery streams to it.

    Args:
        client: Clients of the embedded AWS.
        actions: What the streams' role may do beside writing objects.
    """

    def __init__(self, client: Client, *actions: str) -> None:
        self._firehose, self._s3 = client("firehose"), client("s3")
        self.bucket = f"test-{uuid.uuid4().hex[:8]}"
        self._s3.create_bucket(Bucket=self.bucket)
        self.role = role(client("iam"), "firehose.amazonaws.com", *S3, *actions)
        self.made: list[str] = []

    def destination(self, **changes: Any) -> dict[str, Any]:
        """An ExtendedS3DestinationConfiguration."""
        return {
            "BucketARN": f"arn:aws:s3:::{self.bucket}",
            "RoleARN": self.role,
            "BufferingHints": {"SizeInMBs": 1, "IntervalInSeconds": 0},
            **changes,
        }

    def create(self, source: str | None = None, **changes: Any) -> str:
        """Make a delivery stream; its name."""
        name = f"test-{uuid.uuid4().hex[:8]}"
        request: dict[str, Any] = {"DeliveryStreamType": "DirectPut"}
        if source is not None:
            request = {
                "DeliveryStreamType": "KinesisStreamAsSource",
                "KinesisStreamSourceConfiguration": {
                    "KinesisStreamARN": source,
                    "RoleARN": self.role,
                },
            }
        self._firehose.create_delivery_stream(
            DeliveryStreamName=name,
            ExtendedS3DestinationConfiguration=self.destination(**changes),
            **request,
        )
        self.made.append(name)
        return name

    def put(self, name: str, *records: bytes) -> None:
        """Put records directly."""
        answer = self._firehose.put_record_batch(
            DeliveryStreamName=name, Records=[{"Data": record} for record in records]
        )
        assert answer["FailedPutCount"] == 0

    def objects(self, prefix: str = "") -> dict[str, bytes]:
        """What the bucket holds, by key."""
        listed = self._s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", [])
        return {
            found["Key"]: self._s3.get_object(Bucket=self.bucket, Key=found["Key"])["Body"].read()
            for found in listed
        }

    def errors(self, prefix: str) -> list[dict[str, Any]]:
        """The failed records below a prefix, their data decoded."""
        documents = [
            json.loads(line)
            for body in self.objects(prefix).values()
            for line in body.decode().splitlines()
        ]
        return [{**d, "rawData": base64.b64decode(d["rawData"])} for d in documents]

    def delete(self, name: str) -> None:
        """Delete a delivery stream."""
        self._firehose.delete_delivery_stream(DeliveryStreamName=name)
        self.made.remove(name)


@pytest.fixture
def landing(client: Client) -> Iterator[Callable[..., Landing]]:
    """landing("glue:*", ...): a bucket and delivery streams, deleted after the test."""
    made: list[Landing] = []

    def make(*actions: str) -> Landing:
        made.append(Landing(client, *actions))
        return made[-1]

    yield make
    for each in made:
        for name in list(each.made):
            each.delete(name)


Make = Callable[..., Landing]
Eventually = Callable[[Callable[[], Any]], Any]
READ = (
    "kinesis:DescribeStream",
    "kinesis:GetRecords",
    "kinesis:GetShardIterator",
    "kinesis:ListShards",
)
ERRORS = "errors/!{firehose:error-output-type}/"
COLUMNS = {"id": "bigint", "amount": "decimal(10,2)", "time": "timestamp", "name": "string"}


@pytest.fixture
def table(client: Client) -> dict[str, Any]:
    """A Glue table's SchemaConfiguration, without its role."""
    name = f"test_{uuid.uuid4().hex[:8]}"
    client("glue").create_database(DatabaseInput={"Name": name})
    columns = [{"Name": name, "Type": kind} for name, kind in COLUMNS.items()]
    client("glue").create_table(
        DatabaseName=name,
        TableInput={
            "Name": "rows",
            "StorageDescriptor": {"Columns": columns, "Location": "s3://unused/"},
            "PartitionKeys": [{"Name": "day", "Type": "string"}],
        },
    )
    return {"DatabaseName": name, "TableName": "rows", "Region": "us-east-1", "VersionId": "LATEST"}


def conversion(table: dict[str, Any], role_arn: str) -> dict[str, Any]:
    return {
        "Enabled": True,
        "InputFormatConfiguration": {"Deserializer": {"OpenXJsonSerDe": {}}},
        "OutputFormatConfiguration": {"Serializer": {"ParquetSerDe": {"Compression": "GZIP"}}},
        "SchemaConfiguration": {**table, "RoleARN": role_arn},
    }


def processing(kind: str, **parameters: str) -> dict[str, Any]:
    named = [{"ParameterName": k, "ParameterValue": v} for k, v in parameters.items()]
    return {"Enabled": True, "Processors": [{"Type": kind, "Parameters": named}]}


def rows(body: bytes) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(io.BytesIO(body)).to_pylist()
    return found
