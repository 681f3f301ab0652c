"""The schemas and lists that AWS publishes of itself and cfn-lint's package brings along.

CloudFormation's registry schemas say which properties a resource type has and which of them cannot
change; the Service Authorization Reference says what IAM knows of an action.
"""

import json
from collections.abc import Mapping
from functools import cache
from importlib.metadata import distribution
from typing import Any

_DATA = "cfnlint/data"
_PROPERTIES = "/properties/"


@cache
def schema(resource_type: str) -> Mapping[str, Any] | None:
    """The registry's schema of a resource type, or None if AWS has no such type."""
    name = _types().get(resource_type)
    if not name:
        return None
    found: Mapping[str, Any] = data(f"schemas/resources/{name}.json")
    return found


def named_properties(resource_type: str, member: str) -> tuple[str, ...]:
    """Top-level properties that a list of the schema names, such as `createOnlyProperties`."""
    pointers = (schema(resource_type) or {}).get(member, ())
    names = [str(pointer).removeprefix(_PROPERTIES) for pointer in pointers]
    return tuple(name for name in names if "/" not in name)


def replaces(resource_type: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether a change of properties, or of what lies in them, makes a new resource."""
    pointers = (schema(resource_type) or {}).get("createOnlyProperties", ())
    paths = [str(pointer).removeprefix(_PROPERTIES).split("/") for pointer in pointers]
    return any(_at(old, path) != _at(new, path) for path in paths)


def _at(value: Any, path: list[str]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


@cache
def actions(service: str) -> Mapping[str, Any]:
    """The Service Authorization Reference's actions of an IAM prefix; empty if it knows none."""
    found: Mapping[str, Any] = data("AdditionalSpecs/Policies.json").get(service, {})
    return dict(found.get("Actions", {}))


@cache
def _types() -> Mapping[str, Any]:
    found: Mapping[str, Any] = data("schemas/providers/us-east-1.json")
    return found


def data(path: str) -> Any:
    """A file of cfn-lint's; importing cfn-lint itself would take seconds."""
    return json.loads(str(distribution("cfn-lint").locate_file(f"{_DATA}/{path}").read_text()))
