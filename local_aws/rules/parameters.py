"""Parameter Store (Systems Manager API Reference, PutParameter and GetParametersByPath)."""

import re
from collections.abc import Mapping
from typing import Any

from local_aws.adapter import lookups
from local_aws.adapter.operations import Refusal
from local_aws.guesses import Guess, guessed

_CHARACTERS = {"Advanced": 8192}
_STANDARD = 4096
_LEVELS = 15


def _invalid(words: str) -> Refusal:
    return Refusal("ValidationException", words, 400)


def _put(given: Mapping[str, Any]) -> Refusal | None:
    name, value = str(given["Name"]), str(given["Value"])
    if (refused := _named(name) or _settings(given)) is not None:
        return refused
    if not value:
        constraint = "Member must have length greater than or equal to 1"
        return _invalid(
            f"1 validation error detected: Value '' at 'value' failed to satisfy constraint: "
            f"{constraint}"
        )
    limit = _CHARACTERS.get(given.get("Tier", "Standard"), _STANDARD)
    if len(value) > limit and given.get("Tier") != "Intelligent-Tiering":
        more = "advanced-parameter tier"
        tier = "Standard" if limit == _STANDARD else "Advanced"
        return _invalid(
            f"{tier} tier parameters support a maximum parameter value of {limit} characters. To "
            f"create a larger parameter value, upgrade the parameter to use the {more}. For more "
            "information, see "
            "https://docs.aws.amazon.com/systems-manager/latest/userguide/"
            "parameter-store-advanced-parameters.html"
        )
    pattern = given.get("AllowedPattern")
    if pattern and re.search(pattern, value) is None:
        words = f"Parameter value, cannot be validated against allowedPattern: {pattern}"
        return Refusal("ParameterPatternMismatchException", words, 400)
    known = lookups.parameter_type(name)
    if known is not None and given.get("Type") not in (None, known):
        # "Parameter Store doesn't support changing a parameter type in a hierarchy".
        words = f"Parameter {name} is a {known}, and a parameter's type cannot be changed."
        return Refusal("HierarchyTypeMismatchException", guessed(words, Guess.WORDS), 400)
    return None


def _settings(given: Mapping[str, Any]) -> Refusal | None:
    """Parameters of PutParameter that do not go together (API Reference)."""
    name, tier = str(given["Name"]), given.get("Tier")
    words = None
    if given.get("KeyId") and given.get("Type", lookups.parameter_type(name)) != "SecureString":
        words = guessed("KeyId is only for parameters of the type SecureString.", Guess.WORDS)
    elif given.get("Policies") not in (None, "", "[]", "{}"):
        words = "The embedded AWS does not support parameter policies; leave Policies out"
    elif given.get("DataType", "text") != "text":
        words = (
            f"The following data type is not supported: {given['DataType']} (Data type names are "
            "all lowercase.) The embedded AWS has text only."
        )
    elif tier == "Standard" and lookups.parameter_tier(name) == "Advanced":
        words = (
            "This parameter uses the advanced-parameter tier. You can't downgrade a parameter "
            "from the advanced-parameter tier to the standard-parameter tier."
        )
    elif not _compiles(given.get("AllowedPattern") or ""):
        words = f"Invalid regular expression {given['AllowedPattern']}"
        return Refusal("InvalidAllowedPatternException", words, 400)
    return None if words is None else _invalid(words)


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


def _tagged(given: Mapping[str, Any]) -> Refusal | None:
    if lookups.parameter_type(str(given["ResourceId"])) is not None:
        return None
    words = "The resource ID is not valid. Verify that you entered the correct ID and try again."
    return Refusal("InvalidResourceId", words, 400)


def _named(name: str) -> Refusal | None:
    """ "The following symbols only: a-zA-Z0-9_.-/", at most 15 levels, whole from the root."""
    if re.fullmatch(r"[a-zA-Z0-9_.\-/]+", name) is None:
        words = "Parameter name must consist of letters, digits and the symbols _.-/"
        return _invalid(guessed(words, Guess.WORDS))
    # Systems Manager User Guide, "Creating Systems Manager parameters": "Fully qualified".
    if "/" in name and not name.startswith("/"):
        return _invalid("Parameter name must be a fully qualified name.")
    if name.strip("/").count("/") >= _LEVELS:
        words = f"A hierarchy can have a maximum of {_LEVELS} levels."
        return Refusal("HierarchyLevelLimitExceededException", words, 400)
    # One and the same on AWS: "/a" is found as "a" (moto, tests/test_ssm/test_ssm.py, recorded).
    other = name.removeprefix("/") if name.startswith("/") else f"/{name}"
    if name.count("/") < 2 and lookups.parameter_type(other) is not None:  # noqa: PLR2004
        words = f"The parameter already exists as {other}."
        return Refusal("ParameterAlreadyExists", words, 400)
    return None


def _by_path(given: Mapping[str, Any]) -> Refusal | None:
    if str(given["Path"]).startswith("/"):
        return None
    return _invalid(
        "The parameter doesn't meet the parameter name requirements. The parameter name must "
        'begin with a forward slash "/".'
    )


RULES = {
    "AddTagsToResource": _tagged,
    "GetParametersByPath": _by_path,
    "ListTagsForResource": _tagged,
    "PutParameter": _put,
    "RemoveTagsFromResource": _tagged,
}
