"""Intrinsic functions of templates that CloudFormation refuses before it makes anything.

The texts are those of public failures (cfn-lint #316, #1639; localstack's recorded answers of AWS,
tests/aws/services/cloudformation); where none was found, they say so.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from local_aws.guesses import Guess, guessed

# "Intrinsic function reference" of the template reference.
NAMES = (
    *("And", "Base64", "Cidr", "Equals", "FindInMap", "GetAtt", "GetAZs", "If", "ImportValue"),
    *("Join", "Length", "Not", "Or", "Select", "Split", "Sub", "ToJsonString", "Transform"),
)
# Of conditions alone: in a property, AWS has no value for them.
LOGICAL = ("Fn::And", "Fn::Equals", "Fn::Not", "Fn::Or", "Condition")
_PSEUDO = {
    *("AccountId", "NoValue", "NotificationARNs", "Partition", "Region", "StackId", "StackName"),
    "URLSuffix",
}


def shape_problems(value: Any, conditions: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the arguments of functions in a value.

    Args:
        value: A part of a template.
        conditions: The template's, by name.
    """
    if isinstance(value, list):
        for each in value:
            yield from shape_problems(each, conditions)
    if not isinstance(value, Mapping):
        return
    for key, member in value.items():
        if len(value) == 1:
            yield from _function(str(key), member, conditions)
        yield from shape_problems(member, conditions)


def _function(name: str, given: Any, conditions: Mapping[str, Any]) -> Iterator[str]:
    if name.startswith("Fn::") and name.removeprefix("Fn::") not in NAMES:
        yield f"Template error: the function {name} is not supported by the embedded AWS"
    elif name == "Fn::Transform":
        named = given.get("Name") if isinstance(given, Mapping) else given
        yield f"No transform named {named} found."
    elif name == "Fn::If":
        if not (_listed(given, 3) and isinstance(given[0], str)):
            yield (
                "Template error: Fn::If requires a list argument with the first element being a "
                "condition"
            )
        elif given[0] not in conditions:
            yield (
                f"Template format error: Unresolved condition dependency {given[0]} in the "
                "Resources block of the template"
            )
    elif name == "Ref" and isinstance(given, str) and given.startswith("AWS::"):
        if given.removeprefix("AWS::") not in _PSEUDO:
            yield (
                f"Template format error: Unresolved resource dependencies [{given}] in the "
                "Resources block of the template"
            )
    elif name == "Fn::GetAtt" and _listed(given, 2) and isinstance(given[1], Mapping):
        yield "A function as attribute of Fn::GetAtt is not supported by the embedded AWS"
    elif name in _SHAPES:
        fits, words = _SHAPES[name]
        if not fits(given):
            yield f"Template error: {words}"


def _listed(given: Any, *lengths: int) -> bool:
    return isinstance(given, list) and len(given) in lengths


def _text(given: Any) -> bool:
    """A text, or a function that gives one."""
    return isinstance(given, str | int | float | bool | Mapping)


def _got(given: Any) -> bool:
    if isinstance(given, str):
        resource, dot, attribute = given.partition(".")
        return bool(resource and dot and attribute)
    return _listed(given, 2) and isinstance(given[0], str) and bool(given[0] and given[1])


def _substituted(given: Any) -> bool:
    if isinstance(given, str):
        return True
    return _listed(given, 2) and isinstance(given[0], str) and isinstance(given[1], Mapping)


_Shape = tuple[Callable[[Any], bool], str]
_SHAPES: dict[str, _Shape] = {
    "Ref": (
        lambda given: isinstance(given, str),
        "every Ref object must have a single String value.",
    ),
    "Fn::Join": (
        lambda given: (
            _listed(given, 2)
            and isinstance(given[0], str)
            and isinstance(given[1], list | Mapping)
            and not (isinstance(given[1], list) and any(isinstance(e, list) for e in given[1]))
        ),
        "every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of "
        "strings to be joined or a function that returns a list of strings (such as Fn::GetAZs) "
        "to be joined.",
    ),
    "Fn::Split": (
        lambda given: _listed(given, 2) and isinstance(given[0], str) and _text(given[1]),
        "every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string "
        "to be split or a function that returns a string to be split.",
    ),
    "Fn::Select": (
        lambda given: (
            _listed(given, 2)
            and (isinstance(given[0], Mapping) or str(given[0]).isdecimal())
            and isinstance(given[1], list | Mapping)
        ),
        "Fn::Select requires a list argument with two elements: an integer index and a list",
    ),
    "Fn::FindInMap": (
        lambda given: _listed(given, 3, 4) and all(_text(each) for each in given),
        "every Fn::FindInMap object requires three parameters, the map name, map key and the "
        "attribute for return value",
    ),
    "Fn::GetAtt": (
        _got,
        "every Fn::GetAtt object requires two non-empty parameters, the resource name and the "
        "resource attribute",
    ),
    "Fn::Sub": (
        _substituted,
        "One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a "
        "string as first argument, and an optional second argument to specify a mapping of values "
        "to replace in the string",
    ),
    "Fn::Base64": (_text, "every Fn::Base64 object must have a String-typed value."),
    "Fn::ImportValue": (
        _text,
        guessed("every Fn::ImportValue object requires a text", Guess.WORDS),
    ),
    "Fn::Equals": (
        lambda given: _listed(given, 2) and all(_text(each) for each in given),
        "every Fn::Equals object requires a list of 2 string parameters.",
    ),
    "Fn::And": (
        lambda given: _listed(given, *range(2, 11)) and all(map(_logical, given)),
        "every Fn::And object requires a list of at least 2 and at most 10 boolean parameters.",
    ),
    "Fn::Or": (
        lambda given: _listed(given, *range(2, 11)) and all(map(_logical, given)),
        "every Fn::Or object requires a list of at least 2 and at most 10 boolean parameters.",
    ),
    "Fn::Not": (
        lambda given: _listed(given, 1) and all(map(_logical, given)),
        "every Fn::Not object requires one boolean parameter.",
    ),
}


def _logical(given: Any) -> bool:
    """Conditions only, neither `Ref` nor a literal (cfval #56, tried on AWS)."""
    return isinstance(given, Mapping) and len(given) == 1 and {*given} < {*LOGICAL}


def is_condition(given: Any) -> bool:
    """Whether a value is one that CloudFormation evaluates to true or false."""
    return _logical(given)
