"""SQS: names, policies and dead-letter queues (SQS API Reference, CreateQueue)."""

import json
import re
import time
from collections.abc import Mapping
from typing import Any

from local_aws.adapter import lookups
from local_aws.adapter.operations import Refusal
from local_aws.guesses import Guess, guessed
from local_aws.rules import message_attributes, resource_policies

_MOST_RECEIVES = 1000
_PAUSE, _TAGS = 60.0, 50
_OF_FIFO = ("ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit")
# When queues were purged and deleted, by their names.
_purged: dict[str, float] = {}
_deleted: dict[str, float] = {}


def _create(given: Mapping[str, Any]) -> Refusal | None:
    name, attributes = str(given["QueueName"]), given.get("Attributes") or {}
    fifo = str(attributes.get("FifoQueue", "false")).lower() == "true"
    form = r"[A-Za-z0-9_-]{1,75}\.fifo" if fifo else r"[A-Za-z0-9_-]{1,80}"
    if re.fullmatch(form, name) is None:
        words = (
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
        )
        if fifo:
            words = (
                "The name of a FIFO queue can only include alphanumeric characters, hyphens, or "
                "underscores, must end with .fifo suffix and be 1 to 80 in length."
            )
        return Refusal("InvalidParameterValue", words, 400)
    if time.time() - _deleted.get(name, 0.0) < _PAUSE:
        # "If you delete a queue, you must wait at least 60 seconds before creating a queue with
        # the same name" (DeleteQueue).
        words = "You must wait 60 seconds after deleting a queue before you can create another "
        code = "AWS.SimpleQueueService.QueueDeletedRecently"
        return Refusal(code, f"{words}with the same name.", 400)
    of_fifo = [each for each in attributes if each in _OF_FIFO and not fifo]
    if of_fifo:
        return Refusal("InvalidAttributeName", f"Unknown Attribute {of_fifo[0]}.", 400)
    return _attributes({**given, "QueueUrl": name})


def _attributes(given: Mapping[str, Any]) -> Refusal | None:
    attributes = given.get("Attributes") or {}
    policy, redrive = attributes.get("Policy"), attributes.get("RedrivePolicy")
    if policy and (refused := resource_policies.queue(policy)) is not None:
        return refused
    fifo = str(given.get("QueueUrl", "")).endswith(".fifo")  # a template's has none
    return _redrive(redrive, fifo=fifo) if redrive else None


def _redrive(text: str, *, fifo: bool) -> Refusal | None:
    """In the words of public failures: "Value {...} for parameter RedrivePolicy is invalid."."""
    document = _document(text) or {}
    count = str(document.get("maxReceiveCount", ""))
    if not count.isdecimal() or not 1 <= int(count) <= _MOST_RECEIVES:
        valid = f"valid values are from 1 to {_MOST_RECEIVES} both inclusive."
        reason = f"Invalid value for maxReceiveCount: {count}, {valid}"
    elif not lookups.queue_exists(str(document.get("deadLetterTargetArn", ""))):
        reason = "Dead letter target does not exist."
    elif str(document["deadLetterTargetArn"]).endswith(".fifo") != fifo:
        # "The dead-letter queue of a FIFO queue must also be a FIFO queue" (CreateQueue).
        reason = "Dead-letter queue must be same type of queue as the source."
    else:
        return None
    words = f"Value {text} for parameter RedrivePolicy is invalid. Reason: {reason}"
    return Refusal("InvalidParameterValue", words, 400)


def _document(text: Any) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _bounded(name: str, most: int) -> Any:
    """A rule that holds a parameter to its range."""

    def rule(given: Mapping[str, Any]) -> Refusal | None:
        value = int(given.get(name) or 0)
        if 0 <= value <= most:
            return None
        words = f"Value {value} for parameter {name} is invalid. Reason: Must be >= 0 and <= {most}"
        return Refusal("InvalidParameterValue", f"{words}, if provided.", 400)

    return rule


def _receive(given: Mapping[str, Any]) -> Refusal | None:
    refused: Refusal | None = _bounded("WaitTimeSeconds", 20)(given)
    return refused or _bounded("VisibilityTimeout", 43_200)(given)


def _send(given: Mapping[str, Any]) -> Refusal | None:
    name = "MessageDeduplicationId"
    if name in given and not str(given["QueueUrl"]).endswith(".fifo"):
        # Recorded of DelaySeconds (localstack/localstack, tests/aws, test_sqs.snapshot.json).
        reason = "The request include parameter that is not valid for this queue type."
        words = f"Value {given[name]} for parameter {name} is invalid. Reason: {reason}"
        return Refusal("InvalidParameterValue", words, 400)
    attributes = given.get("MessageAttributes") or {}
    problem = message_attributes.problem(attributes, most=message_attributes.OF_QUEUES)
    if problem is not None:
        return Refusal("InvalidParameterValue", problem, 400)
    refused: Refusal | None = _bounded("DelaySeconds", 900)(given)
    return refused


def _purge(given: Mapping[str, Any]) -> Refusal | None:
    """ "You can't purge again within 60 seconds" (PurgeQueue, PurgeQueueInProgress)."""
    name, now = str(given["QueueUrl"]).rpartition("/")[2], time.time()
    if now - _purged.get(name, 0.0) < _PAUSE:
        words = f"Only one PurgeQueue operation on {name} is allowed every 60 seconds."
        return Refusal("AWS.SimpleQueueService.PurgeQueueInProgress", words, 403)
    _purged[name] = now
    return None


def _delete(given: Mapping[str, Any]) -> None:
    name = str(given["QueueUrl"]).rpartition("/")[2]
    if lookups.queue_exists(f":{name}"):
        _deleted[name] = time.time()
        _purged.pop(name, None)


def _tags(given: Mapping[str, Any]) -> Refusal | None:
    if len(given["Tags"]) <= _TAGS:
        return None
    words = guessed(f"A queue has {_TAGS} tags at most.", Guess.WORDS)
    return Refusal("InvalidParameterValue", words, 400)


RULES = {
    "ChangeMessageVisibility": _bounded("VisibilityTimeout", 43_200),
    "CreateQueue": _create,
    "DeleteQueue": _delete,
    "PurgeQueue": _purge,
    "ReceiveMessage": _receive,
    "SendMessage": _send,
    "SetQueueAttributes": _attributes,
    "TagQueue": _tags,
}
