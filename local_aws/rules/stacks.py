"""CloudFormation: where a request's template and parameters come from.

The texts are AWS's recorded answers (localstack, tests/aws/services/cloudformation; moto,
tests/test_cloudformation/test_cloudformation_stack_crud.py).
"""

import json
from collections.abc import Mapping
from typing import Any

from local_aws.adapter.cloudformation import deployments
from local_aws.adapter.operations import Refusal
from local_aws.guesses import Guess, guessed

_PLACES = ("TemplateBody", "TemplateURL")


def _invalid(words: str) -> Refusal:
    return Refusal("ValidationError", words, 400)


def _template(given: Mapping[str, Any]) -> Refusal | None:
    """ "You must specify only TemplateBody or TemplateURL" (CloudFormation API Reference)."""
    places = [name for name in _PLACES if given.get(name)]
    if given.get("UsePreviousTemplate"):
        if places:
            return _invalid(
                "You cannot specify both usePreviousTemplate and Template Body/Template URL."
            )
    elif not places:
        return _invalid("Either Template URL or Template Body must be specified.")
    if len(places) > 1:
        return _invalid(
            guessed("Only one of TemplateBody and TemplateURL may be given", Guess.UNSEEN)
        )
    for parameter in given.get("Parameters", ()):
        if parameter.get("UsePreviousValue") and parameter.get("ParameterValue"):
            return _invalid(
                f"Invalid input for parameter key {parameter.get('ParameterKey')}. Cannot specify "
                "usePreviousValue as true and non empty value for a parameter"
            )
    return None


def _deployed(given: Mapping[str, Any]) -> Refusal | None:
    """Stacks are made in the standard way alone."""
    wanted = given.get("DeploymentConfig") or {}
    if wanted.get("Mode", "STANDARD") != "STANDARD" or wanted.get("DisableRollback"):
        return _invalid("DeploymentConfig must have the Mode STANDARD alone on the embedded AWS")
    return None


def _made(given: Mapping[str, Any]) -> Refusal | None:
    return _template(given) or _deployed(given) or _policy(given)


def _change_set(given: Mapping[str, Any]) -> Refusal | None:
    name = str(given["StackName"])
    if given.get("ChangeSetType") == "CREATE" and deployments.is_made(name):
        again = f"cannot be created again with the changeSet [{given['ChangeSetName']}]."
        return _invalid(f"Stack [{name}] already exists and {again}")
    return _made(given)


def _policy(given: Mapping[str, Any]) -> Refusal | None:
    body = given.get("StackPolicyBody")
    if body is not None and "StackPolicyURL" in given:
        return _invalid("You cannot specify both StackPolicyURL and StackPolicyBody")
    try:
        document = {"Statement": []} if body is None else json.loads(body)
    except ValueError:
        document = None
    if not isinstance(document, dict) or not isinstance(document.get("Statement"), list):
        return _invalid("Error validating stack policy: Invalid stack policy")
    return None


RULES = {
    "CreateChangeSet": _change_set,
    "CreateStack": _made,
    "DeleteStack": _deployed,
    "SetStackPolicy": _policy,
    "UpdateStack": _made,
}
