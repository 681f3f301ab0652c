"""The references of templates: to resources, parameters, attributes and exports."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from local_aws.stacks.functions import shape_problems

_SUB = re.compile(r"\$\{([A-Za-z0-9:.]+)\}")


def reference_problems(template: Mapping[str, Any], resources: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the names that resources and outputs refer to."""
    known = {*resources, *template.get("Parameters", {})}
    properties = {
        name: resource.get("Properties", {})
        for name, resource in resources.items()
        if isinstance(resource, Mapping)
    }
    yield from shape_problems(properties, template.get("Conditions", {}))
    blocks = {"Resources": properties, "Outputs": template.get("Outputs", {})}
    for block, members in blocks.items():
        got = sorted({*_got(members)} - {*resources})
        if got:
            yield f"Template error: instance of Fn::GetAtt references undefined resource {got[0]}"
        named = {*_named(members)}
        if block == "Resources":
            named |= {each for resource in resources.values() for each in depends(resource)}
        if missing := sorted(each for each in named if each not in known):
            yield unresolved(missing, block)
    for value in _imported({**blocks}):
        if {*_named(value)} & {*resources} or any(_imported(value)):
            yield (
                "Template error: the attribute in Fn::ImportValue must not depend on any "
                "resources, imported values, or Fn::GetAZs"
            )


def unresolved(missing: Iterable[str], block: str) -> str:
    """What CloudFormation says of names that a block refers to."""
    return (
        f"Template format error: Unresolved resource dependencies [{', '.join(missing)}] in the "
        f"{block} block of the template"
    )


def left_out(template: Mapping[str, Any], conditions: Mapping[str, bool]) -> str | None:
    """What is wrong with references to resources whose condition is false, or None.

    `DependsOn` may name them (template reference, "DependsOn attribute").
    """
    resources = template.get("Resources", {})
    absent = {name for name, each in resources.items() if not _made(each, conditions)}
    for block in ("Resources", "Outputs"):
        made = {
            name: each.get("Properties", {}) if block == "Resources" else each
            for name, each in template.get(block, {}).items()
            if _made(each, conditions)
        }
        if missing := sorted(absent & {*_named(_chosen(made, conditions))}):
            return unresolved(missing, block)
    return None


def _made(member: Mapping[str, Any], conditions: Mapping[str, bool]) -> bool:
    return conditions.get(str(member.get("Condition")), True)


def _chosen(value: Any, conditions: Mapping[str, bool]) -> Any:
    """A value with the branches of `Fn::If` that its conditions choose."""
    if isinstance(value, list):
        return [_chosen(each, conditions) for each in value]
    if not isinstance(value, Mapping):
        return value
    if {*value} == {"Fn::If"}:
        name, yes, no = value["Fn::If"]
        return _chosen(yes if conditions.get(name) else no, conditions)
    return {key: _chosen(member, conditions) for key, member in value.items()}


def _imported(value: Any) -> Iterator[Any]:
    """What names the exports that a value imports."""
    members = value.values() if isinstance(value, Mapping) else value
    for member in members if isinstance(value, Mapping | list) else ():
        yield from _imported(member)
    if isinstance(value, Mapping) and {*value} == {"Fn::ImportValue"}:
        yield value["Fn::ImportValue"]


def _got(value: Any) -> Iterator[str]:
    """The logical ids whose attributes a value gets by `Fn::GetAtt`."""
    members = value.values() if isinstance(value, Mapping) else value
    for member in members if isinstance(value, Mapping | list) else ():
        yield from _got(member)
    if isinstance(value, Mapping) and {*value} == {"Fn::GetAtt"}:
        given = value["Fn::GetAtt"]
        yield given.partition(".")[0] if isinstance(given, str) else str(given[0])


def depends(resource: Any) -> list[str]:
    """The resources that one is to be made after."""
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


def circle(resources: Mapping[str, Any]) -> set[str]:
    """Resources of which each needs another one first."""
    needs = {
        name: {*_named(resource.get("Properties", {})), *depends(resource)} & {*resources}
        for name, resource in resources.items()
    }
    while ready := [name for name, wanted in needs.items() if not wanted]:
        for name in ready:
            del needs[name]
        for wanted in needs.values():
            wanted -= {*ready}
    return {*needs}
