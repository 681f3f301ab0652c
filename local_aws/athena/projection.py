"""Partition projection: partitions that follow from the table's properties, not from a list."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from local_aws.athena.pruning import Condition

_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")
# Java's date pattern letters in use, as strptime's and as expressions.
_PATTERN = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}
_DIGITS = {letters: rf"\d{{{len(letters)}}}" for letters in _PATTERN}
_NOW = re.compile(r"NOW(?:\s*([+-])\s*(\d+)\s*(\w+?)S?)?")
_UNIT_DAYS = {"YEAR": 365.25, "MONTH": 30.44, "WEEK": 7, "DAY": 1}
_UNIT_SECONDS = {"HOUR": 3600, "MINUTE": 60, "SECOND": 1}


class ProjectionError(ValueError):
    """A table's projection properties are incomplete, or a query may not use them so."""


@dataclass(frozen=True, slots=True)
class Projection:
    """How one table's partitions are found.

    Args:
        template: The location of a partition, with `${column}` for its values.
        properties: The table's properties (`projection.<column>.<property>`).
        keys: The partition columns.
    """

    template: str
    properties: Mapping[str, str]
    keys: Sequence[str]

    def static_prefix(self) -> str:
        """What all locations begin with."""
        return _PLACEHOLDER.split(self.template, maxsplit=1)[0]

    def matcher(self) -> re.Pattern[str]:
        """Matches a location, with a group for each partition column."""
        parts = _PLACEHOLDER.split(self.template)
        missing = set(self.keys) - set(parts[1::2])
        if missing:
            raise ProjectionError(
                f"HIVE_METASTORE_ERROR: storage.location.template lacks {sorted(missing)}"
            )
        pattern = "".join(
            re.escape(part) if index % 2 == 0 else f"(?P<{part}>{self._value_pattern(part)})"
            for index, part in enumerate(parts)
        )
        return re.compile(pattern.removesuffix("/") + "/")

    def allows(self, column: str, value: str) -> bool:
        """Whether a value is in the column's projected range."""
        match self._type(column):
            case "enum":
                return value in [v.strip() for v in self._property(column, "values").split(",")]
            case "integer":
                low, high = self._property(column, "range").split(",")
                return int(low) <= int(value) <= int(high)
            case "date":
                low, high = self._property(column, "range").split(",")
                moment = self._moment(column, value)
                return self._moment(column, low) <= moment <= self._moment(column, high)
        return True

    def check(self, conditions: Sequence[Condition]) -> None:
        """Refuse a query that does not say which values of an injected column it wants."""
        given = {c.column for c in conditions if c.comparison == "="}
        for key in self.keys:
            if self._type(key) == "injected" and key not in given:
                raise ProjectionError(
                    f"CONSTRAINT_VIOLATION: For the injected projected partition column {key}, "
                    "the WHERE clause must contain only static equality conditions, and at least "
                    "one such condition must be present."
                )

    def _type(self, column: str) -> str:
        kind = self._property(column, "type").lower()
        if kind not in {"enum", "integer", "date", "injected"}:
            raise ProjectionError(f"INVALID_TABLE_PROPERTY: projection.{column}.type is {kind}")
        return kind

    def _property(self, column: str, name: str) -> str:
        key = f"projection.{column}.{name}"
        if key not in self.properties:
            raise ProjectionError(f"INVALID_TABLE_PROPERTY: table has no property {key}")
        return self.properties[key]

    def _value_pattern(self, column: str) -> str:
        match self._type(column):
            case "integer":
                return r"-?\d+"
            case "date":
                return _in_pattern(self._property(column, "format"), _DIGITS, re.escape)
        return "[^/]+"

    def _moment(self, column: str, text: str) -> datetime:
        relative = _NOW.fullmatch(text.strip())
        if relative is None:
            pattern = self._property(column, "format")
            return datetime.strptime(text.strip(), _in_pattern(pattern, _PATTERN)).replace(
                tzinfo=UTC
            )
        sign, count, unit = relative.groups()
        if sign is None:
            return datetime.now(UTC)
        if unit in _UNIT_DAYS:
            span = timedelta(days=int(count) * _UNIT_DAYS[unit])
        else:
            span = timedelta(seconds=int(count) * _UNIT_SECONDS[unit])
        return datetime.now(UTC) + (span if sign == "+" else -span)


def _in_pattern(java: str, spelled: Mapping[str, str], escape: Callable[[str], str] = str) -> str:
    """A Java date pattern in another notation; text in quotes stands for itself."""
    pieces = re.findall(r"'([^']*)'|([A-Za-z])(\2*)|([^A-Za-z'])", java)
    answer = ""
    for quoted, letter, repeated, other in pieces:
        letters = letter + repeated
        if letters and letters not in spelled:
            raise ProjectionError(f"INVALID_TABLE_PROPERTY: date pattern {java} has {letters}")
        answer += spelled[letters] if letters else escape(quoted + other)
    return answer
