import base64
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_aws.events.test_delivery import role

Client = Callable[[str], Any]


@pytest.fixture
def stream(client: Client) -> Iterator[str]:
    name = f"test-{uuid.uuid4().hex[:8]}"
    client("kinesis").create_stream(StreamName=name, ShardCount=2)
    yield name
    client("kinesis").delete_stream(StreamName=name)


def put(client: Client, stream: str, *data: bytes, key: str = "k") -> list[dict[str, Any]]:
    records = [{"Data": each, "PartitionKey": key} for each in data]
    answer = client("kinesis").put_records(StreamName=stream, Records=records)
    put: list[dict[str, Any]] = answer["Records"]
    return put


def read(client: Client, stream: str, shard: str, kind: str, **start: Any) -> list[bytes]:
    iterator = client("kinesis").get_shard_iterator(
        StreamName=stream, ShardId=shard, ShardIteratorType=kind, **start
    )["ShardIterator"]
    found: list[bytes] = []
    while True:
        answer = client("kinesis").get_records(ShardIterator=iterator, Limit=2)
        found += [record["Data"] for record in answer["Records"]]
        iterator = answer["NextShardIterator"]
        if not answer["Records"]:
            assert answer["MillisBehindLatest"] == 0
            return found


def test_records_are_read_from_where_one_asks(client: Client, stream: str) -> None:
    first, *_rest, last = put(client, stream, b"0", b"1", b"\x00\xff", b"3")
    shard = first["ShardId"]
    assert int(first["SequenceNumber"]) < int(last["SequenceNumber"])
    everything = [b"0", b"1", b"\x00\xff", b"3"]
    assert read(client, stream, shard, "TRIM_HORIZON") == everything
    assert read(client, stream, shard, "LATEST") == []
    number = {"StartingSequenceNumber": last["SequenceNumber"]}
    assert read(client, stream, shard, "AT_SEQUENCE_NUMBER", **number) == [b"3"]
    assert read(client, stream, shard, "AFTER_SEQUENCE_NUMBER", **number) == []
    assert read(client, stream, shard, "AT_TIMESTAMP", Timestamp=time.time() - 60) == everything
    assert read(client, stream, shard, "AT_TIMESTAMP", Timestamp=time.time() + 60) == []


def test_a_key_always_has_the_same_shard_and_a_hash_can_name_another(
    client: Client, stream: str
) -> None:
    shards = {put(client, stream, b"", key=f"k{i}")[0]["ShardId"] for i in range(20)}
    assert len(shards) == 2
    for explicit, shard in (
        ("0", "shardId-000000000000"),
        (str(2**128 - 1), "shardId-000000000001"),
    ):
        answer = client("kinesis").put_record(
            StreamName=stream, Data=b"x", PartitionKey="k", ExplicitHashKey=explicit
        )
        assert answer["ShardId"] == shard


def test_a_stream_made_again_is_empty(client: Client, stream: str) -> None:
    shard = put(client, stream, b"old")[0]["ShardId"]
    client("kinesis").delete_stream(StreamName=stream)
    client("kinesis").create_stream(StreamName=stream, ShardCount=2)
    assert read(client, stream, shard, "TRIM_HORIZON") == []


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"PartitionKey": "k" * 257, "Data": b""}, "partitionKey. failed to satisfy constraint"),
        ({"PartitionKey": "k", "Data": bytes(1024 * 1024 + 1)}, "Data must have 1048576 bytes"),
    ],
)
def test_a_record_beyond_the_limits_is_refused(
    record: dict[str, Any], message: str, client: Client, stream: str
) -> None:
    with pytest.raises(ClientError, match=message):
        client("kinesis").put_records(StreamName=stream, Records=[record])


def test_an_iterator_is_refused_when_it_is_none_or_old(client: Client, stream: str) -> None:
    kinesis = client("kinesis")
    with pytest.raises(ClientError, match="Invalid ShardIterator"):
        kinesis.get_records(ShardIterator="abc")
    token = kinesis.get_shard_iterator(
        StreamName=stream, ShardId="shardId-000000000000", ShardIteratorType="LATEST"
    )["ShardIterator"]
    document = base64.b64decode(token)
    assert str(int(time.time()))[:6].encode() in document
    old = base64.b64encode(document[: document.rindex(b",")] + b", 1]").decode()
    with pytest.raises(ClientError, match="ExpiredIteratorException"):
        kinesis.get_records(ShardIterator=old)


def test_reading_needs_permission_for_the_iterators_stream(
    client: Client, stream: str, session: Any
) -> None:
    iam = client("iam")
    arn = client("kinesis").describe_stream(StreamName=stream)["StreamDescription"]["StreamARN"]
    reader = role(iam, "lambda.amazonaws.com")
    name = reader.rpartition("/")[2]
    client_of = _as_role(client, session, name)
    for resource, allowed in ((arn, True), (f"{arn}-other", False)):
        iam.put_role_policy(
            RoleName=name,
            PolicyName="actions",
            PolicyDocument='{"Version":"2012-10-17","Statement":{"Effect":"Allow",'
            f'"Action":"kinesis:GetRecords","Resource":"{resource}"}}}}',
        )
        token = client("kinesis").get_shard_iterator(
            StreamName=stream, ShardId="shardId-000000000000", ShardIteratorType="LATEST"
        )["ShardIterator"]
        if allowed:
            assert client_of.get_records(ShardIterator=token)["Records"] == []
        else:
            with pytest.raises(ClientError, match="not authorized to perform: kinesis:GetRecords"):
                client_of.get_records(ShardIterator=token)


