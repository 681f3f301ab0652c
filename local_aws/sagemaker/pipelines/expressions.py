"""Expressions of pipeline definitions: `Get`, `Std:Join` and `Std:JsonGet`."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

_TOKEN = re.compile(r"""\.?([^.\[\]'"]+)|\[(\d+)\]|\[(?:'([^']*)'|"([^"]*)")\]""")
_JOIN = "Std:Join"
JSON_GET = "Std:JsonGet"
_GET = "Get"
_PROPERTY_FILES = "PropertyFiles"
_STEP_DEPTH = 2  # "Steps.<name>"

EXECUTION_VARIABLES = frozenset(
    {
        "StartDateTime",
        "CurrentDateTime",
        "PipelineName",
        "PipelineArn",
        "PipelineExecutionId",
        "PipelineExecutionArn",
        "TrainingJobName",
        "ProcessingJobName",
    }
)


class ExpressionError(Exception):
    """An expression that cannot be evaluated; the message says which and why."""


class Scope(Protocol):
    """What the names in expressions stand for while a step runs."""

    def parameter(self, name: str) -> Any:
        """The value of a pipeline parameter."""

    def variable(self, name: str) -> str:
        """The value of an execution variable, such as `PipelineExecutionId`."""

    def properties(self, step: str) -> Mapping[str, Any]:
        """What describes a step that has ended: its job's description, mostly."""

    def property_file(self, step: str, name: str) -> Any:
        """The content of a step's property file."""

    def json_object(self, uri: str) -> Any:
        """The content of a JSON object in S3."""


def resolve(value: Any, scope: Scope) -> Any:
    """A value with all its expressions evaluated.

    Raises:
        ExpressionError: If one refers to something that is not there.
    """
    if isinstance(value, list):
        return [resolve(item, scope) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {_GET} and isinstance(value[_GET], str):
        return _get(value[_GET], scope)
    if set(value) == {_JOIN}:
        join = value[_JOIN]
        parts = (text(resolve(item, scope)) for item in join["Values"])
        return str(join.get("On", "")).join(parts)
    if set(value) == {JSON_GET}:
        return _json_get(value[JSON_GET], scope)
    return {key: resolve(item, scope) for key, item in value.items()}


def text(value: Any) -> str:
    """A value as a string joins it: `true`, `7`, `0.55`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def look_up(document: Any, path: str) -> Any:
    """The value at a path: `Outputs['train'].S3Output.S3Uri`, `metrics[0].value`.

    A name in brackets finds the item of a list whose name it is.

    Raises:
        KeyError: If there is none.
    """
    for token in _tokens(path):
        document = _step_into(document, token)
    return document


def names(value: Any) -> Iterator[str]:
    """Everything that a value's expressions refer to, as `Get` spells it."""
    if isinstance(value, list):
        for item in value:
            yield from names(item)
    elif isinstance(value, dict):
        if set(value) == {_GET} and isinstance(value[_GET], str):
            yield value[_GET]
        else:
            for item in value.values():
                yield from names(item)


def functions(value: Any) -> Iterator[str]:
    """The functions (`Std:...`) that a value uses."""
    if isinstance(value, list):
        for item in value:
            yield from functions(item)
    elif isinstance(value, dict):
        if len(value) == 1 and next(iter(value)).startswith("Std:"):
            yield next(iter(value))
        for item in value.values():
            yield from functions(item)


def is_supported(function: str) -> bool:
    """Whether a function can be evaluated."""
    return function in {_JOIN, JSON_GET}


def step_of(name: str) -> str | None:
    """The step that `Steps.<name>...` refers to, else None."""
    parts = name.split(".", _STEP_DEPTH)
    return re.split(r"[.\[]", parts[1])[0] if parts[0] == "Steps" and len(parts) > 1 else None


def _get(name: str, scope: Scope) -> Any:
    kind, _, rest = name.partition(".")
    if kind == "Parameters":
        return scope.parameter(rest)
    if kind == "Execution":
        return scope.variable(rest)
    step, _, path = rest.partition(".")
    if kind != "Steps" or not path:
        raise ExpressionError(f"'{name}' cannot be resolved; it names nothing")
    if path.startswith(f"{_PROPERTY_FILES}."):
        return scope.property_file(step, path.partition(".")[2])
    try:
        return look_up(scope.properties(step), path)
    except KeyError as error:
        raise ExpressionError(f"'{name}' cannot be resolved; step {step} has no {error}") from error


def _json_get(arguments: Mapping[str, Any], scope: Scope) -> Any:
    path = str(resolve(arguments["Path"], scope))
    if "PropertyFile" in arguments:
        source = arguments["PropertyFile"]
        label = source[_GET] if isinstance(source, dict) else str(source)
        document = resolve(source, scope)
    else:
        label = str(resolve(arguments["S3Uri"], scope))
        document = scope.json_object(label)
    try:
        return look_up(document, path)
    except KeyError as error:
        raise ExpressionError(
            f"{label} has no value at path '{path}'; {error} is absent"
        ) from error


def _tokens(path: str) -> Iterator[str | int]:
    position = 0
    while position < len(path):
        found = _TOKEN.match(path, position)
        if found is None:
            raise ExpressionError(
                f"'{path}' is not a path; it cannot be read from '{path[position:]}'"
            )
        name, index, single, double = found.groups()
        if index is not None:
            yield int(index)
        else:
            yield next(part for part in (name, single, double) if part is not None)
        position = found.end()


def _step_into(document: Any, token: str | int) -> Any:
    if isinstance(document, list):
        if isinstance(token, int) and token < len(document):
            return document[token]
        for item in document:
            if isinstance(item, dict) and any(
                key.endswith("Name") and value == token for key, value in item.items()
            ):
                return item
    elif isinstance(document, dict) and token in document:
        return document[token]
    raise KeyError(token)
