"""The rules of resources' services for properties that their types' schemas allow.

CloudFormation makes resources by the services' own requests, so what these refuse fails a stack.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from local_aws.adapter import lookups
from local_aws.guesses import Guess, guessed
from local_aws.requests.supported import operations
from local_aws.rules import RULES, buckets
from local_aws.stacks.resource_requests import requests

Properties = Mapping[str, Any]
_Check = Callable[[Properties], str | None]


def problems(kind: str, name: str, properties: Properties) -> Iterator[str]:
    """Why a resource cannot be made of its properties.

    Args:
        kind: Its type.
        name: Its name, or the one that it is going to get.
        properties: Those that its type's schema allows.
    """
    for each in operations()["unread_properties"].get(kind, ()):
        if each in properties:
            yield f"{each} of {kind} is not supported by the embedded AWS; leave it out"
    for service, operation, given in requests(kind, name, properties):
        refused = RULES[service, operation](given)
        if refused is not None:
            yield _of_handler(refused.message)
    check = _CHECKS.get(kind)
    if check is not None and (found := check(properties)) is not None:
        yield _of_handler(found)


def _of_handler(words: str) -> str:
    return f'Resource handler returned message: "{words}" (HandlerErrorCode: InvalidRequest)'


def _subscription(properties: Properties) -> str | None:
    topic = str(properties.get("TopicArn"))
    return None if lookups.topic_exists(topic) else f"Topic does not exist: {topic}"


def _of_a_function(properties: Properties) -> str | None:
    name = str(properties["FunctionName"])
    if lookups.function_exists(name):
        return None
    return f"Function not found: {name}"


def _alias(properties: Properties) -> str | None:
    version = str(properties["FunctionVersion"])
    missing = _of_a_function(properties)
    if missing is None and not lookups.has_version(str(properties["FunctionName"]), version):
        return f"Function not found: {properties['FunctionName']}:{version}"
    return missing


def _bucket(properties: Properties) -> str | None:
    """ "You can't specify ACLs" where the owner of the bucket owns all (S3 User Guide, "Controlling
    ownership of objects"); of those that grant nothing, AWS takes these two.
    """
    if properties.get("AccessControl", "Private") in ("Private", "BucketOwnerFullControl"):
        return None
    return (
        "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting; no other "
        "AccessControl is supported by the embedded AWS"
    )


def _bucket_policy(properties: Properties) -> str | None:
    bucket, document = str(properties["Bucket"]), properties["PolicyDocument"]
    if not lookups.bucket_exists(bucket):
        return "The specified bucket does not exist"
    refused = buckets.policy(
        bucket, document if isinstance(document, str) else json.dumps(document)
    )
    return None if refused is None else refused.message


def _queue_policy(properties: Properties) -> str | None:
    missing = [str(url) for url in properties["Queues"] if not lookups.queue_url_exists(str(url))]
    return f"The specified queue does not exist: {missing[0]}" if missing else None


def _catalog(properties: Properties) -> str | None:
    account = lookups.account()
    if str(properties["CatalogId"]) == account:
        return None
    return f"CatalogId must be {account}, got {properties['CatalogId']}; there is no other account"


def _stream(properties: Properties) -> str | None:
    mode = (properties.get("StreamModeDetails") or {}).get("StreamMode", "PROVISIONED")
    if mode == "ON_DEMAND" and "ShardCount" in properties:
        return guessed("ShardCount must be left out of an on-demand stream", Guess.UNSEEN)
    # "The minimum value is 24 hours" (template reference, AWS::Kinesis::Stream).
    if int(properties.get("RetentionPeriodHours", 24)) < 24:  # noqa: PLR2004
        return "RetentionPeriodHours must be at least 24"
    return None


_CHECKS: dict[str, _Check] = {
    "AWS::Glue::Database": _catalog,
    "AWS::Glue::Table": _catalog,
    "AWS::Kinesis::Stream": _stream,
    "AWS::Lambda::Alias": _alias,
    "AWS::Lambda::EventInvokeConfig": _of_a_function,
    "AWS::Lambda::EventSourceMapping": _of_a_function,
    "AWS::Lambda::Permission": _of_a_function,
    "AWS::Lambda::Version": _of_a_function,
    "AWS::S3::Bucket": _bucket,
    "AWS::S3::BucketPolicy": _bucket_policy,
    "AWS::SNS::Subscription": _subscription,
    "AWS::SQS::QueuePolicy": _queue_policy,
}
