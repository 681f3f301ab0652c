"""What CloudFormation refuses of a template before, and of properties when, it makes something.

The texts of template errors are those of public failures; those of properties are the ones that the
registry's validator (everit-org/json-schema, which CloudFormation's handlers are checked with) has.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from jsonschema import Draft7Validator, ValidationError  # type: ignore[import-untyped]

from local_aws import registry
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
# Unicode's classes for Python's, which are a little wider.
_CLASSES = {r"\p{L}": r"\w", r"\p{N}": r"\d", r"\p{Z}": r"\s", r"\p{IsLetter}": r"\w"}
_FOUND = {dict: "JSONObject", list: "JSONArray", str: "String", bool: "Boolean", int: "Integer"}


def install() -> None:
    """Have CloudFormation refuse what it does, and replace what it cannot change."""
    templates.check_templates(problem)
    templates.check_parameters(unknown_parameters)
    templates.check_properties(invalid)
    templates.replace_by_schema(create_only, identifier)


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


def invalid(logical_id: str, resource_type: str, properties: Mapping[str, Any]) -> str | None:
    """Why the registry's schema refuses properties, or None."""
    found = _validator(resource_type)
    if found is None:
        return None
    properties = _written(properties)
    refusals = [
        f"#: extraneous key [{name}] is not permitted"
        for name in registry.named_properties(resource_type, "readOnlyProperties")
        if name in properties and name not in create_only(resource_type)
    ]
    refusals += [_words(each) for each in found.iter_errors(properties) if not _is_taken(each)]
    if not refusals:
        return None
    return (
        f"Properties validation failed for resource {logical_id} with message:\n"
        f"[{', '.join(refusals)}]"
    )


def _written(properties: Mapping[str, Any]) -> Mapping[str, Any]:
    """Properties without CloudFormation's own tags, which no template may have."""
    tags = properties.get("Tags")
    if not isinstance(tags, list):
        return properties
    own = [tag for tag in tags if not str(tag.get("Key", "")).startswith("aws:cloudformation:")]
    rest = {name: member for name, member in properties.items() if name != "Tags"}
    return rest | ({"Tags": own} if own else {})


def create_only(resource_type: str) -> tuple[str, ...]:
    """Properties whose change replaces a resource."""
    return registry.named_properties(resource_type, "createOnlyProperties")


def identifier(resource_type: str) -> tuple[str, ...]:
    """The properties that name a resource, if a template may set them."""
    names = registry.named_properties(resource_type, "primaryIdentifier")
    read_only = registry.named_properties(resource_type, "readOnlyProperties")
    return tuple(name for name in names if name not in read_only)


@cache
def _validator(resource_type: str) -> Any:
    schema = registry.schema(resource_type)
    if schema is None:
        return None
    return Draft7Validator(_readable(schema))


def _is_taken(error: ValidationError) -> bool:
    """Whether a value is of another type than the schema's and CloudFormation takes it."""
    if error.context:
        return any(_is_taken(each) for each in error.context)
    if error.validator != "type":
        return False
    kinds, value = error.validator_value, error.instance
    return any(_READ[kind](value) for kind in ([kinds] if isinstance(kinds, str) else kinds))


def _readable(schema: Any) -> Any:
    r"""A schema with its patterns as Python reads them: they know no `\p{...}`."""
    if isinstance(schema, list):
        return [_readable(each) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    read = {key: _readable(member) for key, member in schema.items()}
    if isinstance(read.get("pattern"), str):
        read["pattern"] = _pattern(read["pattern"])
    if isinstance(read.get("patternProperties"), dict):
        read["patternProperties"] = {
            _pattern(each): member for each, member in read["patternProperties"].items()
        }
    return read


def _pattern(text: str) -> str:
    for theirs, ours in _CLASSES.items():
        text = text.replace(theirs, ours)
    try:
        re.compile(text)
    except re.error:  # written for another engine: the service itself checks it
        return ""
    return text


def _is_number(value: Any, *, whole: bool) -> bool:
    if not isinstance(value, str):
        return False
    try:
        number = float(value)
    except ValueError:
        return False
    return number.is_integer() if whole else True


# What CloudFormation reads as a type, written as text or as the other scalar.
_READ: dict[str, Callable[[Any], bool]] = {
    "array": lambda _: False,
    "boolean": lambda value: str(value).lower() in ("true", "false"),
    "integer": lambda value: _is_number(value, whole=True),
    "null": lambda _: False,
    "number": lambda value: _is_number(value, whole=False),
    "object": lambda _: False,
    "string": lambda value: isinstance(value, bool | int | float),
}


def _words(error: ValidationError) -> str:
    place = "/".join(["#", *map(str, error.absolute_path)])
    rule, value, wanted = error.validator, error.instance, error.validator_value
    if rule == "required":
        missing = [name for name in wanted if name not in value]
        return f"{place}: required key [{missing[0]}] not found"
    if rule == "additionalProperties":
        known, patterns = error.schema.get("properties", {}), error.schema.get("patternProperties")
        extra = [
            name
            for name in value
            if name not in known and not any(re.search(each, name) for each in patterns or ())
        ]
        return ", ".join(f"{place}: extraneous key [{name}] is not permitted" for name in extra)
    if rule == "type":
        kind = wanted if isinstance(wanted, str) else " or ".join(wanted)
        return f"{place}: expected type: {kind.capitalize()}, found: {_kind(value)}"
    if rule == "enum":
        return f"{place}: {value} is not a valid enum value"
    if rule == "pattern":
        return f"{place}: failed validation constraint for keyword [pattern]"
    return f"{place}: failed validation constraint for keyword [{rule}]"


def _kind(value: Any) -> str:
    return _FOUND.get(type(value), type(value).__name__.capitalize())


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())
