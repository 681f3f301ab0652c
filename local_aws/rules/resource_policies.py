"""Policies of resources: IAM's grammar, what each service adds to it, and how it says so."""

import json
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from local_aws import registry
from local_aws.adapter.operations import Refusal
from local_aws.guesses import Guess, guessed
from local_aws.policies import grammar as policies

# Of a topic's default policy; SNS takes no other action, and no wildcard ("SNS:*" is refused with
# the same words; the default policy's list is in the SNS Developer Guide).
_OF_TOPICS = {
    *("sns:addpermission", "sns:deletetopic", "sns:getdataprotectionpolicy"),
    *("sns:gettopicattributes", "sns:listsubscriptionsbytopic", "sns:publish"),
    *("sns:putdataprotectionpolicy", "sns:receive", "sns:removepermission"),
    *("sns:settopicattributes", "sns:subscribe"),
}
# SQS Developer Guide, "Amazon SQS policy quotas"; cloud-platform-environments #9082 has the words.
_QUEUE_BYTES, _QUEUE_STATEMENTS, _QUEUE_ACTIONS = 8192, 20, 7
_BUCKET_BYTES = 20 * 1024  # S3 User Guide, "Bucket policies ... are limited to 20 KB in size"
_REPOSITORY_BYTES = 10_240  # botocore's model of SetRepositoryPolicy, policyText


def queue(text: str) -> Refusal | None:
    """Why SQS does not take a queue's policy (aws-cdk #13530 and #15602: whatever is wrong)."""
    found = policies.problem(text, policies.Kind.RESOURCE)
    if found is not None or len(text.encode()) > _QUEUE_BYTES or not _all_of(text, "sqs"):
        words = "Invalid value for the parameter Policy."
        return Refusal("InvalidAttributeValue", words, 400)
    statements = policies.statements(json.loads(text))
    counts = [len(policies.listed(each, "Action")) for each in statements]
    if max(counts) > _QUEUE_ACTIONS:
        words = (
            f"{max(counts)} actions were found in a statement from the submitted policy, max "
            f"allowed is {_QUEUE_ACTIONS}"
        )
        return Refusal("OverLimit", words, 403)
    if len(statements) > _QUEUE_STATEMENTS:
        words = f"{len(statements)} statements were found, max allowed is {_QUEUE_STATEMENTS}"
        return Refusal("OverLimit", guessed(words, Guess.WORDS), 403)
    return None


def topic(text: str) -> Refusal | None:
    """Why SNS does not take a topic's policy."""
    found = policies.problem(text, policies.Kind.RESOURCE)
    words = None
    if found is not None:
        # terraform-provider-aws #26041; serverless #5519 and #1591 of the application model.
        words = f"Policy Error: {'PrincipalNotFound' if found.element == 'Principal' else 'null'}"
    elif any(
        action.lower() not in _OF_TOPICS
        for each in policies.statements(json.loads(text))
        for action in policies.listed(each, "Action")
    ):
        words = "Policy statement action out of service scope!"
    return (
        None if words is None else Refusal("InvalidParameter", f"Invalid parameter: {words}", 400)
    )


def repository(text: str) -> Refusal | None:
    """Why ECR does not take a repository's policy (terraform-provider-aws #39064)."""
    found = policies.problem(text, policies.Kind.RESOURCE)
    words = None
    if found is not None and found.element == "Principal":
        words = "Principal not found"
    elif found is not None or len(text) > _REPOSITORY_BYTES or not _all_of(text, "ecr"):
        words = "Invalid repository policy provided"
    elif any("Resource" in each or "NotResource" in each for each in _statements(text)):
        # amazon-ecr-user-guide #20: with the element, it is refused.
        words = "Invalid repository policy provided"
    if words is None:
        return None
    words = f"Invalid parameter at 'PolicyText' failed to satisfy constraint: '{words}'"
    return Refusal("InvalidParameterException", words, 400)


def bucket(name: str, text: str) -> Refusal | None:
    """Why S3 does not take a bucket's policy (versitygw #645, #648 and #650 quote AWS's words)."""
    found = policies.problem(text, policies.Kind.RESOURCE)
    words = None
    if found is not None:
        words = {
            "JSON": "Policies must be valid JSON and the first byte must be '{'",
            "Action": "Policy has invalid action",
            "Principal": "Invalid principal in policy",
            "Resource": "Policy has invalid resource",
        }.get(found.element, found.words)
    elif len(text.encode()) > _BUCKET_BYTES:
        words = "Policy exceeds the maximum allowed document size."
    else:
        words = next(
            filter(None, (_bucket_statement(name, each) for each in _statements(text))), None
        )
    return None if words is None else Refusal("MalformedPolicy", words, 400)


def _bucket_statement(name: str, statement: Mapping[str, Any]) -> str | None:
    arn, resources = f"arn:aws:s3:::{name}", policies.listed(statement, "Resource")
    if not resources:
        return "Missing required field Resource"
    if any(each.partition("/")[0] != arn and each != f"{arn}*" for each in resources):
        return "Policy has invalid resource"
    for action in policies.listed(statement, "Action"):
        kinds = _bucket_kinds(action.lower())
        if not kinds:
            return "Policy has invalid action"
        fits = {
            *(["bucket"] if {arn, f"{arn}*"} & {*resources} else []),
            *(["object"] if any(each != arn for each in resources) else []),
        }
        if not fits & kinds:
            return "Action does not apply to any resource(s) in statement"
    return None


@cache
def _bucket_kinds(pattern: str) -> frozenset[str]:
    """What the actions of a pattern are done to; empty if S3 has none like it."""
    if pattern == "*":
        return frozenset({"bucket", "object"})
    return frozenset(
        kind
        for action, known in registry.actions("s3").items()
        if fnmatchcase(f"s3:{action}", pattern)
        for kind in (*known.get("Resources", ()), "any")
    )


def _statements(text: str) -> list[Mapping[str, Any]]:
    return policies.statements(json.loads(text))


def _all_of(text: str, service: str) -> bool:
    """Whether all actions are of a service, and, where they are no patterns, known to it."""
    known = registry.actions(service)
    return all(
        action == "*"
        or (vendor.lower() == service and (re.search(r"[*?]", name) or name.lower() in known))
        for each in _statements(text)
        for action in policies.listed(each, "Action")
        for vendor, _, name in [action.partition(":")]
    )
