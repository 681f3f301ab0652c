"""ECR: policies of repositories, lifecycle policies and images that are not there."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from local_aws.adapter import lookups
from local_aws.adapter.operations import Refusal
from local_aws.guesses import Guess, guessed
from local_aws.rules import resource_policies

_RULE = {"action", "description", "rulePriority", "selection"}
_SELECTION = {
    *("countNumber", "countType", "countUnit", "storageClass", "tagPatternList"),
    *("tagPrefixList", "tagStatus"),
}
_COUNTS = ("imageCountMoreThan", "sinceImagePushed")


def _lifecycle(given: Mapping[str, Any]) -> Refusal | None:
    """ "Lifecycle policy template" (ECR User Guide); the words are AWS's where moto has them."""
    found = next(_problems(str(given["lifecyclePolicyText"])), None)
    if found is None:
        return None
    words = (
        "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: 'Lifecycle "
        f"policy validation failure: {found}'"
    )
    return Refusal("InvalidParameterException", words, 400)


def _problems(text: str) -> Iterator[str]:
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        yield "Could not map policyString into LifecyclePolicy."
        return
    rules = document.get("rules")
    if not isinstance(rules, list):
        yield 'object has missing required properties (["rules"])'
        return
    for rule in rules:
        if not isinstance(rule, dict) or not isinstance(rule.get("selection"), dict):
            yield 'object has missing required properties (["selection"])'
            return
        yield from _of_rule(rule)
    priorities = [rule.get("rulePriority") for rule in rules]
    if len({*priorities}) < len(priorities):
        yield guessed("rulePriority must be unique", Guess.WORDS)
    any_tag = [r["rulePriority"] for r in rules if r["selection"].get("tagStatus") == "any"]
    if any_tag and (len(any_tag) > 1 or any_tag[0] < max(priorities)):
        # "A rule with a tagStatus value of any must have the highest value for rulePriority".
        yield guessed("a rule of tagStatus any must come last", Guess.WORDS)


def _of_rule(rule: Mapping[str, Any]) -> Iterator[str]:
    selection = rule["selection"]
    if missing := sorted({"action", "rulePriority", "selection"} - {*rule}):
        yield f"object has missing required properties ({json.dumps(missing)})"
    for unknown in sorted(({*rule} - _RULE) | ({*selection} - _SELECTION)):
        yield (
            "object instance has properties which are not allowed by the schema: "
            f"({json.dumps([unknown])})"
        )
    if (rule.get("action") or {}).get("type") not in ("expire", "transition"):
        yield 'action must have the type (possible values: ["expire"])'
    if not isinstance(rule.get("rulePriority"), int) or rule["rulePriority"] < 1:
        yield "numeric instance is lower than the required minimum (minimum: 1)"
    counted = selection.get("countNumber")
    if selection.get("countType") not in _COUNTS or not isinstance(counted, int) or counted < 1:
        yield "countType and countNumber must be given, the number 1 or more"
    if (selection.get("countType") == "sinceImagePushed") != ("countUnit" in selection):
        yield "countUnit must be given with sinceImagePushed, and only then"
    tags = bool(selection.get("tagPrefixList")) + bool(selection.get("tagPatternList"))
    if tags != (selection.get("tagStatus") == "tagged"):
        yield "tagPrefixList or tagPatternList must be given with tagged, and only then"


def _policy(given: Mapping[str, Any]) -> Refusal | None:
    return resource_policies.repository(str(given["policyText"]))


def _images(given: Mapping[str, Any]) -> Refusal | None:
    repository = str(given["repositoryName"])
    for image in given.get("imageIds") or ():
        digest, tag = image.get("imageDigest"), image.get("imageTag")
        if not lookups.image_exists(repository, digest, tag):
            named = f"imageDigest:'{digest or 'null'}', imageTag:'{tag or 'null'}'"
            words = (
                f"The image with imageId {{{named}}} does not exist within the repository with "
                f"name '{repository}' in the registry with id '{lookups.account()}'"
            )
            return Refusal("ImageNotFoundException", words, 400)
    return None


RULES = {
    "DescribeImages": _images,
    "PutLifecyclePolicy": _lifecycle,
    "SetRepositoryPolicy": _policy,
}
