"""SNS: names, protocols and messages (SNS API Reference, of each operation)."""

import re
from collections.abc import Mapping
from typing import Any

from local_aws.adapter.operations import Refusal
from local_aws.rules import resource_policies

_PROTOCOLS = [
    "http",
    "https",
    "email",
    "email-json",
    "sms",
    "sqs",
    "application",
    "lambda",
    "firehose",
]
_ATTRIBUTES = [
    "DeliveryPolicy",
    "DisplayName",
    "KmsMasterKeyId",
    "Policy",
    "SignatureVersion",
    "TracingConfig",
]
_SUBJECT = 100


def _invalid(words: str) -> Refusal:
    return Refusal("InvalidParameter", f"Invalid parameter: {words}", 400)


def _create(given: Mapping[str, Any]) -> Refusal | None:
    fifo = str((given.get("Attributes") or {}).get("FifoTopic", "false")).lower() == "true"
    end = r"\.fifo" if fifo else ""
    if re.fullmatch(rf"[A-Za-z0-9_-]{{1,256}}{end}", str(given["Name"])) is None:
        return _invalid("Topic Name")
    policy = (given.get("Attributes") or {}).get("Policy")
    return resource_policies.topic(policy) if policy else None


def _subscribe(given: Mapping[str, Any]) -> Refusal | None:
    if given["Protocol"] not in _PROTOCOLS:
        return _invalid(f"Does not support this protocol string: {given['Protocol']}")
    return None


def _publish(given: Mapping[str, Any]) -> Refusal | None:
    if not given["Message"]:
        return _invalid("Empty message")
    subject = given.get("Subject")
    if subject is not None and not (0 < len(subject) <= _SUBJECT and subject.isprintable()):
        return _invalid("Subject")
    return None


def _attribute(given: Mapping[str, Any]) -> Refusal | None:
    if given["AttributeName"] not in _ATTRIBUTES:
        return _invalid("AttributeName")
    if given["AttributeName"] == "Policy":
        return resource_policies.topic(given.get("AttributeValue") or "")
    return None


RULES = {
    "CreateTopic": _create,
    "Publish": _publish,
    "SetTopicAttributes": _attribute,
    "Subscribe": _subscribe,
}
