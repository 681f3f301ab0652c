"""Templates that CloudFormation refuses before it makes anything.

The texts are those of public failures of CreateStack; where none was found, they say so.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from local_aws.guesses import Guess, guessed
from local_aws.stacks.references import circle, depends, reference_problems
from local_aws.stacks.sections import nulls, section_problems

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
# "DeletionPolicy attribute" and "UpdateReplacePolicy attribute" of the User Guide, which has no
# RetainExceptOnCreate.
_POLICIES = {
    "DeletionPolicy": {"Delete", "Retain", "RetainExceptOnCreate", "Snapshot"},
    "UpdateReplacePolicy": {"Delete", "Retain", "Snapshot"},
}
_APPLIED = "AWS::LanguageExtensions"
_TYPES = re.compile(r"String|Number|CommaDelimitedList|List<Number>|(List<)?AWS::[A-Za-z0-9:<>]+>?")
# Of the others, which name what there is of a service, AWS looks each up.
_KNOWN_TYPES = re.compile(
    r"[A-Z][A-Za-z<>]+|AWS::SSM::Parameter::Value<(String|CommaDelimitedList|List<String>)>"
)


def problem(template: Mapping[str, Any]) -> str | None:
    """What is wrong with a template, or None."""
    return next(_problems(template), None)


def unknown_parameters(template: Mapping[str, Any], given: Iterable[str]) -> str | None:
    """What is wrong with the parameters that a request gives by name, or None."""
    unknown = sorted(set(given) - {*template.get("Parameters", {})})
    return f"Parameters: [{', '.join(unknown)}] do not exist in the template" if unknown else None


def _problems(template: Mapping[str, Any]) -> Iterator[str]:
    if transforms := _transforms(template):
        # ValidateTemplate's, which is not applied there: until then nothing is known.
        yield from (_untransformed(each) for each in transforms if each != _APPLIED)
        return
    if unknown := sorted(str(key) for key in {*template} - _SECTIONS):
        yield f"Invalid template property or properties [{', '.join(unknown)}]"
    if template.get("AWSTemplateFormatVersion", "2010-09-09") != "2010-09-09":
        yield "Template format error: unsupported value for AWSTemplateFormatVersion."
    resources = template.get("Resources")
    if not resources or not isinstance(resources, Mapping):
        yield "Template format error: At least one Resources member must be defined."
        return
    yield from nulls({key: value for key, value in template.items() if key != "Metadata"})
    yield from section_problems(template)
    for name, parameter in template.get("Parameters", {}).items():
        if _TYPES.fullmatch(str(parameter.get("Type"))) is None:
            kind = parameter.get("Type")
            yield f"Template format error: Unrecognized parameter type: {kind} ({name})"
        elif _KNOWN_TYPES.fullmatch(parameter["Type"]) is None:
            kind = parameter["Type"]
            yield f"The parameter type {kind} ({name}) is not supported by the embedded AWS"
    for name, resource in resources.items():
        yield from _resource(str(name), resource, template)
    # "The logical name must be ... unique among all logical names within the template" (template
    # reference, Parameters).
    if both := sorted({*resources} & {*template.get("Parameters", {})}):
        words = "Template format error: resources and parameters have the same names "
        yield guessed(f"{words}[{', '.join(both)}]", Guess.WORDS)
    yield from reference_problems(template, resources)
    if found := circle(resources):
        yield f"Circular dependency between resources: [{', '.join(sorted(found))}]"


def _transforms(template: Mapping[str, Any]) -> list[str]:
    """The transforms that are left once those of the embedded AWS are done."""
    declared = template.get("Transform", [])
    listed = declared if isinstance(declared, list) else [declared]
    return [str(each.get("Name")) if isinstance(each, Mapping) else str(each) for each in listed]


def _untransformed(transform: str) -> str:
    if transform.startswith("AWS::"):
        return f"The transform {transform} is not supported by the embedded AWS"
    return f"No transform named {transform} found."


def _resource(name: str, resource: Any, template: Mapping[str, Any]) -> Iterator[str]:
    if not name.isalnum() or not name.isascii():
        yield f"Template format error: Resource name {name} is non alphanumeric."
    if not isinstance(resource, Mapping):
        yield "Template format error: Any Resources member must be an object."
        return
    if not isinstance(resource.get("Type"), str):
        place = f"[/Resources/{name}]"
        yield f"Template format error: {place} Every Resources object must contain a Type member."
        return
    if unknown := sorted({*resource} - _ATTRIBUTES):
        yield f"Invalid template resource property '{unknown[0]}'"
    if not isinstance(resource.get("Properties", {}), Mapping):
        yield guessed(
            f"Template format error: Properties of {name} must be an object", Guess.UNSEEN
        )
        return
    if not all(isinstance(each, str) for each in depends(resource)):
        yield guessed(
            f"Template format error: DependsOn of {name} must name resources", Guess.UNSEEN
        )
        return
    condition = resource.get("Condition")
    if condition is not None and not isinstance(condition, str):
        yield "Template format error: Every Condition member must be a string."
    elif condition is not None and condition not in template.get("Conditions", {}):
        yield (
            f"Template format error: Unresolved condition dependency {condition} in the Resources "
            "block of the template"
        )
    yield from _attributes(name, resource)


def _attributes(name: str, resource: Mapping[str, Any]) -> Iterator[str]:
    for attribute in ("CreationPolicy", "UpdatePolicy"):
        if attribute in resource and resource["Type"] != "AWS::CloudFormation::WaitCondition":
            yield f"{attribute} of {name} is not supported by the embedded AWS"
    for attribute, known in _POLICIES.items():
        policy = resource.get(attribute, "Delete")
        if not isinstance(policy, str) or policy not in known:
            # eucalyptus/eucalyptus has AWS's words of a DeletionPolicy.
            words = f"Template format error: Unrecognized {attribute} {policy} for resource {name}"
            other = (Guess.WORDS,) if attribute != "DeletionPolicy" else ()
            yield guessed(words, *other)
        if policy == "Snapshot":  # of what is supported here, nothing has snapshots
            yield (
                f"Template error: resource type {resource['Type']} does not support deletion "
                "policy Snapshot"
            )
