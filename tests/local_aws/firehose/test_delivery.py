import gzip
import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.local_aws.conftest import Queue
from tests.local_aws.events.test_delivery import role
from tests.local_aws.firehose.conftest import S3
from tests.local_aws.test_image_functions import FOLDER, IMAGE, image_config

from .conftest import ERRORS, READ, Client, Eventually, Make, conversion, processing, rows

INVOKE = ("lambda:InvokeFunction", "lambda:GetFunctionConfiguration")


TABLE = ("glue:GetTable", "glue:GetTableVersion", "glue:GetTableVersions")


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def function(client: Client, journal: Path) -> str:
    """The ARN of a transformation."""
    arn: str = client("lambda").create_function(
        FunctionName=f"test-{uuid.uuid4().hex[:8]}",
        PackageType="Image",
        Code={"ImageUri": IMAGE},
        ImageConfig=image_config("functions.land"),
        Role=role(client("iam"), "lambda.amazonaws.com", "logs:PutLogEvents"),
        Timeout=10,
        Environment={"Variables": {"JOURNAL": str(journal), "PYTHONPATH": FOLDER}},
    )["FunctionArn"]
    return arn


def test_records_are_gathered_for_the_interval(landing: Make, eventually: Eventually) -> None:
    one = landing()
    name = one.create(
        Prefix="raw/",
        BufferingHints={"SizeInMBs": 1, "IntervalInSeconds": 1},
        ProcessingConfiguration=processing("AppendDelimiterToRecord", Delimiter="\\n"),
    )
    one.put(name, b"1", b"2")
    one.put(name, b"3")
    ((key, body),) = eventually(one.objects).items()
    assert body == b"1\n2\n3\n"
    now = datetime.now(UTC)
    assert key.startswith(f"raw/{now:%Y/%m/%d/%H}/{name}-1-{now:%Y-%m-%d}")


def test_records_are_written_when_there_are_enough(landing: Make, eventually: Eventually) -> None:
    one = landing()
    hints = {"SizeInMBs": 1, "IntervalInSeconds": 900}
    name = one.create(BufferingHints=hints, CompressionFormat="GZIP")
    parts = [bytes([i]) * 600_000 for i in range(3)]
    one.put(name, *parts)
    ((key, body),) = eventually(one.objects).items()
    assert key.endswith(".gz")
    assert gzip.decompress(body) == parts[0] + parts[1]
    one.delete(name)  # which delivers what was not enough yet
    assert sorted(gzip.decompress(b) for b in one.objects().values()) == [
        parts[0] + parts[1],
        parts[2],
    ]


def test_an_object_is_encrypted_and_notified_of(
    landing: Make, client: Client, queue: Queue, eventually: Eventually
) -> None:
    one = landing("kms:GenerateDataKey")
    queue.allow("s3.amazonaws.com")
    client("s3").put_bucket_notification_configuration(
        Bucket=one.bucket,
        NotificationConfiguration={
            "QueueConfigurations": [{"QueueArn": queue.arn, "Events": ["s3:ObjectCreated:*"]}]
        },
    )
    key = client("kms").create_key()["KeyMetadata"]["Arn"]
    eventually(queue.take)  # S3's own test message
    encryption = {"KMSEncryptionConfig": {"AWSKMSKeyARN": key}}
    one.put(one.create(EncryptionConfiguration=encryption), b"x")
    (event,) = eventually(queue.take)
    written = event["Records"][0]["s3"]["object"]["key"]
    head = client("s3").head_object(Bucket=one.bucket, Key=written)
    assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", key)


