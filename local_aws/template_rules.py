"""Resources of templates held to the rules of the requests that CloudFormation makes for them."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from local_aws.adapter.creations import Asked, Refused, check_templates
from local_aws.adapter.operations import Refusal
from local_aws.rules import RULES, buckets, streams

Given = Mapping[str, Any]

_TYPES = (
    "AWS::ECR::Repository",
    "AWS::Events::Rule",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Policy",
    "AWS::IAM::Role",
    "AWS::IAM::User",
    "AWS::Kinesis::Stream",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
)
# Types whose properties are an operation's parameters.
_LAMBDA = {
    "AWS::Lambda::Alias": "CreateAlias",
    "AWS::Lambda::EventInvokeConfig": "PutFunctionEventInvokeConfig",
    "AWS::Lambda::EventSourceMapping": "UpdateEventSourceMapping",
    "AWS::Lambda::Function": "CreateFunction",
    "AWS::Lambda::Permission": "AddPermission",
}


def install() -> None:
    """Check resources of templates as their requests are checked."""
    check_templates((*_TYPES, *_LAMBDA), refusal)


def refusal(asked: Asked) -> Refused | None:
    """Why a resource's service refuses its properties, or None."""
    found: Refusal | None = None
    if asked.action == "AWS::S3::BucketPolicy":
        found = buckets.policy(str(asked.document.get("Bucket")), _text(asked.document))
    for service, operation, given in requests(asked):
        found = found or RULES[service, operation](given)
    return None if found is None else Refused(found.code, found.message)


def requests(asked: Asked) -> Iterator[tuple[str, str, Given]]:
    """The requests that make a resource, as far as there are rules for them."""
    given, kind = asked.document, asked.action
    if kind.startswith("AWS::IAM::"):
        yield from _of_identity(kind, given, asked.name)
    elif kind == "AWS::Events::Rule":
        yield "events", "PutRule", given
    elif kind == "AWS::Kinesis::Stream" and "ShardCount" in given:
        wanted = {"StreamName": asked.name, "TargetShardCount": given["ShardCount"]}
        stream = streams.found(wanted)
        if stream is not None and len(stream.shards) != int(given["ShardCount"]):
            yield "kinesis", "UpdateShardCount", wanted
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
    elif kind in _LAMBDA:
        yield "lambda", _LAMBDA[kind], given


def _of_identity(kind: str, given: Given, name: str) -> Iterator[tuple[str, str, Given]]:
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


def _text(properties: Given, name: str = "PolicyDocument") -> str:
    document = properties.get(name)
    return document if isinstance(document, str) else json.dumps(document)
