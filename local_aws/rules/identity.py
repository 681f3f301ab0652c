"""IAM and STS: what is attached, and how long sessions last; in the words of public failures."""

from collections.abc import Mapping
from typing import Any

from local_aws.adapter import lookups
from local_aws.adapter.operations import Refusal
from local_aws.guesses import Guess, guessed
from local_aws.policies import grammar as policies

# IAM User Guide, "IAM and AWS STS quotas": characters, white space apart.
_ROLE_INLINE = 10_240
_TRUST = 2_048
_MANAGED = 6_144
_ATTACHED = 10
_CHAINED_SECONDS = 3600


def _role(given: Mapping[str, Any]) -> Refusal | None:
    """Names "are not distinguished by case" (IAM API Reference, CreateRole)."""
    name = str(given["RoleName"])
    if lookups.has_role_in_other_case(name):
        words = f"Role with name {name} already exists."
        return Refusal("EntityAlreadyExists", words, 409)
    return _trust(given)


def _trust(given: Mapping[str, Any]) -> Refusal | None:
    document = str(given.get("AssumeRolePolicyDocument") or given.get("PolicyDocument") or "")
    if policies.size(document) > _TRUST:
        return Refusal("LimitExceeded", f"Cannot exceed quota for ACLSizePerRole: {_TRUST}", 409)
    return _malformed(document, policies.Kind.TRUST)


def _malformed(document: str, kind: policies.Kind) -> Refusal | None:
    found = policies.problem(document, kind)
    return None if found is None else Refusal("MalformedPolicyDocument", found.words, 400)


def _inline(given: Mapping[str, Any]) -> Refusal | None:
    refused = _identity(given)
    name, document = str(given.get("RoleName", "")), str(given["PolicyDocument"])
    others = lookups.role_policy_sizes(name, but=str(given["PolicyName"]))
    if refused is None and others + policies.size(document) > _ROLE_INLINE:
        words = f"Maximum policy size of {_ROLE_INLINE} bytes exceeded for role {name}"
        return Refusal("LimitExceeded", words, 409)
    return refused


def _policy(given: Mapping[str, Any]) -> Refusal | None:
    """Names "are not distinguished by case" (IAM API Reference, CreatePolicy)."""
    name = str(given.get("PolicyName", ""))  # a template's may have none
    if lookups.has_policy_in_other_case(name):
        return Refusal("EntityAlreadyExists", f"A policy called {name} already exists.", 409)
    return _managed(given)


def _managed(given: Mapping[str, Any]) -> Refusal | None:
    """Tags' keys "are not case sensitive" (IAM User Guide, "Rules for tagging in IAM")."""
    keys = [str(tag["Key"]).lower() for tag in given.get("Tags", ())]
    if len(keys) > len({*keys}):
        words = "Duplicate tag keys found. Please note that Tag keys are case insensitive."
        return Refusal("InvalidInput", words, 400)
    if policies.size(str(given["PolicyDocument"])) > _MANAGED:
        return Refusal("LimitExceeded", f"Cannot exceed quota for PolicySize: {_MANAGED}", 409)
    return _malformed(str(given["PolicyDocument"]), policies.Kind.MANAGED)


def _identity(given: Mapping[str, Any]) -> Refusal | None:
    return _malformed(str(given["PolicyDocument"]), policies.Kind.INLINE)


def _assume_role(given: Mapping[str, Any]) -> Refusal | None:
    longest = lookups.session_seconds(str(given["RoleArn"]))
    if longest is not None and int(given.get("DurationSeconds", 0)) > longest:
        words = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        return Refusal("ValidationError", words, 400)
    if lookups.is_session() and int(given.get("DurationSeconds", 0)) > _CHAINED_SECONDS:
        words = (
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by "
            "role chaining"
        )
        return Refusal("ValidationError", words, 400)
    return None


def _attach(given: Mapping[str, Any]) -> Refusal | None:
    arn = str(given["PolicyArn"])
    if lookups.policy_exists(arn):
        kind = "role" if "RoleName" in given else "user"
        name = str(given.get("RoleName") or given.get("UserName"))
        if len({*lookups.attached_policies(kind, name), arn}) <= _ATTACHED:
            return None
        words = f"Cannot exceed quota for PoliciesPer{kind.title()}: {_ATTACHED}"
        return Refusal("LimitExceeded", words, 409)
    words = f"Policy {arn} does not exist or is not attachable."
    return Refusal("NoSuchEntity", words, 404)


def _tags(given: Mapping[str, Any]) -> Refusal | None:
    """ "Tag keys ... cannot start with aws:" (User Guide, "Rules for tagging in IAM and STS")."""
    if any(str(tag["Key"]).lower().startswith("aws:") for tag in given["Tags"]):
        words = guessed("Invalid tag key: the prefix aws: is reserved.", Guess.WORDS)
        return Refusal("InvalidInput", words, 400)
    return None


RULES = {
    "AttachRolePolicy": _attach,
    "AttachUserPolicy": _attach,
    "CreatePolicy": _policy,
    "CreatePolicyVersion": _managed,
    "CreateRole": _role,
    "PutRolePolicy": _inline,
    "PutUserPolicy": _identity,
    "TagRole": _tags,
    "UpdateAssumeRolePolicy": _trust,
}
SESSION_RULES = {"AssumeRole": _assume_role}
