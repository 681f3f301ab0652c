"""SNS: names, protocols and messages (SNS API Reference, of each operation)."""

import json
import re
from collections.abc import Mapping
from typing import Any

from local_aws.adapter import lookups
from local_aws.adapter.events import pattern_problem
from local_aws.adapter.operations import Refusal
from local_aws.guesses import Guess, guessed
from local_aws.rules import message_attributes, resource_policies

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
_AT_CREATION = ["ContentBasedDeduplication", "DataProtectionPolicy", "FifoTopic"]
_OF_SUBSCRIPTIONS = [
    "DeliveryPolicy",
    "FilterPolicy",
    "FilterPolicyScope",
    "RawMessageDelivery",
    "RedrivePolicy",
    "ReplayPolicy",
    "SubscriptionRoleArn",
]
_ENDPOINTS = {
    "email": r"[^@\s]+@[^@\s]+",
    "email-json": r"[^@\s]+@[^@\s]+",
    "http": r"http://.+",
    "https": r"https://.+",
    "lambda": r"arn:aws[a-z-]*:lambda:[^:]+:\d{12}:function:.+",
    "firehose": r"arn:aws[a-z-]*:firehose:[^:]+:\d{12}:deliverystream/.+",
    "sms": r"\+?\d+([ -]?\d+)*",
    "sqs": r"arn:aws[a-z-]*:sqs:[^:]+:\d{12}:.+",
}
_SUBJECT = 100


def _invalid(words: str) -> Refusal:
    return Refusal("InvalidParameter", f"Invalid parameter: {words}", 400)


def _create(given: Mapping[str, Any]) -> Refusal | None:
    fifo = str((given.get("Attributes") or {}).get("FifoTopic", "false")).lower() == "true"
    end = r"\.fifo" if fifo else ""
    if re.fullmatch(rf"[A-Za-z0-9_-]{{1,256}}{end}", str(given["Name"])) is None:
        return _invalid("Topic Name")
    attributes = given.get("Attributes") or {}
    unknown = sorted({*attributes} - {*_ATTRIBUTES, *_AT_CREATION})
    if unknown:
        return _invalid(f"Attributes Reason: Unknown attribute {unknown[0]}")
    policy = attributes.get("Policy")
    return resource_policies.topic(policy) if policy else None


def _subscribe(given: Mapping[str, Any]) -> Refusal | None:
    protocol, endpoint = given["Protocol"], str(given.get("Endpoint", ""))
    if protocol not in _PROTOCOLS:
        return _invalid(f"Does not support this protocol string: {protocol}")
    if not _is_arn(given["TopicArn"]):
        return _invalid("TopicArn")
    form = _ENDPOINTS.get(protocol)
    if protocol == "sqs" and not endpoint.startswith("arn:"):
        return _invalid("SQS endpoint ARN")  # recorded (moto, tests/test_sns/test_subscriptions.py)
    if form is not None and re.fullmatch(form, endpoint) is None:
        return _invalid(
            guessed(f"Endpoint Reason: {endpoint} is no {protocol} endpoint", Guess.UNSEEN)
        )
    if endpoint.endswith(".fifo") and not str(given["TopicArn"]).endswith(".fifo"):
        # moto quotes it, with the words twice.
        fifo = "FIFO SQS Queues can not be subscribed to standard SNS topics"
        return _invalid(f"Invalid parameter: Endpoint Reason: {fifo}")
    return _new_attributes(given, protocol, endpoint)


def _new_attributes(given: Mapping[str, Any], protocol: str, endpoint: str) -> Refusal | None:
    attributes = given.get("Attributes") or {}
    for name, value in attributes.items():
        if (refused := _of_subscription(name, str(value))) is not None:
            return refused
    if protocol.startswith("email") and str(attributes.get("RawMessageDelivery")) == "true":
        reason = f"RawMessageDelivery: Delivery protocol [{protocol}] does not support raw message"
        return _invalid(f"Attributes Reason: {reason} delivery.")
    known = lookups.subscription_attributes(str(given["TopicArn"]), protocol, endpoint)
    if known is not None and any(known.get(name) != attributes[name] for name in attributes):
        reason = "Subscription already exists with different attributes"
        return _invalid(f"Attributes Reason: {reason}")
    return None


