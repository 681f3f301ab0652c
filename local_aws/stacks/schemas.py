"""Resources of templates held to the schemas of CloudFormation's registry, which cfn-lint has."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from local_aws import registry
from local_aws.adapter.cloudformation.schemas import hold_resources, keep_types
from local_aws.adapter.cloudformation.templates import (
    check_templates,
    keep_exports,
    leave_out_empty,
)
from local_aws.guesses import Guess, guessed
from local_aws.requests.supported import operations
from local_aws.sagemaker.validation import compile_pattern
from local_aws.stacks import references as template_references
from local_aws.stacks import resource_rules, templates

Properties = dict[str, Any]
# As the registry's validator (everit-org/json-schema) calls what it finds.
_KINDS = {bool: "Boolean", dict: "JSONObject", int: "Integer", list: "JSONArray", str: "String"}
# What has no schema worth the name: anything may be given to a custom resource.
_FREE = ("Custom::", "AWS::CloudFormation::CustomResource", "AWS::CDK::")


def install() -> None:
    """Hold resources to their schemas; to be called when all types are registered."""
    keep_types(
        supported_types(),
        lambda kind: registry.schema(kind) is not None,
        lambda template, conditions: (
            templates.problem(template) or template_references.left_out(template, conditions)
        ),
    )
    check_templates(templates.problem, templates.unknown_parameters)
    keep_exports()
    leave_out_empty()
    hold_resources(problem, replaces, given_name)


def supported_types() -> frozenset[str]:
    """The resource types that a stack may have."""
    types = operations()["types"]
    return frozenset(types["acting"])


def problem(kind: str, logical_id: str, name: str, properties: Properties) -> str | None:
    """Why properties are none of a type, in CloudFormation's words; None if they are."""
    if kind.startswith(_FREE) or registry.schema(kind) is None:
        return None
    written = _written(properties)
    found = [*_read_only(kind, written), *_errors(kind, written)]
    if not found:
        return next(resource_rules.problems(kind, name, written), None)
    lines = "\n".join(found)
    return f"Properties validation failed for resource {logical_id} with message:\n{lines}"


def _written(properties: Properties) -> Properties:
    """Properties without CloudFormation's own tags, which no template may have."""
    tags = properties.get("Tags")
    if not isinstance(tags, list):
        return properties
    own = [tag for tag in tags if not str(tag.get("Key", "")).startswith("aws:cloudformation:")]
    rest = {name: member for name, member in properties.items() if name != "Tags"}
    return rest | ({"Tags": own} if own else {})


def replaces(kind: str, old: Properties, new: Properties) -> bool:
    """Whether a property changes that only a new resource can have."""
    if kind.startswith(_FREE) or registry.schema(kind) is None:
        return False
    return any(_at(old, path) != _at(new, path) for path in _listed(kind, "createOnlyProperties"))


def given_name(kind: str, properties: Properties) -> str | None:
    """The name that a template gives to a resource, if the type has one and it does."""
    if registry.schema(kind) is None:
        return None
    only = {path.rpartition("/")[2] for path in _listed(kind, "createOnlyProperties")}
    for name in (f"{kind.rpartition('::')[2]}Name", "Name"):
        if name in only and isinstance(properties.get(name), str):
            return str(properties[name])
    return None


def _read_only(kind: str, properties: Properties) -> Iterator[str]:
    # Nobody can set these (CloudFormation CLI User Guide, "Resource type schema").
    for path in _listed(kind, "readOnlyProperties"):
        if _at(properties, path) is not None:
            words = f"#: property [{path.removeprefix('/properties/')}] is read-only"
            yield guessed(words, Guess.WORDS)


def _errors(kind: str, properties: Properties) -> Iterator[str]:
    for error in _validator(kind).iter_errors(properties):
        place = "#" + "".join(f"/{part}" for part in error.absolute_path)
        yield from _words(place, error)


def _words(place: str, error: Any) -> Iterator[str]:
    """An error as the registry's validator puts it."""
    keyword, wanted = error.validator, error.validator_value
    if keyword == "additionalProperties":
        known = error.schema.get("properties", {})
        extra = [key for key in error.instance if key not in known]
        yield from (f"{place}: extraneous key [{key}] is not permitted" for key in extra)
    elif keyword == "required":
        missing = [key for key in wanted if key not in error.instance]
        yield from (f"{place}: required key [{key}] not found" for key in missing)
    elif keyword == "enum":
        yield f"{place}: {error.instance} is not a valid enum value"
    elif keyword == "type":
        kinds = wanted if isinstance(wanted, str) else "/".join(wanted)
        found = _KINDS.get(type(error.instance), "Null")
        yield f"{place}: expected type: {kinds.capitalize()}, found: {found}"
    else:
        yield f"{place}: failed validation constraint for keyword [{keyword}]"


def _listed(kind: str, member: str) -> list[str]:
    return list((registry.schema(kind) or {}).get(member, ()))


def _at(properties: Any, path: str) -> Any:
    found = properties
    for part in path.removeprefix("/properties/").split("/"):
        if not isinstance(found, Mapping):
            return None
        found = found.get(part)
    return found


@cache
def _validator(kind: str) -> Any:
    # Half the time of a start, and many servers never see a stack.
    from jsonschema import Draft7Validator, validators  # noqa: PLC0415

    types = {"string": _text, "integer": _whole, "number": _number, "boolean": _flag}
    checker = Draft7Validator.TYPE_CHECKER.redefine_many(
        {name: lambda _checker, value, is_one=check: is_one(value) for name, check in types.items()}
    )
    known = dict(Draft7Validator.VALIDATORS)
    for name in ("minimum", "maximum"):
        known[name] = _bounding(known[name])
    known["enum"] = _one_of
    return validators.create(Draft7Validator.META_SCHEMA, known, type_checker=checker)(
        _python(registry.schema(kind))
    )


# CloudFormation converts scalars to the type that a property has, so that each is one of any.
def _text(value: Any) -> bool:
    return isinstance(value, str | bool | int | float)


def _flag(value: Any) -> bool:
    return isinstance(value, bool) or str(value).lower() in ("true", "false")


def _whole(value: Any) -> bool:
    return _number(value) and float(value).is_integer()


def _number(value: Any) -> bool:
    try:
        return not isinstance(value, bool | list | Mapping) and float(value) is not None
    except (TypeError, ValueError):
        return False


def _bounding(inner: Any) -> Any:
    def bound(validator: Any, limit: Any, value: Any, schema: Any) -> Any:
        return inner(validator, limit, float(value), schema) if _number(value) else ()

    return bound


def _one_of(_validator: Any, allowed: Any, value: Any, _schema: Any) -> Iterator[Any]:
    from jsonschema import ValidationError  # noqa: PLC0415

    texts = {str(each).lower() if isinstance(each, bool) else str(each) for each in allowed}
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if text not in texts:
        yield ValidationError(f"{value} is not one of {allowed}")


def _python(schema: Any) -> Any:
    """A schema whose patterns, which are Java's, are Python's; one that cannot be is left out."""
    if isinstance(schema, list):
        return [_python(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _python(value) for key, value in schema.items()}
    if isinstance(schema.get("pattern"), str):
        compiled = compile_pattern(schema["pattern"])
        found["pattern"] = ".*" if compiled is None else compiled.pattern
    if isinstance(schema.get("patternProperties"), dict):
        patterns = {key: compile_pattern(key) for key in schema["patternProperties"]}
        found["patternProperties"] = {
            ".*" if compiled is None else compiled.pattern: found["patternProperties"][key]
            for key, compiled in patterns.items()
        }
    return found
