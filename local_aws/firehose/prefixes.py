"""The names of Firehose's objects: prefixes with expressions, and what follows them."""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

_EXPRESSION = re.compile(r"!\{([A-Za-z]+):([^}]*)\}")
_QUOTED_OR_LETTERS = re.compile(r"'((?:[^']|'')*)'|([A-Za-z])\2*")
DEFAULT_FOLDER = "yyyy/MM/dd/HH/"
FROM_FUNCTION = "partitionKeyFromLambda"
FROM_QUERY = "partitionKeyFromQuery"
# Java's pattern letters that can be formatted here.
_LETTERS = "yuMdHhmsSDEa"


class PrefixError(ValueError):
    """A prefix cannot be evaluated."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The partition keys of a record, by where they come from."""

    function: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)


def invalid(prefix: str, error_prefix: str, *, partitioned: bool) -> str | None:
    """What Firehose does not take of two prefixes, or None."""
    spaces = {space for space, _name in _EXPRESSION.findall(prefix)}
    error_expressions = _EXPRESSION.findall(error_prefix)
    if ("firehose", "error-output-type") in _EXPRESSION.findall(prefix):
        return "Prefix cannot contain !{firehose:error-output-type}"
    if spaces and not error_prefix:
        return "ErrorOutputPrefix must be specified when Prefix contains expressions"
    if error_expressions and ("firehose", "error-output-type") not in error_expressions:
        return "ErrorOutputPrefix must contain !{firehose:error-output-type} at least once"
    if {space for space, _name in error_expressions} & {FROM_FUNCTION, FROM_QUERY}:
        return "ErrorOutputPrefix cannot contain partition keys"
    if bool(spaces & {FROM_FUNCTION, FROM_QUERY}) != partitioned:
        return (
            "Prefix must contain a partition key with DynamicPartitioningConfiguration, "
            "and only then"
        )
    return _unknown(prefix + error_prefix)


def _unknown(text: str) -> str | None:
    known = {"timestamp", FROM_FUNCTION, FROM_QUERY}
    for space, name in _EXPRESSION.findall(text):
        if space == "firehose" and name in ("random-string", "error-output-type"):
            continue
        if space not in known:
            return f"the expression !{{{space}:{name}}} is unknown"
        if space == "timestamp":
            try:
                format_time(name, datetime.now(UTC))
            except PrefixError as error:
                return str(error)
    return None


def wanted_keys(prefix: str, space: str) -> set[str]:
    """The partition keys of one kind that a prefix names."""
    return {name for found, name in _EXPRESSION.findall(prefix) if found == space}


def evaluate(prefix: str, moment: datetime, keys: Keys, error_type: str = "") -> str:
    """A prefix for records that arrived at a moment.

    Without a time and without partition keys in it, Firehose appends the hour.

    Raises:
        PrefixError: If a partition key is missing or empty.
    """

    def value(found: re.Match[str]) -> str:
        space, name = found.groups()
        if space == "timestamp":
            return format_time(name, moment)
        if space == "firehose":
            return error_type if name == "error-output-type" else uuid.uuid4().hex[:11]
        known = keys.function if space == FROM_FUNCTION else keys.query
        if not known.get(name):
            raise PrefixError(f"the record has no partition key {name} for !{{{space}:{name}}}")
        return known[name]

    spaces = {space for space, _name in _EXPRESSION.findall(prefix)}
    evaluated = _EXPRESSION.sub(value, prefix)
    if not spaces & {"timestamp", FROM_FUNCTION, FROM_QUERY}:
        evaluated += format_time(DEFAULT_FOLDER, moment)
    return evaluated


def object_name(stream: str, version: int, moment: datetime, extension: str) -> str:
    """What follows the prefix."""
    return f"{stream}-{version}-{moment:%Y-%m-%d-%H-%M-%S}-{uuid.uuid4()}{extension}"


def arrival(seconds: float, zone: tzinfo) -> datetime:
    """The moment that a prefix's times are of."""
    return datetime.fromtimestamp(seconds, zone)


def format_time(pattern: str, moment: datetime) -> str:
    """A moment by a pattern of Java's DateTimeFormatter.

    Raises:
        PrefixError: If it has a letter that cannot be formatted here.
    """

    def value(found: re.Match[str]) -> str:
        literal, letter = found.groups()
        if letter is None:
            return literal.replace("''", "'") or "'"
        return _field(letter, len(found[0]), moment)

    return _QUOTED_OR_LETTERS.sub(value, pattern)


def _field(letter: str, width: int, moment: datetime) -> str:
    if letter not in _LETTERS:
        raise PrefixError(f"the letter {letter} of a timestamp is not supported; use {_LETTERS}")
    if letter in "yu" and width == 2:  # noqa: PLR2004 - Java's two-digit year
        return f"{moment:%y}"
    if letter in "ME" and width >= 3:  # noqa: PLR2004 - Java's names
        names = {"M": ("%b", "%B"), "E": ("%a", "%A")}[letter]
        return moment.strftime(names[width > 3])  # noqa: PLR2004
    if letter == "S":
        return f"{moment:%f}000"[:width]
    formats = {"y": "%Y", "u": "%Y", "M": "%m", "d": "%d", "H": "%H", "h": "%I", "m": "%M"}
    formats |= {"s": "%S", "D": "%j", "E": "%a", "a": "%p"}
    text = moment.strftime(formats[letter])
    return text if not text.isdigit() else str(int(text)).zfill(width)
