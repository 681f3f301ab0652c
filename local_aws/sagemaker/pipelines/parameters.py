"""Parameters of pipeline executions: given values, checked and typed, over the defaults."""

from collections.abc import Iterable, Mapping
from typing import Any

from local_aws.sagemaker.errors import validation
from local_aws.sagemaker.pipelines.definition import PARAMETER_TYPES

_BOOLEANS = {"true": True, "false": False}


def values(
    declared: Mapping[str, Mapping[str, Any]], given: Iterable[Mapping[str, str]]
) -> dict[str, Any]:
    """The value of every parameter of an execution.

    Args:
        declared: The definition's parameters, by name.
        given: The request's `Name` and `Value` pairs.

    Raises:
        ServiceError: For an unknown, missing, repeated or ill-typed parameter.
    """
    texts: dict[str, str] = {}
    for item in given:
        name = item["Name"]
        if name not in declared:
            known = ", ".join(declared) or "none"
            raise validation(f"parameter '{name}' is not one of the pipeline's; it has {known}")
        if name in texts:
            raise validation(f"parameter '{name}' must be given once, got it twice")
        texts[name] = item["Value"]
    return {
        name: _typed(parameter, texts[name]) if name in texts else _default(parameter)
        for name, parameter in declared.items()
    }


def _default(parameter: Mapping[str, Any]) -> Any:
    if "DefaultValue" not in parameter:
        raise validation(f"parameter '{parameter['Name']}' must be given; it has no default value")
    default = parameter["DefaultValue"]
    return float(default) if parameter["Type"] == "Float" else default


def _typed(parameter: Mapping[str, Any], text: str) -> Any:
    name, kind = parameter["Name"], parameter["Type"]
    allowed = parameter.get("EnumValues")
    if allowed is not None and text not in allowed:
        raise validation(f"parameter '{name}' must be one of {', '.join(allowed)}, got '{text}'")
    try:
        if kind == "Boolean":
            return _BOOLEANS[text.lower()]
        return PARAMETER_TYPES[kind](text)
    except (KeyError, ValueError) as error:
        raise validation(f"parameter '{name}' must be of type {kind}, got '{text}'") from error
