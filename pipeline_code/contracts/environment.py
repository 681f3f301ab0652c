"""Settings from environment variables: a dataclass says by its fields which, and of what type.

@dataclass(frozen=True, kw_only=True)
class Settings:
    endpoint_name: str  # ENDPOINT_NAME, which must be set
    retries: int = variable(default=2, least=0)  # RETRIES
    look_back: timedelta = variable("LOOK_BACK_HOURS", scale=timedelta(hours=1))

read(Settings, os.environ)
"""

import math
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, field, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

__all__ = ["read", "variable"]

S = TypeVar("S")
ADVICE = "; set it where the function, job or container is configured"


def variable(
    name: str | None = None,
    *,
    least: float | None = None,
    most: float | None = None,
    scale: Any = 1,
    **options: Any,
) -> Any:
    """A field whose variable has a name, limits or a unit of its own.

    Args:
        name: The variable. If omitted, the field's name in capitals.
        least: The least number, in the variable's unit.
        most: The largest.
        scale: What a number is multiplied by: `timedelta(hours=1)`, if it says hours.
        options: Those of `dataclasses.field`, such as `default`.
    """
    rule = {"variable": name, "least": least, "most": most, "scale": scale}
    return field(metadata=rule, **options)


def read(
    settings: type[S],
    environment: Mapping[str, str],
    refuse: Callable[[str], Exception] = ValueError,
    **given: Any,
) -> S:
    """The settings that an environment holds.

    A variable that is empty is not set. A field whose variable is not set has its default, or is
    None where it may be. Fields are text, words (frozenset), times (ISO 8601, UTC if they do not
    say), numbers (whole, unless the field is a float) and other dataclasses of such fields.

    Args:
        settings: The dataclass.
        environment: Variables by name.
        refuse: Makes the exception of a message.
        given: Fields that are not read.

    Raises:
        Exception: What `refuse` makes, if a variable is missing or wrong.
    """
    return _Reader(environment, refuse).read(settings, given)


class _Reader:
    def __init__(self, environment: Mapping[str, str], refuse: Callable[[str], Exception]) -> None:
        self._environment = environment
        self._refuse = refuse

    def read(self, settings: type[S], given: Mapping[str, Any]) -> S:
        values = {
            each.name: self._value(each, kind)
            for each, kind in _fields(settings)
            if each.name not in given
        }
        return settings(**values, **given)

    def _value(self, each: Field[Any], kind: Any) -> Any:
        may_be_none, kind = _optional(kind)
        if is_dataclass(kind):
            return self._part(kind, may_be_none)  # type: ignore[arg-type]  # it is the class
        name = _variable(each)
        text = self._environment.get(name, "")
        if kind == frozenset[str] and name in self._environment:
            return frozenset(text.split())
        if text:
            return self._converted(name, text, kind, each.metadata)
        if each.default is not MISSING:
            return each.default
        if each.default_factory is not MISSING:
            return each.default_factory()
        if may_be_none:
            return None
        if _is_number(kind):
            raise self._refuse(f"{name} must be {_wanted(kind, each.metadata)}, got none{ADVICE}")
        raise self._refuse(f"{name} must be set, got none{ADVICE}")

    def _part(self, kind: type[S], may_be_none: bool) -> S | None:
        if may_be_none:
            names = [_variable(each) for each, _ in _fields(kind) if each.default is MISSING]
            given = [self._environment.get(name, "") for name in names]
            if not any(given):
                return None
            if not all(given):
                raise self._refuse(f"{' and '.join(names)} must be set together, got {given}")
        return self.read(kind, {})

    def _converted(self, name: str, text: str, kind: Any, rule: Mapping[str, Any]) -> Any:
        if kind is datetime:
            return self._moment(name, text)
        if not _is_number(kind):
            return text
        try:
            number = float(text) if kind is float else int(text)
        except ValueError:
            number = math.nan
        least, most = rule.get("least"), rule.get("most")
        # What is no number is within no limits.
        if (
            not (-math.inf if least is None else least)
            <= number
            <= (math.inf if most is None else most)
        ):
            raise self._refuse(f"{name} must be {_wanted(kind, rule)}, got {text}{ADVICE}")
        return number * rule.get("scale", 1)

    def _moment(self, name: str, text: str) -> datetime:
        try:
            moment = datetime.fromisoformat(text.replace(" ", ""))
        except ValueError as error:
            raise self._refuse(f"{name} must be an ISO-8601 time, got {text}") from error
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _fields(settings: type) -> Iterator[tuple[Field[Any], Any]]:
    types_ = get_type_hints(settings)
    for each in fields(settings):
        yield each, types_[each.name]


def _variable(each: Field[Any]) -> str:
    return each.metadata.get("variable") or each.name.upper()


def _optional(kind: Any) -> tuple[bool, Any]:
    """Whether a field may be None, and what it is else."""
    if get_origin(kind) not in (Union, types.UnionType):
        return False, kind
    (other,) = (each for each in get_args(kind) if each is not types.NoneType)
    return True, other


def _is_number(kind: Any) -> bool:
    return kind in (int, float, timedelta)


def _wanted(kind: Any, rule: Mapping[str, Any]) -> str:
    least, most = rule.get("least"), rule.get("most")
    words = "a number" if kind is float else "a whole number"
    if least is not None:
        words += f" from {least} on" if most is None else f" between {least} and {most}"
    return words
