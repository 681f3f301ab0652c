"""A function that takes from a queue, first in first out: what is given back, again, and up."""

import io
import json
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.local_aws.events.test_delivery import role

Client = Callable[[str], Any]
Eventually = Callable[[Callable[[], Any]], Any]

# Writes down what it was given, then does as it is told for as long as it is told.
CODE = """
import json, os, time, boto3

def handler(event, context):
    (record,) = event["Records"]
    told, count = json.loads(record["body"]), int(record["attributes"]["ApproximateReceiveCount"])
    def note(kind):
        boto3.client("s3").put_object(Bucket=os.environ["BUCKET"], Key=f"{time.time_ns()}",
            Body=json.dumps({"kind": kind, "name": told["name"], "count": count}).encode())
    note("begun")
    time.sleep(told.get("sleep", 0))
    note("ended")
    if count > told.get("times", 0):
        return {"batchItemFailures": []}
    if "seconds" in told:
        boto3.client("sqs").change_message_visibility(QueueUrl=os.environ["QUEUE"],
            ReceiptHandle=record["receiptHandle"], VisibilityTimeout=told["seconds"])
    if told.get("raises"):
        raise RuntimeError("told to")
    return {"batchItemFailures": [{"itemIdentifier": record["messageId"]}]}
"""


@dataclass
class Mapped:
    """A queue with dead letters, and the function that takes from it."""

    client: Client
    bucket: str
    url: str
    dead_letters: str

    def send(self, name: str, **told: Any) -> None:
        self.client("sqs").send_message(
            QueueUrl=self.url, MessageBody=json.dumps({"name": name, **told}), MessageGroupId="all"
        )

    def notes(self, kind: str) -> list[tuple[str, int]]:
        """Name and receive count of each message that was begun or ended, in order."""
        return [(note["name"], note["count"]) for note in self._all() if note["kind"] == kind]

    def kinds(self) -> list[str]:
        return [note["kind"] for note in self._all()]

    def dead(self) -> list[str]:
        found = self.client("sqs").receive_message(
            QueueUrl=self.dead_letters, MaxNumberOfMessages=10
        )
        return [json.loads(message["Body"])["name"] for message in found.get("Messages", [])]

    def _all(self) -> list[dict[str, Any]]:
        s3 = self.client("s3")
        keys = [o["Key"] for o in s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])]
        return [
            json.loads(s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())
            for key in sorted(keys)
        ]


@pytest.fixture
def mapped(client: Client) -> Iterator[Mapped]:
    name, sqs = f"test-{uuid.uuid4().hex[:8]}", client("sqs")
    client("s3").create_bucket(Bucket=name)
    fifo = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    dead = sqs.create_queue(QueueName=f"{name}-dead.fifo", Attributes=fifo)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]
    redrive = {"deadLetterTargetArn": arn["QueueArn"], "maxReceiveCount": 3}
    attributes = {**fifo, "VisibilityTimeout": "60", "RedrivePolicy": json.dumps(redrive)}
    url = sqs.create_queue(QueueName=f"{name}.fifo", Attributes=attributes)["QueueUrl"]
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as packed:
        packed.writestr("index.py", CODE)
    actions = ("s3:PutObject", "sqs:*")
    client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.13",
        Handler="index.handler",
        Role=role(client("iam"), "lambda.amazonaws.com", *actions),
        Code={"ZipFile": body.getvalue()},
        Timeout=30,
        Environment={"Variables": {"BUCKET": name, "QUEUE": url}},
    )
    source = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    mapping = client("lambda").create_event_source_mapping(
        EventSourceArn=source["QueueArn"],
        FunctionName=name,
        BatchSize=1,
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )["UUID"]
    yield Mapped(client, name, url, dead)
    client("lambda").delete_event_source_mapping(UUID=mapping)


def test_messages_are_handled_one_by_one_in_order(mapped: Mapped, eventually: Eventually) -> None:
    for name in ("a", "b", "c"):
        mapped.send(name, sleep=0.2)
    eventually(lambda: len(mapped.notes("ended")) == 3)
    assert mapped.notes("begun") == [("a", 1), ("b", 1), ("c", 1)]
    assert mapped.kinds() == ["begun", "ended"] * 3


@pytest.mark.parametrize("raises", [False, True])
def test_what_is_given_back_comes_again_when_it_is_visible_and_holds_its_group_up(
    mapped: Mapped, eventually: Eventually, raises: bool
) -> None:
    begun = time.monotonic()
    mapped.send("a", times=1, seconds=1, raises=raises)
    mapped.send("b")
    eventually(lambda: ("b", 1) in mapped.notes("ended"))
    assert mapped.notes("begun") == [("a", 1), ("a", 2), ("b", 1)]
    assert time.monotonic() - begun >= 1  # not before, and not after the queue's own minute


def test_what_is_given_back_too_often_is_a_dead_letter_and_the_next_goes_on(
    mapped: Mapped, eventually: Eventually
) -> None:
    mapped.send("a", times=9, seconds=0)
    mapped.send("b")
    eventually(lambda: ("b", 1) in mapped.notes("ended"))
    assert mapped.notes("begun") == [("a", 1), ("a", 2), ("a", 3), ("b", 1)]
    assert mapped.dead() == ["a"]
