"""CloudFormation: what requests give twice or wrongly (CloudFormation API Reference)."""

import json
from collections.abc import Mapping
from typing import Any

from local_aws.adapter import deployments
from local_aws.adapter.operations import Refusal


def _invalid(words: str) -> Refusal:
    return Refusal("ValidationError", words, 400)


def _stack(given: Mapping[str, Any]) -> Refusal | None:
    """ "You must specify either ... TemplateBody or TemplateURL, but not both"."""
    if "TemplateBody" in given and "TemplateURL" in given:
        return _invalid(
            "TemplateBody and TemplateURL cannot both be given (the words are a guess)."
        )
    policy = given.get("StackPolicyBody")
    try:
        json.loads(policy or "{}")
    except ValueError:
        return _invalid("Error validating stack policy: Invalid JSON (the words are a guess)")
    return None


def _change_set(given: Mapping[str, Any]) -> Refusal | None:
    name = str(given["StackName"])
    if given.get("ChangeSetType") == "CREATE" and deployments.is_made(name):
        again = f"cannot be created again with the changeSet [{given['ChangeSetName']}]."
        return _invalid(f"Stack [{name}] already exists and {again}")
    return _stack(given)


RULES = {
    "CreateChangeSet": _change_set,
    "CreateStack": _stack,
    "SetStackPolicy": _stack,
    "UpdateStack": _stack,
}
