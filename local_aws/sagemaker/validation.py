"""Requests checked against botocore's service models, refused in the words of AWS."""

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import Any

import botocore.validate
from botocore.model import ListShape, MapShape, Shape, StructureShape

from local_aws.sagemaker.errors import ServiceError, validation

_MOST_VALUES = 20
# Beyond these, Unicode has private characters and gaps only.
_ASSIGNED = (*range(0x33480), *range(0xE0000, 0xE0200))
_TYPES = botocore.validate.ParamValidator()


def check(request: dict[str, Any], shape: StructureShape | None) -> None:
    """Refuse a request that the operation's input shape does not allow.

    Types and required members are botocore's own check; lengths, ranges, patterns and
    enumerations, which only the real service checks, are added here.

    Raises:
        ServiceError: A `ValidationException` that lists every violation found.
    """
    if shape is None:
        return
    report = _TYPES.validate(request, shape)
    if report.has_errors():
        raise _refusal([line for line in report.generate_report().splitlines() if line.strip()])
    violations = list(_violations(request, shape, ""))
    if violations:
        raise _refusal(violations)


def _refusal(violations: list[str]) -> ServiceError:
    count = len(violations)
    noun = "error" if count == 1 else "errors"
    return validation(f"{count} validation {noun} detected: {'; '.join(violations)}")


def _violations(value: Any, shape: Shape, path: str) -> Iterator[str]:
    if isinstance(shape, StructureShape):
        for name, member in value.items():
            if name in shape.members:
                yield from _violations(member, shape.members[name], _join(path, name))
    elif isinstance(shape, ListShape):
        yield from _bounds(len(value), shape, path, value, "length")
        for index, member in enumerate(value):
            yield from _violations(member, shape.member, f"{path}.{index + 1}.member")
    elif isinstance(shape, MapShape):
        yield from _bounds(len(value), shape, path, value, "length")
        for key, member in value.items():
            yield from _violations(key, shape.key, f"{path}.key")
            yield from _violations(member, shape.value, f"{path}.{key}.member")
    elif shape.type_name == "string":
        yield from _string(value, shape, path)
    elif shape.type_name in {"integer", "long", "float", "double"}:
        yield from _bounds(value, shape, path, value, "value")


def _join(path: str, name: str) -> str:
    camel = name[:1].lower() + name[1:]
    return f"{path}.{camel}" if path else camel


def _string(value: str, shape: Shape, path: str) -> Iterator[str]:
    if shape.enum and value not in shape.enum:
        allowed = ", ".join(shape.enum[:_MOST_VALUES])
        more = len(shape.enum) - _MOST_VALUES
        if more > 0:  # hundreds of instance types would drown the message
            allowed += f", and {more} more"
        yield _violation(value, path, f"Member must satisfy enum value set: [{allowed}]")
    yield from _bounds(len(value), shape, path, value, "length")
    pattern = shape.metadata.get("pattern")
    if pattern and (compiled := compile_pattern(pattern)) and not compiled.fullmatch(value):
        yield _violation(value, path, f"Member must satisfy regular expression pattern: {pattern}")


def _bounds(size: float, shape: Shape, path: str, value: Any, what: str) -> Iterator[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and size < low:
        yield _violation(value, path, f"Member must have {what} greater than or equal to {low}")
    if high is not None and size > high:
        yield _violation(value, path, f"Member must have {what} less than or equal to {high}")


def _violation(value: Any, path: str, constraint: str) -> str:
    return f"Value '{value}' at '{path}' failed to satisfy constraint: {constraint}"


@cache
def compile_pattern(pattern: str) -> re.Pattern[str] | None:
    """One of AWS's patterns as Python reads it, or None if it cannot."""
    # Patterns are Java's, whose classes of characters (\p{L}) Python does not have. A few end in
    # a repeated `$`, which says nothing.
    text = re.sub(r"\$\{\d+,\d+\}$", "", pattern)
    try:
        return re.compile(re.sub(r"\\p\{([LMNPSZ])\}", lambda found: _category(found[1]), text))
    except re.error:
        return None


@cache
def _category(letter: str) -> str:
    """The ranges of a general category of characters, to stand between brackets."""
    ranges: list[list[int]] = []
    for point in _ASSIGNED:
        if unicodedata.category(chr(point))[0] != letter:
            continue
        if ranges and ranges[-1][1] == point - 1:
            ranges[-1][1] = point
        else:
            ranges.append([point, point])
    return "".join(f"\\U{low:08x}-\\U{high:08x}" for low, high in ranges)