def _as_role(client: Client, session: Any, name: str) -> Any:
    trust = (
        '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole",'
        '"Principal":{"AWS":"arn:aws:iam::000000000000:root"}}}'
    )
    client("iam").update_assume_role_policy(RoleName=name, PolicyDocument=trust)
    keys = client("sts").assume_role(
        RoleArn=f"arn:aws:iam::000000000000:role/{name}", RoleSessionName="reader"
    )["Credentials"]
    return session.client(
        "kinesis",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )


def test_a_template_encrypts_its_stream(
    client: Client, deploy: Callable[..., dict[str, str]]
) -> None:
    properties: dict[str, Any] = {
        "ShardCount": 3,
        "RetentionPeriodHours": 48,
        "StreamEncryption": {"EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"},
    }
    resource = {"Type": "AWS::Kinesis::Stream", "Properties": properties}
    name = f"test-{uuid.uuid4().hex[:8]}"
    made = deploy({"Stream": resource}, {"Name": {"Ref": "Stream"}}, name=name)["Name"]
    described = client("kinesis").describe_stream(StreamName=made)["StreamDescription"]
    assert (described["EncryptionType"], described["KeyId"]) == ("KMS", "alias/aws/kinesis")
    assert len(described["Shards"]) == 3
    del properties["StreamEncryption"]
    deploy({"Stream": resource}, {"Name": {"Ref": "Stream"}}, name=name)
    described = client("kinesis").describe_stream(StreamName=made)["StreamDescription"]
    assert described["EncryptionType"] == "NONE"


def test_a_closed_shard_is_told_of_and_read_to_its_end(client: Client, stream: str) -> None:
    kinesis, parent = client("kinesis"), "shardId-000000000000"
    put(client, stream, b"1", key="a")  # whose hash is of the first half
    kinesis.split_shard(StreamName=stream, ShardToSplit=parent, NewStartingHashKey=str(2**126))
    listed = kinesis.list_shards(StreamName=stream)["Shards"]
    assert kinesis.describe_stream(StreamName=stream)["StreamDescription"]["Shards"] == listed
    assert [each.get("ParentShardId") for each in listed] == [None, None, parent, parent]
    closed = ["EndingSequenceNumber" in each["SequenceNumberRange"] for each in listed]
    assert closed == [True, False, False, False]
    latest = kinesis.list_shards(StreamName=stream, ShardFilter={"Type": "AT_LATEST"})["Shards"]
    assert latest == listed[1:]
    summary = kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]
    assert summary["OpenShardCount"] == 3
    iterator = kinesis.get_shard_iterator(
        StreamName=stream, ShardId=parent, ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    answer = kinesis.get_records(ShardIterator=iterator)
    assert [each["Data"] for each in answer["Records"]] == [b"1"]
    assert "NextShardIterator" not in answer
    assert [each["ShardId"] for each in answer["ChildShards"]] == [
        each["ShardId"] for each in listed[2:]
    ]


def test_shards_are_merged_and_doubled(client: Client, stream: str) -> None:
    kinesis, names = client("kinesis"), [f"shardId-{number:012d}" for number in range(7)]
    kinesis.merge_shards(StreamName=stream, ShardToMerge=names[0], AdjacentShardToMerge=names[1])
    merged = kinesis.list_shards(StreamName=stream)["Shards"][2]
    assert [merged[f"{kind}ShardId"] for kind in ("Parent", "AdjacentParent")] == names[:2]
    kinesis.update_shard_count(StreamName=stream, TargetShardCount=2, ScalingType="UNIFORM_SCALING")
    shards = kinesis.list_shards(StreamName=stream)["Shards"]
    assert [each["ShardId"] for each in shards] == names[:5]
    assert [each["ParentShardId"] for each in shards[3:]] == [names[2]] * 2


@pytest.mark.parametrize(
    ("method", "given", "words"),
    [
        (
            "split_shard",
            {"ShardToSplit": "shardId-000000000000", "NewStartingHashKey": "0"},
            "both",
        ),
        (
            "merge_shards",
            {
                "ShardToMerge": "shardId-000000000000",
                "AdjacentShardToMerge": "shardId-000000000009",
            },
            "Could not find shard shardId-000000000009",
        ),
        (
            "update_shard_count",
            {"TargetShardCount": 5, "ScalingType": "UNIFORM_SCALING"},
            "cannot scale from 2 to 5",
        ),
        ("increase_stream_retention_period", {"RetentionPeriodHours": 9000}, "too long"),
        ("decrease_stream_retention_period", {"RetentionPeriodHours": 48}, "IncreaseRetention"),
        ("put_record", {"PartitionKey": "a", "Data": b"", "ExplicitHashKey": str(2**128)}, "range"),
        (
            "get_shard_iterator",
            {"ShardId": "shardId-000000000000", "ShardIteratorType": "AT_SEQUENCE_NUMBER"},
            "InvalidArgumentException",
        ),
    ],
)
def test_what_cannot_be_of_a_stream_is_refused(
    client: Client, stream: str, method: str, given: dict[str, Any], words: str
) -> None:
    with pytest.raises(ClientError, match=words):
        getattr(client("kinesis"), method)(StreamName=stream, **given)


def test_a_template_changes_the_number_of_shards(
    client: Client, deploy: Callable[..., dict[str, str]]
) -> None:
    name = f"test-{uuid.uuid4().hex[:8]}"
    for count in (1, 2):
        stream = {"Type": "AWS::Kinesis::Stream", "Properties": {"ShardCount": count}}
        made = deploy({"Stream": stream}, {"Name": {"Ref": "Stream"}}, name=name)["Name"]
    shards = client("kinesis").list_shards(StreamName=made)["Shards"]
    assert [each.get("ParentShardId") for each in shards] == [None, *[shards[0]["ShardId"]] * 2]
