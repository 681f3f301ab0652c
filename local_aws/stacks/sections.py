"""A template's sections beside its resources, as CloudFormation wants them.

The texts are localstack's recorded answers of AWS (tests/aws/services/cloudformation) or of public
failures; where none was found, they say so.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from local_aws.guesses import Guess, guessed
from local_aws.stacks.functions import is_condition, shape_problems

Template = Mapping[str, Any]
# "Parameters section" and "Outputs section" of the template reference.
_PARAMETER = {
    *("AllowedPattern", "AllowedValues", "ConstraintDescription", "Default", "Description"),
    *("MaxLength", "MaxValue", "MinLength", "MinValue", "NoEcho", "Type"),
}
_OUTPUT = {"Condition", "Description", "Export", "Value"}
_FORMAT = "Template format error:"


def section_problems(template: Template) -> Iterator[str]:
    """What is wrong with parameters, mappings, conditions and outputs."""
    for section in ("Parameters", "Mappings", "Conditions", "Outputs"):
        members = template.get(section, {})
        if not isinstance(members, Mapping):
            yield guessed(f"{_FORMAT} {section} must be an object", Guess.WORDS)
            return
        noun = section.removesuffix("s")
        for name in members:
            if not (str(name).isascii() and str(name).isalnum()):
                yield f"{_FORMAT} {noun} name {name} is non alphanumeric."
    yield from _parameters(template.get("Parameters", {}))
    yield from _mappings(template.get("Mappings", {}))
    yield from _conditions(template)
    yield from _outputs(template)


def nulls(value: Any, path: str = "") -> Iterator[str]:
    """Where a template has no value at all."""
    if value is None:
        yield f"[{path}] 'null' values are not allowed in templates"
    members = value.items() if isinstance(value, Mapping) else ()
    listed = enumerate(value) if isinstance(value, list) else ()
    for key, member in (*members, *listed):
        yield from nulls(member, f"{path}/{key}")


def _parameters(parameters: Mapping[str, Any]) -> Iterator[str]:
    for name, parameter in parameters.items():
        if not isinstance(parameter, Mapping) or "Type" not in parameter:
            yield f"{_FORMAT} Every Parameters object must contain a Type member."
            return
        if unknown := sorted({*parameter} - _PARAMETER):
            yield f"Invalid template parameter property '{unknown[0]}'"
        if isinstance(parameter.get("Default", ""), list | Mapping):
            yield f"{_FORMAT} Every Default member must be a string."
        allowed = parameter.get("AllowedValues", [])
        if not isinstance(allowed, list) or any(isinstance(e, list | Mapping) for e in allowed):
            yield guessed(
                f"{_FORMAT} AllowedValues of {name} must be a list of texts", Guess.UNSEEN
            )


def _mappings(mappings: Mapping[str, Any]) -> Iterator[str]:
    for name, mapping in mappings.items():
        if not isinstance(mapping, Mapping):
            yield guessed(f"{_FORMAT} Every Mappings object must be a map", Guess.WORDS)
            return
        for key, attributes in mapping.items():
            if not isinstance(attributes, Mapping):
                yield f"{_FORMAT} Every Mappings member {key} must be a map"
                return
            if not attributes or any(isinstance(each, Mapping) for each in attributes.values()):
                yield f"{_FORMAT} Every Mappings attribute must be a String or a List."
        if not mapping:
            yield guessed(f"{_FORMAT} Mapping {name} is empty", Guess.WORDS)


def _conditions(template: Template) -> Iterator[str]:
    conditions = template.get("Conditions", {})
    for condition in conditions.values():
        if not is_condition(condition):
            yield (
                f"{_FORMAT} Conditions can only be boolean operations on parameters and other "
                "conditions"
            )
            return
    yield from shape_problems(conditions, conditions)
    known = {*template.get("Parameters", {})}
    named = {name for name in _refs(conditions) if not name.startswith("AWS::")}
    if missing := sorted(named - known):
        yield (
            f"{_FORMAT} Unresolved dependencies [{', '.join(missing)}]. Cannot reference "
            "resources in the Conditions block of the template"
        )
    needs = {name: {*_needed(condition)} for name, condition in conditions.items()}
    if missing := sorted({each for needed in needs.values() for each in needed} - {*conditions}):
        yield (
            f"{_FORMAT} Unresolved condition dependency {missing[0]} in the Conditions block of "
            "the template"
        )
        return
    while ready := [name for name, needed in needs.items() if not needed & {*needs}]:
        for name in ready:
            del needs[name]
    if needs:
        yield f"Template error: Found circular condition dependency between {', '.join(needs)}"


def _refs(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if isinstance(value.get("Ref"), str):
            yield value["Ref"]
        for member in value.values():
            yield from _refs(member)
    elif isinstance(value, list):
        for each in value:
            yield from _refs(each)


def _needed(value: Any) -> Iterator[str]:
    """The conditions that a condition names."""
    if isinstance(value, Mapping):
        if {*value} == {"Condition"}:
            yield str(value["Condition"])
        for member in value.values():
            yield from _needed(member)
    elif isinstance(value, list):
        for each in value:
            yield from _needed(each)


def _outputs(template: Template) -> Iterator[str]:
    conditions = template.get("Conditions", {})
    for name, output in template.get("Outputs", {}).items():
        if not isinstance(output, Mapping) or "Value" not in output:
            yield f"{_FORMAT} Every Outputs member must contain a Value object"
            return
        if unknown := sorted({*output} - _OUTPUT):
            yield guessed(f"Invalid template output property '{unknown[0]}'", Guess.WORDS)
        if isinstance(output["Value"], list):
            yield (f"{_FORMAT} The Value field of every Outputs member must evaluate to a String.")
        export = output.get("Export", {"Name": name})
        if not isinstance(export, Mapping) or {*export} != {"Name"}:
            yield guessed(f"{_FORMAT} Output {name}: Export must have a Name alone", Guess.UNSEEN)
        condition = output.get("Condition")
        if condition is not None and condition not in conditions:
            yield (
                f"{_FORMAT} Unresolved condition dependency {condition} in the Outputs block of "
                "the template"
            )
    yield from shape_problems(template.get("Outputs", {}), conditions)
