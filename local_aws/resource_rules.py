"""What a resource's service refuses of properties that its type's schema allows.

CloudFormation makes resources by the services' own requests, so what these refuse fails a stack.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from local_aws.adapter import lookups
from local_aws.adapter.operations import Refusal
from local_aws.guesses import Guess, guessed
from local_aws.rules import RULES
from local_aws.supported import operations

Properties = Mapping[str, Any]
_Check = Callable[[Properties], str | None]


def problems(kind: str, properties: Properties) -> Iterator[str]:
    """Why a resource cannot be made of its properties."""
    for name in operations()["unread_properties"].get(kind, ()):
        if name in properties:
            yield f"{name} of {kind} is not supported by the embedded AWS; leave it out"
    check = _CHECKS.get(kind)
    found = check(properties) if check is not None else None
    if found is not None:
        yield f'Resource handler returned message: "{found}" (HandlerErrorCode: InvalidRequest)'


def _as_request(service: str, operation: str, **defaults: Any) -> _Check:
    """A check by the rules of a request that has the properties' names."""

    def check(properties: Properties) -> str | None:
        given = {**defaults, **properties}
        refused: Refusal | None = RULES[service, operation](given)
        return None if refused is None else refused.message

    return check


def _topic(properties: Properties) -> str | None:
    name = properties.get("TopicName")
    return None if name is None else _as_request("sns", "CreateTopic")({"Name": name})


def _subscription(properties: Properties) -> str | None:
    refused = _as_request("sns", "Subscribe")(properties)
    topic = str(properties.get("TopicArn"))
    if refused is None and not lookups.topic_exists(topic):
        return f"Topic does not exist: {topic}"
    return refused


def _dashboard(properties: Properties) -> str | None:
    refused = RULES["monitoring", "PutDashboard"](properties)
    return None if refused is None else refused.message


def _of_a_function(properties: Properties) -> str | None:
    name = str(properties["FunctionName"])
    if lookups.function_exists(name):
        return None
    return f"Function not found: {name}"


def _permission(properties: Properties) -> str | None:
    return _as_request("lambda", "AddPermission")(properties) or _of_a_function(properties)


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
    if lookups.bucket_exists(str(properties["Bucket"])):
        return None
    return "The specified bucket does not exist"


def _queue_policy(properties: Properties) -> str | None:
    missing = [str(url) for url in properties["Queues"] if not lookups.queue_url_exists(str(url))]
    return f"The specified queue does not exist: {missing[0]}" if missing else None


def _catalog(properties: Properties) -> str | None:
    account = lookups.account()
    if str(properties["CatalogId"]) == account:
        return None
    return f"CatalogId must be {account}, got {properties['CatalogId']}; there is no other account"


def _database(properties: Properties) -> str | None:
    name = (properties.get("DatabaseInput") or {}).get("Name", "")
    refused = RULES["glue", "CreateDatabase"]({"DatabaseInput": {"Name": name}})
    return _catalog(properties) or (None if refused is None else refused.message)


def _stream(properties: Properties) -> str | None:
    mode = (properties.get("StreamModeDetails") or {}).get("StreamMode", "PROVISIONED")
    if mode == "ON_DEMAND" and "ShardCount" in properties:
        return guessed("ShardCount must be left out of an on-demand stream", Guess.UNSEEN)
    # "The minimum value is 24 hours" (template reference, AWS::Kinesis::Stream).
    if int(properties.get("RetentionPeriodHours", 24)) < 24:  # noqa: PLR2004
        return "RetentionPeriodHours must be at least 24"
    return None


def _schedule(properties: Properties) -> str | None:
    return _as_request("scheduler", "CreateSchedule")(properties)


def _parameter(properties: Properties) -> str | None:
    value = properties["Value"]
    text = json.dumps(value) if isinstance(value, list | dict) else str(value)
    given = {**properties, "Name": properties.get("Name", "CFN"), "Value": text}
    refused = RULES["ssm", "PutParameter"](given)
    return None if refused is None else refused.message


_CHECKS: dict[str, _Check] = {
    "AWS::CloudWatch::Alarm": _as_request("monitoring", "PutMetricAlarm"),
    "AWS::CloudWatch::Dashboard": _dashboard,
    "AWS::Events::EventBus": _as_request("events", "CreateEventBus"),
    "AWS::Glue::Database": _database,
    "AWS::Glue::Table": _catalog,
    "AWS::Kinesis::Stream": _stream,
    "AWS::Lambda::Alias": _alias,
    "AWS::Lambda::EventInvokeConfig": _of_a_function,
    "AWS::Lambda::EventSourceMapping": _of_a_function,
    "AWS::Lambda::Permission": _permission,
    "AWS::Lambda::Version": _of_a_function,
    "AWS::S3::Bucket": _bucket,
    "AWS::S3::BucketPolicy": _bucket_policy,
    "AWS::SNS::Subscription": _subscription,
    "AWS::SNS::Topic": _topic,
    "AWS::SQS::QueuePolicy": _queue_policy,
    "AWS::SSM::Parameter": _parameter,
    "AWS::Scheduler::Schedule": _schedule,
}