def test_a_stream_is_transformed_partitioned_and_converted(
    landing: Make,
    client: Client,
    function: str,
    journal: Path,
    table: dict[str, Any],
    deploy: Callable[..., dict[str, str]],
    eventually: Eventually,
) -> None:
    one = landing(*READ, *INVOKE, *TABLE)
    stream = {"Type": "AWS::Kinesis::Stream", "Properties": {"ShardCount": 2}}
    destination = one.destination(
        Prefix="rows/day=!{partitionKeyFromLambda:day}/",
        ErrorOutputPrefix=ERRORS,
        BufferingHints={"SizeInMBs": "64", "IntervalInSeconds": "1"},
        FileExtension=".parquet",
        DynamicPartitioningConfiguration={"Enabled": "true"},
        ProcessingConfiguration=processing("Lambda", LambdaArn=f"{function}:$LATEST"),
        DataFormatConversionConfiguration=conversion(table, one.role),
    )
    delivery = {
        "Type": "AWS::KinesisFirehose::DeliveryStream",
        "Properties": {
            "DeliveryStreamType": "KinesisStreamAsSource",
            "KinesisStreamSourceConfiguration": {
                "KinesisStreamARN": {"Fn::GetAtt": "Stream.Arn"},
                "RoleARN": one.role,
            },
            "ExtendedS3DestinationConfiguration": destination,
        },
    }
    name = deploy({"Stream": stream, "Delivery": delivery}, {"S": {"Ref": "Stream"}})["S"]
    good: list[dict[str, Any]] = [
        {"id": i, "amount": "1.005", "time": f"2025-03-{10 + i % 3}T23:59:59.000001Z", "Name": "ü"}
        for i in range(60)
    ]
    bad: list[dict[str, Any]] = [
        {"id": 100, "outcome": "Dropped"},
        {"id": 101, "outcome": "ProcessingFailed"},
        {"id": 102, "outcome": "omit"},
        {"id": 2**63, "time": "2025-03-10"},
        {"id": 104},
    ]
    client("kinesis").put_records(
        StreamName=name,
        Records=[
            {"PartitionKey": str(row["id"]), "Data": json.dumps(row).encode()}
            for row in [*good, *bad]
        ],
    )
    eventually(lambda: len(one.errors("errors/processing-failed/")) == 3)
    written = eventually(lambda: one.objects("rows/"))
    # One object a day, not one a record.
    assert sorted(key.rpartition("/")[0] for key in written) == [
        f"rows/day=2025-03-{day}" for day in (10, 11, 12)
    ]
    found = [row for body in written.values() for row in rows(body)]
    assert sorted(row["id"] for row in found) == list(range(60))
    assert {str(row["amount"]) for row in found} == {"1.01"}
    assert {row["name"] for row in found} == {"ü"}
    assert found[0]["time"].replace(day=1) == datetime(2025, 3, 1, 23, 59, 59, 1)
    failed = {e["errorCode"]: e for e in one.errors("errors/processing-failed/")}
    assert failed.keys() == {
        "Lambda.ProcessingFailedStatus",
        "Lambda.MissingRecordId",
        "DynamicPartitioning.PartitionKeyMissing",
    }
    omitted = failed["Lambda.MissingRecordId"]
    assert json.loads(omitted["rawData"]) == bad[2]
    assert omitted["lambdaArn"] == f"{function}:$LATEST"
    (unconverted,) = one.errors("errors/format-conversion-failed/")
    assert unconverted["lastErrorCode"] == "DataFormatConversion.MalformedData"
    assert "column id cannot hold" in unconverted["lastErrorMessage"]
    assert unconverted["dataCatalogTable"]["tableName"] == "rows"
    assert json.loads(unconverted["rawData"])["id"] == 2**63
    batches = [json.loads(line)["records"] for line in journal.read_text().splitlines()]
    assert sum(batches) == 65
    assert len(batches) <= 4


def test_partition_keys_come_from_a_query(landing: Make, eventually: Eventually) -> None:
    one = landing()
    name = one.create(
        Prefix="c=!{partitionKeyFromQuery:customer}/!{partitionKeyFromQuery:day}/",
        ErrorOutputPrefix=ERRORS,
        BufferingHints={"SizeInMBs": 64, "IntervalInSeconds": 1},
        DynamicPartitioningConfiguration={"Enabled": True},
        ProcessingConfiguration=processing(
            "MetadataExtraction",
            MetadataExtractionQuery="{customer: .customer.id, day: .time[0:10]}",
            JsonParsingEngine="JQ-1.6",
        ),
    )
    good = json.dumps({"customer": {"id": 7}, "time": "2025-03-12T10:00:00Z"}).encode()
    one.put(name, good, b'{"time": "2025-03-12"}', b"no json", good)
    ((key, body),) = eventually(lambda: one.objects("c=")).items()
    assert key.startswith(f"c=7/2025-03-12/{name}-1-")
    assert body == good + good
    failed = eventually(lambda: one.errors("errors/processing-failed/"))
    assert [e["rawData"] for e in failed] == [b'{"time": "2025-03-12"}', b"no json"]
    assert "customer must be text or a number" in failed[0]["errorMessage"]


