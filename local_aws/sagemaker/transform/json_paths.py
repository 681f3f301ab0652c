"""The JSONPath of batch transform's filters: as much of it as SageMaker documents.

parse("$['id', 'SageMakerOutput']").of({"id": 7, "x": 1, "SageMakerOutput": [0.5]})
# {"id": 7, "SageMakerOutput": [0.5]}
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from local_aws.sagemaker.errors import validation

_NAME = r"[A-Za-z_][A-Za-z0-9_-]*"
_QUOTED = r"""'[^']*'|"[^"]*\""""
_STEP = re.compile(
    rf"\.(?P<name>{_NAME})"
    rf"|(?P<all>\.\*|\[\*\])"
    rf"|\[(?P<names>\s*(?:{_QUOTED})(?:\s*,\s*(?:{_QUOTED}))*\s*)\]"
    rf"|\[(?P<indexes>\s*-?\d+(?:\s*,\s*-?\d+)*\s*)\]"
    rf"|\[(?P<start>-?\d+)?:(?P<end>-?\d+)?\]"
)


class NoSuchPartError(Exception):
    """A record has not what a path names."""


@dataclass(frozen=True, slots=True)
class _Names:
    names: tuple[str, ...]

    def of(self, value: Any, rest: "Path") -> Any:
        if not isinstance(value, dict):
            raise NoSuchPartError(f"a {type(value).__name__} has no {self.names[0]!r}")
        if missing := [name for name in self.names if name not in value]:
            raise NoSuchPartError(f"there is no {missing[0]!r}")
        if len(self.names) == 1:
            return rest.of(value[self.names[0]])
        return {name: rest.of(value[name]) for name in self.names}


@dataclass(frozen=True, slots=True)
class _Indexes:
    indexes: tuple[int, ...]

    def of(self, value: Any, rest: "Path") -> Any:
        found = _list(value)
        if outside := [i for i in self.indexes if not -len(found) <= i < len(found)]:
            raise NoSuchPartError(f"there is no index {outside[0]} in {len(found)} values")
        if len(self.indexes) == 1:
            return rest.of(found[self.indexes[0]])
        return [rest.of(found[index]) for index in self.indexes]


@dataclass(frozen=True, slots=True)
class _Slice:
    start: int | None
    end: int | None

    def of(self, value: Any, rest: "Path") -> Any:
        return [rest.of(item) for item in _list(value)[self.start : self.end]]


@dataclass(frozen=True, slots=True)
class _All:
    def of(self, value: Any, rest: "Path") -> Any:
        values = list(value.values()) if isinstance(value, dict) else _list(value)
        return [rest.of(item) for item in values]


@dataclass(frozen=True, slots=True)
class Path:
    """A path that is understood."""

    steps: Sequence[_Names | _Indexes | _Slice | _All]

    def of(self, value: Any) -> Any:
        """The part of a value that the path names; several names give an object.

        Raises:
            NoSuchPartError: If there is no such part.
        """
        if not self.steps:
            return value
        return self.steps[0].of(value, Path(self.steps[1:]))


def parse(text: str, field: str = "JSONPath") -> Path:
    """A path from its text.

    Raises:
        ServiceError: If it is not one of SageMaker's.
    """
    position = 1
    steps: list[_Names | _Indexes | _Slice | _All] = []
    while text.startswith("$") and position < len(text):
        found = _STEP.match(text, position)
        if found is None:
            break
        steps.append(_step(found))
        position = found.end()
    if not text.startswith("$") or position < len(text):
        raise validation(
            f"{field} must be a JSONPath of $, names, indexes, slices and *, got {text}"
        )
    return Path(steps)


def _step(found: re.Match[str]) -> _Names | _Indexes | _Slice | _All:
    if found["name"]:
        return _Names((found["name"],))
    if found["all"]:
        return _All()
    if found["names"]:
        return _Names(tuple(quoted[1:-1] for quoted in re.findall(_QUOTED, found["names"])))
    if found["indexes"]:
        return _Indexes(tuple(int(index) for index in found["indexes"].split(",")))
    start, end = found["start"], found["end"]
    return _Slice(None if start is None else int(start), None if end is None else int(end))


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise NoSuchPartError(f"a {type(value).__name__} has no indexes")
    return value
