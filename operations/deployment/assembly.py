"""A synthesized cloud assembly: its stacks, and what of them outlives its stack."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = [
    "Bootstrap",
    "Stack",
    "bootstrap_needed",
    "is_retained",
    "resources",
    "stacks",
    "write_part",
]

_RETAINED = frozenset({"Retain", "RetainExceptOnCreate"})


def is_retained(resource: Mapping[str, Any]) -> bool:
    """Whether a resource of a template stays when its stack is deleted."""
    return resource.get("DeletionPolicy") in _RETAINED


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """One stack of an assembly.

    Attributes:
        key: What the CDK CLI calls it, such as `DataLake`.
        name: Its name in CloudFormation.
        template: Its template.
        is_protected: Whether CloudFormation refuses to delete it until that is lifted.
    """

    key: str
    name: str
    template: Mapping[str, Any]
    is_protected: bool

    @property
    def retained(self) -> dict[str, Mapping[str, Any]]:
        """What stays when the stack is deleted, by logical ID."""
        return {
            logical_id: resource
            for logical_id, resource in self.template["Resources"].items()
            if is_retained(resource)
        }


@dataclass(frozen=True, slots=True, order=True, kw_only=True)
class Bootstrap:
    """What `cdk bootstrap` must have made.

    Attributes:
        parameter: Name of the SSM parameter that says its version.
        version: The oldest that will do.
    """

    parameter: str
    version: int

    @property
    def qualifier(self) -> str:
        """What tells one bootstrap of a Region from another."""
        return self.parameter.split("/")[-2]


def bootstrap_needed(assembly: Path) -> list[Bootstrap]:
    """What the stacks of an assembly need of `cdk bootstrap`: one thing, if all name the same."""
    needed: dict[str, int] = {}
    for artifact in _manifest(assembly)["artifacts"].values():
        properties = artifact.get("properties", {})
        if parameter := properties.get("bootstrapStackVersionSsmParameter"):
            version = properties["requiresBootstrapStackVersion"]
            needed[parameter] = max(version, needed.get(parameter, 0))
    return [Bootstrap(parameter=name, version=version) for name, version in sorted(needed.items())]


def stacks(assembly: Path) -> list[Stack]:
    """The stacks of an assembly, each after those that it needs: the CDK writes them so."""
    return [
        Stack(
            key=key,
            name=artifact["properties"]["stackName"],
            template=json.loads((assembly / artifact["properties"]["templateFile"]).read_text()),
            is_protected=artifact["properties"].get("terminationProtection", False),
        )
        for key, artifact in _manifest(assembly)["artifacts"].items()
        if artifact["type"] == "aws:cloudformation:stack"
    ]


def resources(assembly: Path, kind: str) -> list[Mapping[str, Any]]:
    """Every resource of a type, whatever its stack."""
    return [
        resource
        for stack in stacks(assembly)
        for resource in stack.template["Resources"].values()
        if resource["Type"] == kind
    ]


def write_part(
    assembly: Path, stack: Stack, resources: Mapping[str, Mapping[str, Any]], folder: Path
) -> None:
    """Write an assembly of one stack with some resources only, and no assets.

    Args:
        assembly: Where the stack is from.
        stack: The stack.
        resources: Its resources, by logical ID.
        folder: Where to; it must not exist.
    """
    folder.mkdir(parents=True)
    manifest = _manifest(assembly)
    artifact = manifest["artifacts"][stack.key]
    file = artifact["properties"]["templateFile"]
    gone = ("additionalDependencies", "stackTemplateAssetObjectUrl")
    kept = {name: value for name, value in artifact["properties"].items() if name not in gone}
    part = {"type": artifact["type"], "environment": artifact["environment"], "properties": kept}
    document = {"version": manifest["version"], "artifacts": {stack.key: part}}
    (folder / "manifest.json").write_text(json.dumps(document))
    (folder / file).write_text(json.dumps({"Resources": resources}))


def _manifest(assembly: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((assembly / "manifest.json").read_text())
    return found