def test_partitions_beyond_the_quota_are_errors(landing: Make, eventually: Eventually) -> None:
    one = landing()
    name = one.create(
        Prefix="day=!{partitionKeyFromQuery:day}/",
        ErrorOutputPrefix=ERRORS,
        BufferingHints={"SizeInMBs": 64, "IntervalInSeconds": 2},
        DynamicPartitioningConfiguration={"Enabled": True},
        ProcessingConfiguration=processing(
            "MetadataExtraction", MetadataExtractionQuery="{day: .day}", JsonParsingEngine="JQ-1.6"
        ),
    )
    one.put(name, *(b'{"day": %d}' % day for day in range(500)))
    one.put(name, *(b'{"day": %d}' % day for day in (0, 500, 501)))
    failed = eventually(lambda: one.errors("errors/activePartitionExceeded/"))
    assert {f["errorCode"] for f in failed} == {"DynamicPartitioning.ActivePartitionsLimitExceeded"}
    assert [f["rawData"] for f in failed] == [b'{"day": 500}', b'{"day": 501}']
    assert len(one.objects("day=")) == 500


def test_a_function_that_fails_is_retried_then_its_records_are_kept(
    landing: Make, function: str, journal: Path, eventually: Eventually
) -> None:
    one = landing(*INVOKE)
    Path(f"{journal}.broken").touch()
    name = one.create(
        ErrorOutputPrefix=ERRORS,
        ProcessingConfiguration=processing("Lambda", LambdaArn=function, NumberOfRetries="1"),
    )
    one.put(name, b'{"id": 1}')
    (failed,) = eventually(lambda: one.errors("errors/processing-failed/"))
    assert (failed["errorCode"], failed["attemptsMade"]) == ("Lambda.FunctionError", 2)
    assert "broken" in failed["errorMessage"]
    Path(f"{journal}.broken").unlink()
    one.put(name, b'{"id": 2}')
    eventually(lambda: b'{"id": 2}' in one.objects().values())


@pytest.mark.parametrize("missing", S3)
def test_a_role_that_may_not_write_holds_records_back(
    missing: str, landing: Make, client: Client, eventually: Eventually
) -> None:
    one, iam, logs = landing("logs:PutLogEvents"), client("iam"), client("logs")
    named = {"RoleName": one.role.rpartition("/")[2], "PolicyName": "actions"}
    policy = iam.get_role_policy(**named)["PolicyDocument"]
    (statement,) = policy["Statement"]
    without = {**statement, "Action": [a for a in statement["Action"] if a != missing]}
    iam.put_role_policy(**named, PolicyDocument=json.dumps({**policy, "Statement": [without]}))
    group = f"/test/{uuid.uuid4().hex[:8]}"
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="errors")
    told = {"Enabled": True, "LogGroupName": group, "LogStreamName": "errors"}
    name = one.create(CloudWatchLoggingOptions=told)
    one.put(name, b"kept")

    def tried() -> bool:
        points = client("cloudwatch").get_metric_statistics(
            Namespace="AWS/Firehose",
            MetricName="DeliveryToS3.Success",
            Dimensions=[{"Name": "DeliveryStreamName", "Value": name}],
            StartTime=datetime.now(UTC) - timedelta(hours=1),
            EndTime=datetime.now(UTC) + timedelta(hours=1),
            Period=60,
            Statistics=["Minimum"],
        )["Datapoints"]
        return bool(points) and points[0]["Minimum"] == 0

    eventually(tried)
    assert one.objects() == {}
    (event,) = logs.get_log_events(logGroupName=group, logStreamName="errors")["events"]
    assert f"not authorized to perform: {missing}" in event["message"]
    iam.put_role_policy(**named, PolicyDocument=json.dumps(policy))
    eventually(lambda: list(one.objects().values()) == [b"kept"])