def _is_arn(text: Any) -> bool:
    return re.fullmatch(r"arn:aws[a-z-]*:sns:[^:]+:\d{12}:.+", str(text)) is not None


def _of_subscription(name: str, value: str) -> Refusal | None:
    """Why a subscription does not have an attribute (SetSubscriptionAttributes)."""
    if name not in _OF_SUBSCRIPTIONS:
        return _invalid("AttributeName")
    if name == "FilterPolicyScope" and value not in ("MessageAttributes", "MessageBody"):
        return _invalid(f"FilterPolicyScope: Invalid value [{value}].")
    if name == "FilterPolicy" and value not in ("", "{}"):
        reason = pattern_problem(value)
        if reason == "Invalid JSON":
            return _invalid("FilterPolicy: failed to parse JSON.")
        if reason is not None:
            return _invalid(f"FilterPolicy: {reason}")
    return None


def _subscription(given: Mapping[str, Any]) -> Refusal | None:
    return _of_subscription(str(given["AttributeName"]), str(given.get("AttributeValue", "")))


def _publish(given: Mapping[str, Any]) -> Refusal | None:
    target = given.get("TopicArn") or given.get("TargetArn")
    if target is None and "PhoneNumber" not in given:
        return _invalid("TopicArn or TargetArn Reason: no value for required parameter")
    if target is not None and not _is_arn(target):
        return _invalid("TopicArn")
    return _message(given, fifo=str(target).endswith(".fifo"))


def _message(given: Mapping[str, Any], *, fifo: bool) -> Refusal | None:
    if not given["Message"]:
        return _invalid("Empty message")
    subject = given.get("Subject")
    if subject is not None and not (0 < len(subject) <= _SUBJECT and subject.isprintable()):
        return _invalid("Subject")
    if fifo and "MessageGroupId" not in given:
        return _invalid("The MessageGroupId parameter is required for FIFO topics")
    if not fifo and "MessageDeduplicationId" in given:
        return _invalid(
            "The request includes MessageDeduplicationId parameter that is not valid for this "
            "topic type"
        )
    words = message_attributes.problem(given.get("MessageAttributes") or {})
    if words is not None:
        return Refusal("ParameterValueInvalid", words, 400)
    return _structured(given["Message"]) if given.get("MessageStructure") == "json" else None


def _batch(given: Mapping[str, Any]) -> Refusal | None:
    """A batch without groups is refused whole (recorded: moto, test_publish_batch.py)."""
    if not str(given["TopicArn"]).endswith(".fifo"):
        return None
    if all("MessageGroupId" in each for each in given["PublishBatchRequestEntries"]):
        return None
    return _invalid("The MessageGroupId parameter is required for FIFO topics")


def _structured(message: str) -> Refusal | None:
    """ "Must be a syntactically valid JSON message, contain at least a top-level JSON key of
    default with a value that is a string" (Publish, MessageStructure).
    """
    try:
        document = json.loads(message)
    except ValueError:
        return _invalid("Message Structure - JSON message body failed to parse")
    if not isinstance(document, dict) or not isinstance(document.get("default"), str):
        return _invalid("Message Structure - No default entry in JSON message body")
    return None


def _unsubscribe(given: Mapping[str, Any]) -> Refusal | None:
    return None if _is_arn(given["SubscriptionArn"]) else _invalid("SubscriptionArn")


def _attribute(given: Mapping[str, Any]) -> Refusal | None:
    if given["AttributeName"] not in _ATTRIBUTES:
        return _invalid("AttributeName")
    if given["AttributeName"] == "Policy":
        return resource_policies.topic(given.get("AttributeValue") or "")
    return None


RULES = {
    "CreateTopic": _create,
    "Publish": _publish,
    "PublishBatch": _batch,
    "SetSubscriptionAttributes": _subscription,
    "SetTopicAttributes": _attribute,
    "Subscribe": _subscribe,
    "Unsubscribe": _unsubscribe,
}
