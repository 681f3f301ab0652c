"""Templates: parameters and conditions before anything is made of them, exports after."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import yaml  # type: ignore[import-untyped]
from ministack import app as ms
from ministack.services import cloudformation
from ministack.services.cloudformation import changesets, engine, handlers, stacks

from local_aws.guesses import Guess, guessed

Template = Mapping[str, Any]
_MODULES = (engine, handlers, changesets, stacks)
# What the emulator meets where a template is built otherwise than it expects.
_EMPTY = re.compile(
    "<(Description|Outputs|ResourceStatusReason|StackStatusReason|StatusReason)></\\1>"
)
_LISTS = ("CommaDelimitedList", "List<Number>")
_NO_VALUE = "has no Default and was not provided"
_UNEXPECTED = (AttributeError, IndexError, KeyError, RecursionError, TypeError)


def check_templates(
    problem: Callable[[Template], str | None],
    unknown: Callable[[Template, Iterable[str]], str | None],
) -> None:
    """Refuse templates, once they are transformed, and parameters, before they are resolved.

    Args:
        problem: What is wrong with a template, or None.
        unknown: Of a template and the names of given parameters: what is wrong with these, or None.
    """
    for module in _MODULES:
        if hasattr(module, "_resolve_parameters"):
            module._resolve_parameters = _checked(module._resolve_parameters, problem, unknown)
        if hasattr(module, "_parse_template"):
            module._parse_template = _parsed(module._parse_template)


def _checked(inner: Any, problem: Any, unknown: Any) -> Any:
    def resolve(template: Any, provided: Any, *rest: Any) -> Any:
        if isinstance(template, engine._TransformFailed):
            raise ValueError(template.error)
        if reason := problem(template):
            raise ValueError(reason)
        if reason := unknown(template, [str(each.get("Key")) for each in provided or ()]):
            raise ValueError(reason)
        try:
            found = _explained(inner)(_worded(template), provided, *rest)
        except ValueError as error:
            if _NO_VALUE not in str(error):
                raise
            missing = _valueless(template, provided or ())
            raise ValueError(f"Parameters: [{', '.join(missing)}] must have values") from error
        _allow(template, found)
        return found

    return resolve


def _parsed(inner: Any) -> Any:
    def parse_template(body: str) -> Any:
        try:
            return inner(body)
        except json.JSONDecodeError as error:
            place = f"(line {error.lineno}, column {error.colno})"
            raise ValueError(f"JSON not well-formed. {place}") from error
        except yaml.YAMLError as error:
            raise ValueError(f"YAML not well-formed. {error}") from error

    return parse_template


def _valueless(template: Template, provided: Iterable[Mapping[str, Any]]) -> list[str]:
    given = {each.get("Key") for each in provided}
    parameters = template.get("Parameters", {})
    return [name for name in parameters if name not in given and "Default" not in parameters[name]]


def _allow(template: Template, found: Mapping[str, Mapping[str, Any]]) -> None:
    """ "When applied to a parameter of type CommaDelimitedList, each value in the list must be one
    of the specified allowed values" (template reference, Parameters).
    """
    for name, definition in template.get("Parameters", {}).items():
        if definition.get("Type") in _LISTS and "AllowedValues" in definition:
            allowed = [_word(each) for each in definition["AllowedValues"]]
            members = [member.strip() for member in str(found[name]["Value"]).split(",")]
            if not {*members} <= {*allowed}:
                raise ValueError(
                    f"Parameter '{name}' must be one of AllowedValues: {', '.join(allowed)}"
                )


def evaluate_conditions() -> None:
    """Evaluate conditions with all functions that they may have.

    ministack knows `Ref` of a parameter and `Fn::Select` there; any other function of the
    operands, and a pseudo parameter, it compares as it is written.
    """
    for module in _MODULES:
        if hasattr(module, "_evaluate_conditions"):
            module._evaluate_conditions = _explained(_evaluated)


def keep_exports() -> None:
    """Fail stacks whose outputs take an export's name, or change or lose what another imports.

    "export names must be unique within a region", "You can't modify or remove an output value that
    is referenced by another stack" (User Guide, "Get exports").
    """
    inner = stacks._resolve_stack_outputs

    def resolve_stack_outputs(*arguments: Any) -> Any:
        outputs, exports = inner(*arguments)
        stack_id = arguments[-1]
        own = [name for name, e in cloudformation._exports.items() if e["StackId"] == stack_id]
        for name in own:
            if name in exports:
                continue
            if users := _importing(name):
                raise ValueError(
                    f"Export {name} cannot be deleted as it is in use by {', '.join(users)}"
                )
            cloudformation._exports.pop(name)
        for name, export in exports.items():
            known = cloudformation._exports.get(name) or export
            if known["StackId"] != export["StackId"]:
                owner = known["StackId"].split("/")[1]
                raise ValueError(f"Export with name {name} is already exported by stack {owner}")
            users = _importing(name) if known["Value"] != export["Value"] else []
            if users:
                raise ValueError(
                    f"Export {name} cannot be updated as it is in use by {', '.join(users)}"
                )
        return outputs, exports

    stacks._resolve_stack_outputs = resolve_stack_outputs


def _importing(export: str) -> list[str]:
    return [
        str(name)
        for name, stack in list(cloudformation._stacks.items())
        if export in handlers._imported_export_names(stack, name)
    ]


def leave_out_empty() -> None:
    """Answer without the elements that CloudFormation leaves out when they are empty.

    A template that is built so that even its capabilities cannot be told is a bad one, too.
    """
    inner = ms.SERVICE_HANDLERS["cloudformation"]

    async def handle_request(*request: Any) -> Any:
        try:
            status, headers, body = await inner(*request)
        except _UNEXPECTED as error:
            words = guessed(
                f"Template format error: unsupported structure ({error!r})", Guess.UNSEEN
            )
            status, headers, body = handlers._error("ValidationError", words)
        text = body.decode() if isinstance(body, bytes) else str(body)
        return status, headers, _EMPTY.sub("", text).encode()

    ms.SERVICE_HANDLERS["cloudformation"] = handle_request


def _evaluated(template: Template, params: Mapping[str, Any]) -> dict[str, bool]:
    conditions: Mapping[str, Any] = template.get("Conditions") or {}
    mappings = template.get("Mappings") or {}
    known: dict[str, bool] = {}

    def holds(expression: Any) -> bool:
        ((function, operands),) = expression.items()
        if function == "Condition":
            if operands not in known:
                known[operands] = holds(conditions[operands])
            return known[operands]
        if function == "Fn::Equals":
            left, right = (text(operand) for operand in operands)
            return bool(left == right)
        found = [holds(operand) for operand in operands]
        if function == "Fn::Not":
            return not found[0]
        return all(found) if function == "Fn::And" else any(found)

    def text(operand: Any) -> str:
        value = engine._resolve_refs(operand, {}, params, {}, mappings, "", "")
        return _word(value)

    return {name: holds({"Condition": name}) for name in conditions}


def _explained(inner: Callable[..., Any]) -> Callable[..., Any]:
    """A function of the emulator's that tells what it does not understand as a bad template."""

    def explained(*arguments: Any, **more: Any) -> Any:
        try:
            return inner(*arguments, **more)
        except _UNEXPECTED as error:
            words = f"Template format error: unsupported structure ({error!r})"
            raise ValueError(guessed(words, Guess.UNSEEN)) from error

    return explained


def _worded(template: Template) -> Template:
    """A template whose parameters have booleans as CloudFormation writes them."""
    parameters = template.get("Parameters") or {}
    worded = {name: _definition(given) for name, given in parameters.items()}
    return {**template, "Parameters": worded}


def _definition(given: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: _plain(value) for key, value in given.items()}
    if found["Type"] in _LISTS:
        found.pop("AllowedValues", None)  # which are of each member, not of the whole
    if "AllowedValues" in found:
        found["AllowedValues"] = [_word(each) for each in found["AllowedValues"]]
    return found


def _plain(value: Any) -> Any:
    return _word(value) if isinstance(value, bool) else value


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
