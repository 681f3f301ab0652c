"""CloudFormation's registry of resource types, as cfn-lint has it: AWS's own schemas."""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

_SCHEMAS = files("cfnlint").joinpath("data/schemas")


def exists(resource_type: str) -> bool:
    """Whether AWS has a type of that name."""
    return resource_type in _types()


def create_only(resource_type: str) -> tuple[tuple[str, ...], ...]:
    """The properties whose change replaces a resource, each as a path: `("OnlineStoreConfig",
    "StorageType")`."""
    schema = json.loads(
        _SCHEMAS.joinpath("resources", f"{_types()[resource_type]}.json").read_text()
    )
    pointers = schema.get("createOnlyProperties", ())
    return tuple(tuple(pointer.split("/")[2:]) for pointer in pointers)


def replaces(resource_type: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether a change of properties replaces a resource."""
    return any(_at(old, path) != _at(new, path) for path in create_only(resource_type))


@cache
def _types() -> dict[str, str]:
    found: dict[str, str] = json.loads(_SCHEMAS.joinpath("providers/us-east-1.json").read_text())
    return found


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
