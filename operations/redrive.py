"""Giving functions again what they gave up on.

A queue of a consumer's failures holds no records: each message says where in the stream they are.
They are put onto the same stream once more, behind what came meanwhile, which a state does not
mind. What the functions that deploy and retrain models gave up on is an event itself: it is put
onto that function's queue once more. Functions without a queue of events are invoked with it.
"""

import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from operations.errors import OperationError
from operations.target import Target
from pipeline_code.contracts.outputs import function_output, queue_output
from pipeline_code.stream.producing import Entry, put_all

_QUEUES = tuple(queue_output(name, "Failures") for name in ("Customer", "Terminal"))
# Functions with a queue of events: how the names of its outputs begin. All messages of a queue are
# of one group, so that they are handled in order.
_QUEUED = ("Deployment", "Retraining", "Refresh")
_GROUP = "all"
# A function that events start at once.
_INVOKED = "AnalysisRetry"
# Longer than reading a batch takes: the message must not come a second time meanwhile.
_HIDDEN_SECONDS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterBatch:
    """Where records are that a consumer gave up on."""

    stream: str
    shard: str
    first: str
    last: str
    size: int

    @classmethod
    def of(cls, message: str) -> "DeadLetterBatch":
        """What a message of a queue of failures says.

        Raises:
            KeyError: It is not one of Lambda's.
        """
        found = json.loads(message)["KinesisBatchInfo"]
        return cls(
            stream=found["streamArn"].rpartition("/")[2],
            shard=found["shardId"],
            first=found["startSequenceNumber"],
            last=found["endSequenceNumber"],
            size=found["batchSize"],
        )


def redrive(target: Target) -> dict[str, Any]:
    """Empty all queues of failures; how much went onto each stream, and each queue of events.

    Raises:
        OperationError: If a stream has not all of a batch any more, or does not take it; its
            message stays.
    """
    sqs, kinesis = target.client("sqs"), target.client("kinesis")
    counts: dict[str, int] = {}
    for output in _QUEUES:
        url = target.output(output)
        for message in _messages(sqs, url):
            batch = DeadLetterBatch.of(message["Body"])
            counts[batch.stream] = counts.get(batch.stream, 0) + _put_again(kinesis, batch)
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    # Without monitoring there are some of them not.
    events = {
        f"{name.lower()}_events": _handle_again(target, sqs, name)
        for name in _QUEUED
        if queue_output(name) in target.outputs
    }
    again = 0
    if queue_output(_INVOKED, "Failures") in target.outputs:
        again = _invoke_again(target, sqs)
    return {"records": counts, **events, "analysis_events": again}


def _invoke_again(target: Target, sqs: Any) -> int:
    """How many events the function without a queue of them was invoked with again."""
    url, count = target.output(queue_output(_INVOKED, "Failures")), 0
    for message in _messages(sqs, url):
        found = json.loads(message["Body"])
        # EventBridge keeps the event as it is, Lambda wraps it (Lambda Developer Guide, "Retaining
        # records of asynchronous invocations").
        event = found["requestPayload"] if "requestContext" in found else found
        target.client("lambda").invoke(
            FunctionName=target.output(function_output(_INVOKED)),
            InvocationType="Event",
            Payload=json.dumps(event),
        )
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        count += 1
    return count


def _handle_again(target: Target, sqs: Any, name: str) -> int:
    """How many events went onto a function's queue again."""
    count = 0
    for kind in ("Failures", "Undelivered"):
        url = target.output(queue_output(name, kind))
        for message in _messages(sqs, url):
            sqs.send_message(
                QueueUrl=target.output(queue_output(name)),
                MessageBody=message["Body"],
                MessageGroupId=_GROUP,
                # By its content the queue would take it for what it had before.
                MessageDeduplicationId=uuid.uuid4().hex,
            )
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            count += 1
    return count


def _messages(sqs: Any, url: str) -> Iterator[dict[str, Any]]:
    """What was in the queue when it was asked first: what fails again must not come round again."""
    begun = time.time() * 1000
    while True:
        received = sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=_HIDDEN_SECONDS,
            MessageSystemAttributeNames=["SentTimestamp"],
        ).get("Messages", [])
        if not received:
            return
        for message in received:
            if int(message["Attributes"]["SentTimestamp"]) > begun:
                sqs.change_message_visibility(
                    QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
                )
                return
            yield message


def _put_again(kinesis: Any, batch: DeadLetterBatch) -> int:
    entries = [Entry(each["PartitionKey"], each["Data"]) for each in _records(kinesis, batch)]
    if len(entries) < batch.size:
        raise OperationError(
            f"stream {batch.stream} must still hold the {batch.size} records from "
            f"{batch.first} on, got {len(entries)}; the lake has their events: "
            "`fraudloop train` brings the states up to it"
        )
    refused = put_all(kinesis, batch.stream, entries)
    if refused:
        raise OperationError(
            f"stream {batch.stream} must take every record, got {len(refused)} refused: "
            f"{next(iter(refused.values()))}; run it again"
        )
    return len(entries)


def _records(kinesis: Any, batch: DeadLetterBatch) -> Iterator[dict[str, Any]]:
    iterator = kinesis.get_shard_iterator(
        StreamName=batch.stream,
        ShardId=batch.shard,
        ShardIteratorType="AT_SEQUENCE_NUMBER",
        StartingSequenceNumber=batch.first,
    )["ShardIterator"]
    while iterator is not None:
        answer = kinesis.get_records(ShardIterator=iterator)
        for record in answer["Records"]:
            if int(record["SequenceNumber"]) > int(batch.last):
                return
            yield record
        if not answer["Records"] and answer["MillisBehindLatest"] == 0:
            return
        iterator = answer.get("NextShardIterator")
