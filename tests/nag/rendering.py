"""What a template says once it is deployed: references and functions in their values' place."""

import re
from collections.abc import Container, Iterator
from typing import Any

from .conftest import Template

ACCOUNT, REGION = "123456789012", "eu-central-1"
PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::NoValue": None,
}
PLACE = re.compile(r"\$\{([^}!]+)\}")


class Rendered:
    """Values of a template's expressions; whatever is conditional is there.

    Args:
        template: The template.
    """

    def __init__(self, template: Template) -> None:
        self._template = template

    def value(self, expression: Any) -> Any:
        """An expression's value; what only a deployment knows has a value of its kind."""
        if isinstance(expression, list):
            found = [self.value(each) for each in expression]
            return [each for each in found if each is not None]
        if not isinstance(expression, dict):
            return expression
        if len(expression) == 1:
            ((name, argument),) = expression.items()
            function = getattr(self, "_" + name.rpartition("::")[2].lower(), None)
            if name == "Ref" or (name.startswith("Fn::") and function is not None):
                return function(argument) if function is not None else None
        values = {key: self.value(each) for key, each in expression.items()}
        return {key: each for key, each in values.items() if each is not None}

    def _ref(self, name: str) -> Any:
        if name in PSEUDO:
            return PSEUDO[name]
        parameter = self._template.get("Parameters", {}).get(name)
        if parameter is not None:
            return f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model-package/group/1"
        return name

    def _getatt(self, path: list[str]) -> str:
        name, attribute = path
        body = self._template["Resources"].get(name, {})
        if attribute == "Arn" and body.get("Type") == "AWS::IAM::Role":
            return f"arn:aws:iam::{ACCOUNT}:role/{name}"
        named = body.get("Properties", {}).get(attribute)
        return str(self.value(named)) if named is not None else f"{name}-{attribute}"

    def _importvalue(self, name: str) -> str:
        return f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1" if "DataKey" in name else name

    def _join(self, argument: list[Any]) -> str:
        separator, parts = argument
        return str(separator).join(str(part) for part in self.value(parts))

    def _sub(self, argument: Any) -> str:
        text, values = argument if isinstance(argument, list) else (argument, {})
        known = {key: self.value(each) for key, each in values.items()}
        return PLACE.sub(lambda found: str(known.get(found[1], self._ref(found[1]))), text)

    def _split(self, argument: list[Any]) -> list[str]:
        separator, text = argument
        return str(self.value(text)).split(separator)

    def _select(self, argument: list[Any]) -> str:
        index, values = argument
        found = self.value(values)
        return str(found[int(index)]) if int(index) < len(found) else "none"

    def _if(self, argument: list[Any]) -> Any:
        return self.value(argument[1])


def references(expression: Any) -> Iterator[str]:
    """Names of what an expression reads: parameters, resources, and conditions as `if NAME`."""
    if isinstance(expression, list):
        for each in expression:
            yield from references(each)
    if not isinstance(expression, dict):
        return
    for key, each in expression.items():
        if key in {"Ref", "Condition"} and isinstance(each, str):
            yield each if key == "Ref" else f"if {each}"
        elif key == "Fn::GetAtt":
            yield each[0]
        elif key == "Fn::If":
            yield f"if {each[0]}"
            yield from references(each[1:])
        elif key == "Fn::Sub":
            text = each[0] if isinstance(each, list) else each
            yield from (found.partition(".")[0] for found in PLACE.findall(text))
            yield from references(each[1:] if isinstance(each, list) else [])
        else:
            yield from references(each)


def followers(template: Template, *, replaced: Container[str] | None = None) -> list[str]:
    """Resources that change, come or go with the value of an SSM parameter, in any number of steps.

    Args:
        template: The template.
        replaced: Types that an update replaces; if given, only what refers to the parameter, to a
            condition on it or to one of these is a follower, and not what comes and goes only: all
            others keep their names and ARNs.
    """
    left_out = ("DependsOn",) if replaced is None else ("DependsOn", "Condition")
    conditions = {f"if {name}": body for name, body in template.get("Conditions", {}).items()}

    def passing(names: set[str]) -> set[str]:
        types = {name: template["Resources"].get(name, {}).get("Type") for name in names}
        return {
            name
            for name, kind in types.items()
            if replaced is None or kind is None or kind in replaced
        }

    found = {
        name
        for name, body in template.get("Parameters", {}).items()
        if body["Type"].startswith("AWS::SSM::") and name != "BootstrapVersion"
    }
    readers = {
        name: set(references({key: each for key, each in body.items() if key not in left_out}))
        for name, body in (conditions | template["Resources"]).items()
    }
    while more := {name for name, read in readers.items() if read & passing(found)} - found:
        found |= more
    return sorted(found & template["Resources"].keys())
