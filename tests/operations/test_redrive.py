"""What a consumer gave up on goes onto its stream again, or stays in the queue."""

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from operations.errors import OperationError
from operations.redrive import redrive
from operations.target import Target
from tests.local_aws.events.test_delivery import Function

# Parts of the outputs' names: a function, where it takes events from, and its failures.
FUNCTIONS = ("Deployment", "Retraining", "Refresh")
EVENTS = ("", "Failures", "Undelivered")
SHARD = "shardId-000000000000"


@dataclass(frozen=True)
class Surroundings:
    """A stream, its two queues of failures, and the target that knows them."""

    target: Target
    stream: str
    queues: dict[str, str]
    events: dict[tuple[str, str], str]

    def put(self, *keys: str) -> list[str]:
        """Put a record a key; their sequence numbers."""
        kinesis = self.target.client("kinesis")
        return [
            kinesis.put_record(StreamName=self.stream, PartitionKey=key, Data=key.encode())[
                "SequenceNumber"
            ]
            for key in keys
        ]

    def fail(self, first: str, last: str, size: int, queue: str = "Customer") -> None:
        """What Lambda sends when it gives up a batch."""
        info = {
            "shardId": SHARD,
            "startSequenceNumber": first,
            "endSequenceNumber": last,
            "batchSize": size,
            "streamArn": f"arn:aws:kinesis:us-east-1:000000000000:stream/{self.stream}",
        }
        self.target.client("sqs").send_message(
            QueueUrl=self.queues[queue], MessageBody=json.dumps({"KinesisBatchInfo": info})
        )

    def records(self) -> list[str]:
        """The keys of what is on the stream, in order."""
        kinesis = self.target.client("kinesis")
        iterator = kinesis.get_shard_iterator(
            StreamName=self.stream, ShardId=SHARD, ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        return [
            record["PartitionKey"]
            for record in kinesis.get_records(ShardIterator=iterator)["Records"]
        ]

    def waiting(self) -> int:
        """How many messages are in the queues, taken ones among them."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        return sum(
            int(count)
            for url in self.queues.values()
            for count in self.target.client("sqs")
            .get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
            .values()
        )


@pytest.fixture
def around(target_with: Callable[..., Target]) -> Surroundings:
    stream, nowhere = f"test-{uuid.uuid4().hex[:8]}", target_with()
    nowhere.client("kinesis").create_stream(StreamName=stream, ShardCount=1)
    queues: dict[str, str] = {
        entity: nowhere.client("sqs").create_queue(QueueName=f"{stream}-{entity}")["QueueUrl"]
        for entity in ("Customer", "Terminal")
    }
    outputs = {f"{entity}FailuresQueueUrl": url for entity, url in queues.items()}
    events = {
        (name, kind): new_queue(nowhere, f"{stream}-{name}-{kind}", kind)
        for name in FUNCTIONS
        for kind in EVENTS
    }
    outputs |= {f"{name}{kind}QueueUrl": url for (name, kind), url in events.items()}
    return Surroundings(target_with(**outputs), stream, queues, events)


def new_queue(target: Target, name: str, kind: str) -> str:
    """As the stacks have them: EventBridge's own dead letters are the only unordered ones."""
    fifo = (
        {} if kind == "Undelivered" else {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    )
    suffix = ".fifo" if fifo else ""
    url: str = target.client("sqs").create_queue(QueueName=f"{name}{suffix}", Attributes=fifo)[
        "QueueUrl"
    ]
    return url


def test_nothing_that_failed_is_nothing_to_do(around: Surroundings) -> None:
    nothing = {
        "records": {},
        "deployment_events": 0,
        "retraining_events": 0,
        "refresh_events": 0,
        "analysis_events": 0,
    }
    assert redrive(around.target) == nothing


def test_a_batch_goes_onto_its_stream_again_in_order(around: Surroundings) -> None:
    numbers = around.put("a", "b", "c", "b", "d")
    around.fail(numbers[1], numbers[3], 3)
    assert redrive(around.target)["records"] == {around.stream: 3}
    before, again = around.records()[:5], around.records()[5:]
    assert before == ["a", "b", "c", "b", "d"]
    assert sorted(again) == ["b", "b", "c"]
    assert around.waiting() == 0


def test_both_queues_are_emptied(around: Surroundings) -> None:
    numbers = around.put("a", "b")
    around.fail(numbers[0], numbers[0], 1)
    around.fail(numbers[1], numbers[1], 1, "Terminal")
    assert redrive(around.target)["records"] == {around.stream: 2}
    assert around.waiting() == 0


def test_what_the_stream_has_no_more_stays_and_is_said(around: Surroundings) -> None:
    numbers = around.put("a")
    around.fail(numbers[0], numbers[0], 2)
    with pytest.raises(OperationError, match=r"must still hold the 2 records .*, got 1; "):
        redrive(around.target)
    assert around.waiting() == 1
    assert around.records() == ["a"]


def test_what_fails_meanwhile_waits_for_the_next_time(
    around: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = around.put("a")
    around.fail(numbers[0], numbers[0], 1)
    asked: list[Any] = []

    def failing_again(client: Any, stream: str, entries: Any) -> dict[int, str]:
        asked.append(list(entries))
        around.fail(numbers[0], numbers[0], 1)
        return {}

    monkeypatch.setattr("operations.redrive.put_all", failing_again)
    redrive(around.target)
    assert len(asked) == 1
    assert around.waiting() == 1


def test_a_function_without_a_queue_is_invoked_again(
    around: Surroundings, target_with: Callable[..., Target]
) -> None:
    """By what EventBridge could not deliver, and by what the function itself gave up on."""
    sqs = around.target.client("sqs")
    url = sqs.create_queue(QueueName=f"{around.stream}-Retry")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    function = Function(around.target.client, arn["QueueArn"])
    event = {"source": "aws.sagemaker", "id": uuid.uuid4().hex}
    record = {"version": "1.0", "requestContext": {"condition": "RetriesExhausted"}}
    for body in (event, {**record, "requestPayload": event}):
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps(body))
    outputs = {"AnalysisRetryFailuresQueueUrl": url, "AnalysisRetryFunctionName": function.bucket}
    target = target_with(**around.target.outputs, **outputs)
    assert redrive(target)["analysis_events"] == 2
    until = time.monotonic() + 30
    while len(function.invocations()) < 2 and time.monotonic() < until:
        time.sleep(0.05)
    assert function.invocations() == [event, event]
    assert redrive(target)["analysis_events"] == 0


@pytest.mark.parametrize("name", FUNCTIONS)
def test_events_that_were_given_up_go_onto_their_queue_again(
    around: Surroundings, name: str
) -> None:
    sqs = around.target.client("sqs")
    queue, failures, undelivered = (around.events[name, kind] for kind in EVENTS)
    events = [json.dumps({"id": uuid.uuid4().hex}) for _ in range(3)]
    sqs.send_message(QueueUrl=undelivered, MessageBody=events[0])
    for event in events[1:]:
        # As after the first time: the queue must not take it for a duplicate.
        for url in (queue, failures):
            sqs.send_message(QueueUrl=url, MessageBody=event, MessageGroupId="all")
    for _ in events[1:]:
        (taken,) = sqs.receive_message(QueueUrl=queue)["Messages"]
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=taken["ReceiptHandle"])
    done = redrive(around.target)
    assert {each: done[f"{each.lower()}_events"] for each in FUNCTIONS} == {
        each: 3 if each == name else 0 for each in FUNCTIONS
    }
    found = []
    while messages := sqs.receive_message(QueueUrl=queue).get("Messages"):
        found += [message["Body"] for message in messages]
        for message in messages:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    assert sorted(found) == sorted(events)
    for url in (failures, undelivered):
        assert "Messages" not in sqs.receive_message(QueueUrl=url)
