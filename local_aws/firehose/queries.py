"""The part of JQ that partition keys are taken with: `{day: .event_time[0:10], id: .customer.id}`.

A value is a path of names, indices and slices, then any of the functions below. Anything else is
refused when the delivery stream is made.
"""

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Step = Callable[[Any], Any]

_PAIR = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([A-Za-z_]\w*))\s*(:)?')
_PATH = re.compile(
    r'\s*(?:\.?\[\s*(?:"((?:[^"\\]|\\.)*)"|(-?\d*)\s*(:)\s*(-?\d*)|(-?\d+))\s*\]|\.([A-Za-z_]\w*))'
)
_FUNCTION = re.compile(r'\s*\|\s*([a-z_]+)\s*(?:\(\s*"((?:[^"\\]|\\.)*)"\s*\))?')
_FUNCTIONS: dict[str, Callable[[Any, str], Any]] = {
    "strftime": lambda value, text: time.strftime(text, time.gmtime(float(value))),
    "tostring": lambda value, _text: value if isinstance(value, str) else json.dumps(value),
    "tonumber": lambda value, _text: float(value) if "." in str(value) else int(value),
    "ascii_downcase": lambda value, _text: value.lower(),
    "ascii_upcase": lambda value, _text: value.upper(),
}


class QueryError(ValueError):
    """A query is not supported, or a record has no value for it."""


@dataclass(frozen=True, slots=True)
class Query:
    """A query that gives partition keys.

    Query.parse("{day: .event_time[0:10]}").keys_of({"event_time": "2025-03-12T10:00:00Z"})
    """

    values: Mapping[str, tuple[Step, ...]]

    @classmethod
    def parse(cls, text: str) -> "Query":
        """Read a query.

        Raises:
            QueryError: If it is not of the supported part of JQ.
        """
        body = text.strip()
        if not (body.startswith("{") and body.endswith("}")):
            raise _unsupported(text)
        values, rest = {}, body[1:-1]
        while rest.strip():
            found = _PAIR.match(rest)
            if found is None:
                raise _unsupported(text)
            name = found[2] if found[1] is None else json.loads(f'"{found[1]}"')
            rest = rest[found.end() :]
            steps: tuple[Step, ...] = (_name(name),)
            if found[3]:
                steps, rest = _steps(rest, text)
            values[name] = steps
            rest = rest.lstrip()
            if rest and not rest.startswith(","):
                raise _unsupported(text)
            rest = rest[1:]
        return cls(values)

    def keys_of(self, document: Any) -> dict[str, str]:
        """The partition keys of a document.

        Raises:
            QueryError: If a key has no value, or one that is no text and no number.
        """
        keys = {}
        for name, steps in self.values.items():
            value = document
            try:
                for step in steps:
                    value = step(value)
            except (TypeError, ValueError, AttributeError, KeyError) as error:
                raise QueryError(f"partition key {name} cannot be taken: {error}") from error
            if value is None or isinstance(value, dict | list):
                raise QueryError(f"partition key {name} must be text or a number, got {value}")
            keys[name] = value if isinstance(value, str) else json.dumps(value)
        return keys


def _steps(rest: str, text: str) -> tuple[tuple[Step, ...], str]:
    steps: list[Step] = []
    while (found := _PATH.match(rest)) is not None:
        quoted, start, colon, end, index, name = found.groups()
        if colon:
            steps.append(_slice(int(start) if start else None, int(end) if end else None))
        elif index is not None:
            steps.append(_index(int(index)))
        else:
            steps.append(_name(name if quoted is None else json.loads(f'"{quoted}"')))
        rest = rest[found.end() :]
    if not steps:
        raise _unsupported(text)
    while (found := _FUNCTION.match(rest)) is not None:
        function, argument = found.groups()
        if function not in _FUNCTIONS or (argument is None) == (function == "strftime"):
            raise _unsupported(text)
        steps.append(_call(function, json.loads(f'"{argument or ""}"')))
        rest = rest[found.end() :]
    return tuple(steps), rest


def _name(name: str) -> Step:
    return lambda value: None if value is None else value.get(name)


def _index(index: int) -> Step:
    return lambda value: value[index] if -len(value) <= index < len(value) else None


def _slice(start: int | None, end: int | None) -> Step:
    return lambda value: None if value is None else value[start:end]


def _call(function: str, argument: str) -> Step:
    return lambda value: _FUNCTIONS[function](value, argument)


def _unsupported(text: str) -> QueryError:
    functions = ", ".join(_FUNCTIONS)
    return QueryError(
        f"the embedded AWS does not support the JQ query {text}; "
        f"use {{key: .path[0:10]}}, where a path may be followed by | and one of {functions}"
    )
