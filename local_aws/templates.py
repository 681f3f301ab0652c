"""Templates that CloudFormation refuses before it makes anything.

The texts are those of public failures of CreateStack; where none was found, they say so.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_SECTIONS = {
    "AWSTemplateFormatVersion",
    "Conditions",
    "Description",
    "Hooks",
    "Mappings",
    "Metadata",
    "Outputs",
    "Parameters",
    "Resources",
    "Rules",
    "Transform",
}
_ATTRIBUTES = {
    "Condition",
    "CreationPolicy",
    "DeletionPolicy",
    "DependsOn",
    "Metadata",
    "Properties",
    "Type",
    "UpdatePolicy",
    "UpdateReplacePolicy",
}
_POLICIES = {"Delete", "Retain", "RetainExceptOnCreate", "Snapshot"}
# "Intrinsic function reference" of the template reference.
_NAMES = (
    *("And", "Base64", "Cidr", "Equals", "FindInMap", "GetAtt", "GetAZs", "If", "ImportValue"),
    *("Join", "Length", "Not", "Or", "Select", "Split", "Sub", "ToJsonString", "Transform"),
)
_FUNCTIONS = {f"Fn::{name}" for name in _NAMES}
_TYPES = re.compile(r"String|Number|CommaDelimitedList|List<Number>|(List<)?AWS::[A-Za-z0-9:<>]+>?")
_SUB = re.compile(r"\$\{([A-Za-z0-9:.]+)\}")


def problem(template: Mapping[str, Any]) -> str | None:
    """What is wrong with a template, or None."""
    return next(_problems(template), None)


def unknown_parameters(template: Mapping[str, Any], given: Iterable[str]) -> str | None:
    """What is wrong with the parameters that a request gives by name, or None."""
    unknown = sorted(set(given) - {*template.get("Parameters", {})})
    return f"Parameters: [{', '.join(unknown)}] do not exist in the template" if unknown else None


def _problems(template: Mapping[str, Any]) -> Iterator[str]:
    if unknown := sorted({*template} - _SECTIONS):
        yield f"Invalid template property or properties [{', '.join(unknown)}]"
    if template.get("AWSTemplateFormatVersion", "2010-09-09") != "2010-09-09":
        yield "Template format error: unsupported value for AWSTemplateFormatVersion."
    resources = template.get("Resources")
    if not resources or not isinstance(resources, Mapping):
        yield "Template format error: At least one Resources member must be defined."
        return
    for name, parameter in template.get("Parameters", {}).items():
        if _TYPES.fullmatch(str(parameter.get("Type"))) is None:
            kind = parameter.get("Type")
            yield f"Template format error: Unrecognized parameter type: {kind} ({name})"
    for name, resource in resources.items():
        yield from _resource(name, resource, template)
    yield from _references(template, resources)
    if circle := _circle(resources):
        yield f"Circular dependency between resources: [{', '.join(sorted(circle))}]"


def _resource(name: str, resource: Any, template: Mapping[str, Any]) -> Iterator[str]:
    if not name.isalnum() or not name.isascii():
        yield f"Template format error: Resource name {name} is non alphanumeric."
    if not isinstance(resource, Mapping) or not isinstance(resource.get("Type"), str):
        place = f"[/Resources/{name}]"
        yield f"Template format error: {place} Every Resources object must contain a Type member."
        return
    if unknown := sorted({*resource} - _ATTRIBUTES):
        yield f"Invalid template resource property '{unknown[0]}'"
    condition = resource.get("Condition")
    if condition is not None and condition not in template.get("Conditions", {}):
        yield (
            f"Template format error: Unresolved condition dependency {condition} in the Resources "
            "block of the template"
        )
    for attribute in ("DeletionPolicy", "UpdateReplacePolicy"):
        policy = resource.get(attribute, "Delete")
        if isinstance(policy, str) and policy not in _POLICIES:
            yield f"Template error: {attribute} {policy} of {name} is none (the words are a guess)"
        if policy == "Snapshot":  # of what is supported here, nothing has snapshots
            yield (
                f"Template error: resource type {resource['Type']} does not support deletion "
                "policy Snapshot"
            )


def _references(template: Mapping[str, Any], resources: Mapping[str, Any]) -> Iterator[str]:
    known = {*resources, *template.get("Parameters", {})}
    for block in ("Resources", "Outputs"):
        named = {*_named(template.get(block, {}))}
        if block == "Resources":
            named |= {each for resource in resources.values() for each in _depends(resource)}
        if missing := sorted(each for each in named if each not in known):
            yield (
                f"Template format error: Unresolved resource dependencies [{', '.join(missing)}] "
                f"in the {block} block of the template"
            )
    for function in _functions(template.get("Resources", {})):
        if function not in _FUNCTIONS:
            yield f"Template error: there is no function {function} (the words are a guess)"


def _depends(resource: Any) -> list[str]:
    found = resource.get("DependsOn", []) if isinstance(resource, Mapping) else []
    return [found] if isinstance(found, str) else list(found)


def _named(value: Any) -> Iterator[str]:
    """The logical ids and parameters that a value refers to."""
    if isinstance(value, list):
        for each in value:
            yield from _named(each)
    if not isinstance(value, Mapping):
        return
    for key, member in value.items():
        if key == "Ref" and isinstance(member, str) and len(value) == 1:
            yield from [] if member.startswith("AWS::") else [member]
        elif key == "Fn::GetAtt" and len(value) == 1:
            first = member.partition(".")[0] if isinstance(member, str) else member[0]
            yield from [first] if isinstance(first, str) else []
        elif key == "Fn::Sub" and len(value) == 1:
            text, given = (member, {}) if isinstance(member, str) else (member[0], member[1])
            yield from _named(given)
            names = {name.partition(".")[0] for name in _SUB.findall(text)}
            yield from (name for name in names if name not in given and "::" not in name)
        else:
            yield from _named(member)


def _functions(value: Any) -> Iterator[str]:
    """The intrinsic functions of resources' properties."""
    if isinstance(value, list):
        for each in value:
            yield from _functions(each)
    if isinstance(value, Mapping):
        for key, member in value.items():
            if str(key).startswith("Fn::") and len(value) == 1:
                yield str(key)
            yield from _functions(member)


def _circle(resources: Mapping[str, Any]) -> set[str]:
    """Resources of which each needs another one first."""
    needs = {
        name: {*_named(resource.get("Properties", {})), *_depends(resource)} & {*resources}
        for name, resource in resources.items()
    }
    while ready := [name for name, wanted in needs.items() if not wanted]:
        for name in ready:
            del needs[name]
        for wanted in needs.values():
            wanted -= {*ready}
    return {*needs}
