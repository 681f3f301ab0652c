"""The requests that CloudFormation makes for a resource, as far as there are rules for them."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from local_aws.rules import streams

Properties = Mapping[str, Any]
# Types whose properties are an operation's parameters.
_ALIKE = {
    "AWS::CloudWatch::Alarm": ("monitoring", "PutMetricAlarm"),
    "AWS::CloudWatch::Dashboard": ("monitoring", "PutDashboard"),
    "AWS::Events::EventBus": ("events", "CreateEventBus"),
    "AWS::Events::Rule": ("events", "PutRule"),
    "AWS::Lambda::Alias": ("lambda", "CreateAlias"),
    "AWS::Lambda::EventInvokeConfig": ("lambda", "PutFunctionEventInvokeConfig"),
    "AWS::Lambda::EventSourceMapping": ("lambda", "UpdateEventSourceMapping"),
    "AWS::Lambda::Function": ("lambda", "CreateFunction"),
    "AWS::Lambda::Permission": ("lambda", "AddPermission"),
    "AWS::SNS::Subscription": ("sns", "Subscribe"),
    "AWS::Scheduler::Schedule": ("scheduler", "CreateSchedule"),
}


def requests(kind: str, name: str, given: Properties) -> Iterator[tuple[str, str, Properties]]:
    """Service, operation and parameters of each request.

    Args:
        kind: The resource's type.
        name: Its name, or the one that it is going to get.
        given: Its properties.
    """
    if kind in _ALIKE:
        yield (*_ALIKE[kind], given)
    elif kind.startswith("AWS::IAM::"):
        yield from _of_identity(kind, given, name)
    elif kind == "AWS::Kinesis::Stream" and "ShardCount" in given:
        wanted = {"StreamName": name, "TargetShardCount": given["ShardCount"]}
        stream = streams.found(wanted)
        if stream is not None and len(stream.shards) != int(given["ShardCount"]):
            yield "kinesis", "UpdateShardCount", wanted
    elif kind == "AWS::SNS::Topic" and "TopicName" in given:
        yield "sns", "CreateTopic", {"Name": given["TopicName"]}
    elif kind == "AWS::SNS::TopicPolicy":
        policy = {"AttributeName": "Policy", "AttributeValue": _text(given)}
        yield "sns", "SetTopicAttributes", policy
    elif kind == "AWS::SQS::QueuePolicy":
        yield "sqs", "SetQueueAttributes", {"Attributes": {"Policy": _text(given)}}
    elif kind == "AWS::ECR::Repository":
        if "RepositoryPolicyText" in given:
            text = _text(given, "RepositoryPolicyText")
            yield "ecr", "SetRepositoryPolicy", {"policyText": text}
        if rules := (given.get("LifecyclePolicy") or {}).get("LifecyclePolicyText"):
            yield "ecr", "PutLifecyclePolicy", {"lifecyclePolicyText": rules}
    elif kind == "AWS::Glue::Database":
        database = {"Name": (given.get("DatabaseInput") or {}).get("Name", "")}
        yield "glue", "CreateDatabase", {"DatabaseInput": database}
    elif kind == "AWS::SSM::Parameter":
        value = _text(given, "Value")
        yield "ssm", "PutParameter", {**given, "Name": given.get("Name", "CFN"), "Value": value}


def _of_identity(kind: str, given: Properties, name: str) -> Iterator[tuple[str, str, Properties]]:
    if kind == "AWS::IAM::ManagedPolicy":
        yield "iam", "CreatePolicy", {"PolicyDocument": _text(given)}
    if kind == "AWS::IAM::Role":
        trust = {"PolicyDocument": _text(given, "AssumeRolePolicyDocument")}
        yield "iam", "UpdateAssumeRolePolicy", trust
    own = kind.rpartition("::")[2]
    for owner in ("Role", "User"):
        owners = [name] if owner == own else given.get(f"{owner}s", ())
        inline = [given] if kind == "AWS::IAM::Policy" else given.get("Policies", ())
        for policy in inline if kind != "AWS::IAM::ManagedPolicy" else ():
            for each in owners:
                put = {f"{owner}Name": each, "PolicyName": policy["PolicyName"]}
                yield "iam", f"Put{owner}Policy", {**put, "PolicyDocument": _text(policy)}
    for arn in given.get("ManagedPolicyArns", ()):
        yield "iam", f"Attach{own}Policy", {"PolicyArn": arn}


def _text(properties: Properties, name: str = "PolicyDocument") -> str:
    document = properties.get(name)
    return document if isinstance(document, str) else json.dumps(document)
