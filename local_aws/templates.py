"""What CloudFormation refuses of a template before it makes anything; texts of public failures."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from local_aws.adapter import templates

_PSEUDO = frozenset(
    f"AWS::{name}"
    for name in (
        "AccountId",
        "NoValue",
        "NotificationARNs",
        "Partition",
        "Region",
        "StackId",
        "StackName",
        "URLSuffix",
    )
)
_SECTIONS = frozenset(
    {
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
)
_MEMBERS = frozenset(
    {
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
)
_SUBSTITUTED = re.compile(r"\$\{([^!}][^}]*)\}")


def install() -> None:
    """Have CloudFormation refuse what it does."""
    templates.check_templates(problem)
    templates.check_parameters(unknown_parameters)


def problem(template: Mapping[str, Any]) -> str | None:
    """Why CloudFormation refuses a template, or None."""
    resources = template.get("Resources")
    if unknown := sorted(template.keys() - _SECTIONS):
        return f"Invalid template property or properties [{', '.join(unknown)}]"
    if not isinstance(resources, Mapping) or not resources:
        return "Template format error: At least one Resources member must be defined."
    for name, resource in resources.items():
        if not name.isalnum():
            return f"Template format error: Resource name {name} is non alphanumeric."
        if "Type" not in resource:
            where = f"[/Resources/{name}]"
            return (
                f"Template format error: {where} Every Resources object must contain a Type member."
            )
        if unknown := sorted(resource.keys() - _MEMBERS):
            return f"Invalid template resource property '{unknown[0]}'"
    return _unresolved(template, resources) or _circle(resources)


def unknown_parameters(template: Mapping[str, Any], given: Iterable[str]) -> str | None:
    """Why CloudFormation refuses parameters, or None.

    Args:
        template: The template that they are given to.
        given: Their names.
    """
    unknown = sorted(set(given) - (template.get("Parameters") or {}).keys())
    return f"Parameters: [{', '.join(unknown)}] do not exist in the template" if unknown else None


def _unresolved(template: Mapping[str, Any], resources: Mapping[str, Any]) -> str | None:
    known = resources.keys() | (template.get("Parameters") or {}).keys() | _PSEUDO
    for section in ("Resources", "Outputs"):
        members = template.get(section) or {}
        named = set(_references(members))
        named |= {name for each in members.values() for name in _listed(each.get("DependsOn"))}
        if missing := sorted(named - known):
            return (
                f"Template format error: Unresolved resource dependencies "
                f"[{', '.join(missing)}] in the {section} block of the template"
            )
    return None


def _references(value: Any) -> Iterator[str]:
    """Names that Ref, Fn::GetAtt and Fn::Sub name."""
    if isinstance(value, list):
        for each in value:
            yield from _references(each)
    if not isinstance(value, Mapping):
        return
    for key, member in value.items():
        if key == "Ref" and isinstance(member, str):
            yield member
        elif key == "Fn::GetAtt" and member:
            yield _first(member)
        elif key == "Fn::Sub":
            text, own = (member, {}) if isinstance(member, str) else member
            for name in _SUBSTITUTED.findall(text):
                if name.strip() not in own:
                    yield name.strip().partition(".")[0]
            yield from _references(own)
        else:
            yield from _references(member)


def _first(attribute: str | list[Any]) -> str:
    return attribute.partition(".")[0] if isinstance(attribute, str) else str(attribute[0])


def _circle(resources: Mapping[str, Any]) -> str | None:
    """The error of resources that wait for one another."""
    needs = {
        name: {
            other
            for other in [
                *_references(resource.get("Properties")),
                *_listed(resource.get("DependsOn")),
            ]
            if other in resources
        }
        for name, resource in resources.items()
    }
    while ready := [name for name, needed in needs.items() if not needed]:
        for name in ready:
            del needs[name]
        for needed in needs.values():
            needed.difference_update(ready)
    if not needs:
        return None
    return f"Circular dependency between resources: [{', '.join(sorted(needs))}]"


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())
