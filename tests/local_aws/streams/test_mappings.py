import itertools
import json
import sqlite3
import time
import uuid
from contextlib import closing
from typing import Any

import pytest

from local_aws.server import EmbeddedAws
from tests.local_aws.conftest import Queue

from .conftest import Client, Eventually, Make, numbered


def test_records_arrive_in_order_in_batches(pipeline: Make, eventually: Eventually) -> None:
    one = pipeline()
    one.put(*numbered(*range(1000)))  # what a shard takes in a second
    one.map(BatchSize=400)
    eventually(lambda: len(one.seen()) == 1000)
    assert one.seen() == list(range(1000))
    assert [len(batch) for batch in one.batches()] == [400, 400, 200]


def test_a_batching_window_gathers_records(pipeline: Make, eventually: Eventually) -> None:
    one = pipeline()
    one.map(BatchSize=4, MaximumBatchingWindowInSeconds=1)
    for number in range(6):
        one.put({"id": number})
    eventually(lambda: len(one.seen()) == 6)
    assert one.batches() == [[0, 1, 2, 3], [4, 5]]


def test_a_poison_record_is_isolated_told_of_and_passed(
    pipeline: Make, queue: Queue, eventually: Eventually
) -> None:
    one = pipeline(actions=["sqs:SendMessage"])
    one.put(*numbered(*range(5)), {"id": 5, "poison": True}, *numbered(*range(6, 16)))
    one.map(
        MaximumRetryAttempts=2,
        BisectBatchOnFunctionError=True,
        DestinationConfig={"OnFailure": {"Destination": queue.arn}},
    )
    (told,) = eventually(queue.take)
    eventually(lambda: 15 in one.batches()[-1] and 5 not in one.batches()[-1])
    batches = one.batches()
    # Splitting does not count: alone, it is tried once and retried twice.
    assert batches.count([5]) == 3
    passed = [number for batch in batches if 5 not in batch for number in batch]
    assert passed == [number for number in range(16) if number != 5]
    (sequence,) = {
        record["sequence"]
        for call in one.invocations()
        for record in call["records"]
        if record["id"] == 5
    }
    info = told["KinesisBatchInfo"]
    assert info["startSequenceNumber"] == info["endSequenceNumber"] == sequence
    assert (info["batchSize"], info["streamArn"]) == (1, one.stream_arn)
    assert info["shardId"] == "shardId-000000000000"
    assert told["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert told["requestContext"]["approximateInvokeCount"] == 3
    assert told["responseContext"]["functionError"] == "Unhandled"
    assert "payload" not in told


def test_without_bisecting_the_whole_batch_is_given_up(
    pipeline: Make, queue: Queue, eventually: Eventually
) -> None:
    one = pipeline(actions=["sqs:SendMessage"])
    one.put(*numbered(0, 1), {"id": 2, "poison": True}, *numbered(3))
    one.map(MaximumRetryAttempts=1, DestinationConfig={"OnFailure": {"Destination": queue.arn}})
    (told,) = eventually(queue.take)
    assert told["KinesisBatchInfo"]["batchSize"] == 4
    one.put(*numbered(4))
    eventually(lambda: 4 in one.seen())
    assert one.batches() == [[0, 1, 2, 3], [0, 1, 2, 3], [4]]


def test_a_bucket_is_sent_the_records_too(
    pipeline: Make, client: Client, eventually: Eventually
) -> None:
    bucket = f"test-{uuid.uuid4().hex[:8]}"
    client("s3").create_bucket(Bucket=bucket)
    one = pipeline(actions=["s3:PutObject", "s3:ListBucket"])
    one.put({"id": 7, "poison": True})
    mapping = one.map(
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": f"arn:aws:s3:::{bucket}"}},
    )
    (found,) = eventually(lambda: client("s3").list_objects_v2(Bucket=bucket).get("Contents", []))
    assert found["Key"].startswith(f"aws/lambda/{mapping}/shardId-000000000000/")
    told = json.load(client("s3").get_object(Bucket=bucket, Key=found["Key"])["Body"])
    (record,) = json.loads(told["payload"])["Records"]
    assert record["kinesis"]["sequenceNumber"] == told["KinesisBatchInfo"]["startSequenceNumber"]
    assert record["eventSourceARN"] == one.stream_arn


def test_a_topic_is_told(
    pipeline: Make, client: Client, queue: Queue, eventually: Eventually
) -> None:
    topic = client("sns").create_topic(Name=f"test-{uuid.uuid4().hex[:8]}")["TopicArn"]
    queue.allow("sns.amazonaws.com")
    client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue.arn)
    one = pipeline(actions=["sns:Publish"])
    one.put({"id": 7, "poison": True})
    one.map(MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": topic}})
    (told,) = eventually(queue.take)
    assert json.loads(told["Message"])["KinesisBatchInfo"]["batchSize"] == 1


@pytest.mark.parametrize("bisect", [True, False])
def test_reported_failures_are_retried_from_the_first(
    bisect: bool, pipeline: Make, eventually: Eventually
) -> None:
    one = pipeline()
    one.put(*numbered(0, 1), {"id": 2, "report": True}, *numbered(3))
    one.map(
        FunctionResponseTypes=["ReportBatchItemFailures"],
        BisectBatchOnFunctionError=bisect,
        MaximumRetryAttempts=50,
    )
    eventually(lambda: len(one.batches()) >= 3)
    assert one.batches()[:2] == [[0, 1, 2, 3], [2, 3]]
    if bisect:  # the first record fails, so the batch is halved
        assert one.batches()[2] == [2]
    one.heal()
    eventually(lambda: one.seen()[-1] == 3)
    assert one.seen().count(0) == one.seen().count(1) == 1


def test_partial_failures_bisect_to_the_one_that_fails(
    pipeline: Make, queue: Queue, eventually: Eventually
) -> None:
    one = pipeline(actions=["sqs:SendMessage"])
    one.put(*numbered(0, 1), {"id": 2, "report": True}, *numbered(*range(3, 9)))
    one.map(
        FunctionResponseTypes=["ReportBatchItemFailures"],
        BisectBatchOnFunctionError=True,
        MaximumRetryAttempts=1,
        DestinationConfig={"OnFailure": {"Destination": queue.arn}},
    )
    (told,) = eventually(queue.take)
    assert told["KinesisBatchInfo"]["batchSize"] == 1
    eventually(lambda: 8 in one.batches()[-1])
    assert one.batches().count([2]) == 2


@pytest.mark.parametrize("fault", [{"die": True}, {"sleep": 5}])
def test_a_crash_and_a_timeout_are_failures(
    fault: dict[str, Any], pipeline: Make, queue: Queue, eventually: Eventually
) -> None:
    one = pipeline(actions=["sqs:SendMessage"])
    one.put({"id": 0, **fault})
    one.map(MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": queue.arn}})
    assert eventually(queue.take)
    one.put({"id": 1})
    eventually(lambda: one.batches() == [[0], [1]])


def test_what_is_not_allowed_to_run_yet_is_not_lost(
    pipeline: Make, client: Client, eventually: Eventually
) -> None:
    one = pipeline()
    client("lambda").put_function_concurrency(FunctionName=one.name, ReservedConcurrentExecutions=0)
    one.put(*numbered(0, 1))
    mapping = one.map(MaximumRetryAttempts=0)
    throttles = {"Namespace": "AWS/Lambda", "MetricName": "Throttles", "Period": 60}

    def throttled() -> bool:
        points = client("cloudwatch").get_metric_statistics(
            **throttles,
            StartTime=time.time() - 600,
            EndTime=time.time() + 60,
            Statistics=["Sum"],
            Dimensions=[{"Name": "FunctionName", "Value": one.name}],
        )["Datapoints"]
        return bool(points) and points[0]["Sum"] >= 2

    eventually(throttled)
    client("lambda").delete_function_concurrency(FunctionName=one.name)
    eventually(lambda: one.seen() == [0, 1])
    assert mapping


def age_records(aws: EmbeddedAws, seconds: float) -> None:
    """Have all records have arrived earlier."""
    with closing(sqlite3.connect(aws.state_dir / "streams.db", timeout=10)) as database, database:
        database.execute("UPDATE records SET arrival = arrival - ?", (seconds,))


def test_records_too_old_are_given_up_whatever_the_retries(
    embedded_aws: EmbeddedAws, pipeline: Make, queue: Queue, eventually: Eventually
) -> None:
    one = pipeline(actions=["sqs:SendMessage"])
    one.put({"id": 0})
    age_records(embedded_aws, 30)
    one.put({"id": 1, "poison": True})
    age_records(embedded_aws, 57.5)
    one.put({"id": 2})
    one.map(
        BatchSize=1,
        MaximumRecordAgeInSeconds=60,
        DestinationConfig={"OnFailure": {"Destination": queue.arn}},
    )
    eventually(lambda: one.seen() and one.seen()[-1] == 2)
    told: list[dict[str, Any]] = []

    def both() -> bool:
        told.extend(queue.take())
        return len(told) == 2

    eventually(both)
    assert {message["requestContext"]["condition"] for message in told} == {"RecordAgeExceeded"}
    never, retried = told
    assert never["requestContext"]["approximateInvokeCount"] == 0
    assert retried["requestContext"]["approximateInvokeCount"] == one.seen().count(1) > 1
    assert 0 not in one.seen()


@pytest.mark.parametrize("lanes", [1, 4])
def test_order_per_key_whatever_runs_at_once(
    lanes: int, pipeline: Make, eventually: Eventually
) -> None:
    one = pipeline(shards=2)
    # Long enough for a loaded machine to start the next lane meanwhile.
    pause = 0.15
    one.put(*({"id": i, "key": f"k{i % 7}", "sleep": pause} for i in range(70)))
    one.map(ParallelizationFactor=lanes, BatchSize=5)
    eventually(lambda: len(one.seen()) == 70)
    for key in range(7):
        of_key = [number for number in one.seen() if number % 7 == key]
        assert of_key == sorted(of_key)
    calls = [call for call in one.invocations() if call["shard"] == "shardId-000000000000"]
    overlaps = sum(b["started"] < a["started"] + pause for a, b in itertools.pairwise(calls))
    assert (overlaps > 0) == (lanes > 1)


def test_another_number_of_lanes_repeats_nothing(
    pipeline: Make, client: Client, eventually: Eventually
) -> None:
    one = pipeline(timeout=60)  # one that is over would repeat its batch
    mapping = one.map(ParallelizationFactor=8)
    one.put(*numbered(*range(20)))  # all of one key, so of one lane
    eventually(lambda: len(one.seen()) == 20)
    client("lambda").update_event_source_mapping(UUID=mapping, ParallelizationFactor=2)
    one.put(*({"id": i, "key": f"k{i}"} for i in range(20, 60)))
    eventually(lambda: {*one.seen()} == {*range(60)})
    # What is put while lanes are exchanged may come twice; what was done before does not.
    assert sorted(number for number in one.seen() if number < 20) == list(range(20))


def test_resharding_loses_nothing(pipeline: Make, client: Client, eventually: Eventually) -> None:
    one, kinesis = pipeline(), client("kinesis")
    mapping = one.map(Enabled=False)
    one.put(*({"id": i, "key": f"k{i}"} for i in range(20)))
    kinesis.split_shard(
        StreamName=one.name,
        ShardToSplit="shardId-000000000000",
        NewStartingHashKey=str(2**127),
    )
    one.put(*({"id": i, "key": f"k{i}"} for i in range(20, 40)))
    client("lambda").update_event_source_mapping(UUID=mapping, Enabled=True)
    eventually(lambda: len(one.seen()) == 40)
    assert sorted(one.seen()) == list(range(40))
    assert {call["shard"] for call in one.invocations()} == {
        f"shardId-{number:012d}" for number in range(3)
    }


def test_starting_positions(
    embedded_aws: EmbeddedAws, pipeline: Make, eventually: Eventually
) -> None:
    one = pipeline()
    one.put({"id": 0})
    age_records(embedded_aws, 100)
    one.put({"id": 1})
    moment = time.time() - 50
    mapping = one.map(StartingPosition="AT_TIMESTAMP", StartingPositionTimestamp=moment)
    eventually(lambda: one.seen() == [1])
    one._lambda.delete_event_source_mapping(UUID=mapping)
    one.map(StartingPosition="LATEST")
    one.put({"id": 2})
    eventually(lambda: 2 in one.seen())
    assert one.seen() == [1, 2]


def test_filters_let_only_matching_records_through(pipeline: Make, eventually: Eventually) -> None:
    one = pipeline()
    one.put(*({"id": i, "kind": "ab"[i % 2]} for i in range(10)))
    pattern = json.dumps({"data": {"kind": ["b"]}})
    one.map(FilterCriteria={"Filters": [{"Pattern": pattern}]})
    eventually(lambda: one.seen() == [1, 3, 5, 7, 9])
    one.put(*({"id": i, "kind": "a"} for i in range(3)), {"id": 11, "kind": "b"})
    eventually(lambda: one.seen() == [1, 3, 5, 7, 9, 11])
