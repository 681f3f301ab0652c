"""Values of templates with references spelled out, so that they can be searched as text."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from operations.deployment.assembly import stacks

__all__ = ["flat", "references", "spelled_resources"]

_REFERENCE = re.compile(r"<([^<>]+)>")
_PLACE = re.compile(r"\$\{(\w+)[^}]*\}")


def spelled_resources(assembly: Path) -> Mapping[str, Mapping[str, Any]]:
    """Every resource of an assembly by STACK/LOGICAL_ID.

    A reference to a resource, also one of another stack, is the text <STACK/LOGICAL_ID>; what joins
    texts has joined them.
    """
    found: dict[str, Mapping[str, Any]] = {}
    exported: dict[str, str] = {}
    for stack in stacks(assembly):  # each after those whose exports it reads
        spelling = _Spelling(stack.key, exported)
        for name, body in stack.template["Resources"].items():
            found[f"{stack.key}/{name}"] = spelling.value(body)
        for output in stack.template.get("Outputs", {}).values():
            if "Export" in output:
                exported[output["Export"]["Name"]] = spelling.value(output["Value"])
    return found


def flat(value: Any) -> str:
    """All texts of a value, each after the name under which it stands."""
    if isinstance(value, dict):
        return " ".join(f"{name} {flat(each)}" for name, each in value.items())
    if isinstance(value, list):
        return " ".join(map(flat, value))
    return str(value)


def references(value: Any) -> set[str]:
    """The resources that a spelled value refers to."""
    return {*_REFERENCE.findall(flat(value))}


class _Spelling:
    def __init__(self, stack: str, exported: Mapping[str, str]) -> None:
        self._stack = stack
        self._exported = exported
        self._functions = {
            "Ref": self._reference,
            "Fn::GetAtt": lambda argument: self._reference(argument[0]),
            "Fn::ImportValue": lambda argument: self._exported.get(argument, argument),
            "Fn::Join": lambda argument: argument[0].join(map(self._text, argument[1])),
            "Fn::Sub": self._substituted,
        }

    def value(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.value(each) for each in value]
        if not isinstance(value, dict):
            return value
        (name, argument), *others = value.items() or [("", None)]
        if not others and name in self._functions:
            return self._functions[name](argument)
        return {name: self.value(each) for name, each in value.items()}

    def _text(self, value: Any) -> str:
        return flat(self.value(value))

    def _reference(self, name: str) -> str:
        return f"<{self._stack}/{name}>"

    def _substituted(self, argument: Any) -> str:
        text, values = argument if isinstance(argument, list) else (argument, {})
        known = {name: self._text(each) for name, each in values.items()}
        return _PLACE.sub(lambda found: known.get(found[1], self._reference(found[1])), text)
