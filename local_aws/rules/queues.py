"""SQS: names, policies and dead-letter queues (SQS API Reference, CreateQueue)."""

import json
import re
from collections.abc import Mapping
from typing import Any

from local_aws.adapter import lookups
from local_aws.adapter.operations import Refusal
from local_aws.rules import resource_policies

_MOST_RECEIVES = 1000


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
    return _attributes(given)


def _attributes(given: Mapping[str, Any]) -> Refusal | None:
    attributes = given.get("Attributes") or {}
    policy, redrive = attributes.get("Policy"), attributes.get("RedrivePolicy")
    if policy and (refused := resource_policies.queue(policy)) is not None:
        return refused
    return _redrive(redrive) if redrive else None


def _redrive(text: str) -> Refusal | None:
    """The text that botocore users quote: "Value {...} for parameter RedrivePolicy is invalid."."""
    document = _document(text) or {}
    count = str(document.get("maxReceiveCount", ""))
    if not count.isdecimal() or not 1 <= int(count) <= _MOST_RECEIVES:
        reason = "Invalid value for maxReceiveCount: it must be 1 to 1000."
    elif not lookups.queue_exists(str(document.get("deadLetterTargetArn", ""))):
        reason = "Dead letter target does not exist."
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
        reason = "The request includes a parameter that is not valid for this queue type."
        words = f"Value {given[name]} for parameter {name} is invalid. Reason: {reason}"
        return Refusal("InvalidParameterValue", words, 400)
    refused: Refusal | None = _bounded("DelaySeconds", 900)(given)
    return refused


RULES = {
    "ChangeMessageVisibility": _bounded("VisibilityTimeout", 43_200),
    "CreateQueue": _create,
    "ReceiveMessage": _receive,
    "SendMessage": _send,
    "SetQueueAttributes": _attributes,
}
