"""Strict reading of untrusted JSON objects, for requests and for events of the stream.

Whatever was sent, the outcome is a checked value or `FieldError` with a reason that names the
field, the rule and (shortened) what was got. Nothing is guessed, coerced or rounded.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn

from pipeline_code.common.money import LARGEST_MINOR, AmountError, to_minor

__all__ = [
    "LARGEST_ID",
    "FieldError",
    "JsonDecimal",
    "check_names",
    "json_object",
    "json_value",
    "kind",
    "minor_amount",
    "moment",
    "shown",
    "text_of",
    "whole_number",
]

LARGEST_ID = 2**63 - 1
OLDEST = datetime(2000, 1, 1, tzinfo=UTC)
NEWEST = datetime(2100, 1, 1, tzinfo=UTC)

# Python reads many more forms of time and number than a sender may mean; these are all we take.
TIME_FORM = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)", re.ASCII)
AMOUNT_FORM = re.compile(r"\d{1,16}(\.\d{1,16})?", re.ASCII)
SHOWN_CHARACTERS = 40


class FieldError(ValueError):
    """The text breaks a stated rule; `reason` says which."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class JsonDecimal(str):
    """A JSON number with a fraction or an exponent, kept as its sender wrote it."""

    __slots__ = ()


def json_object(data: bytes, name: str) -> dict[str, Any]:
    """The JSON object that the bytes are; `name` is what a reason calls them."""
    document = json_value(data, name)
    if not isinstance(document, dict):
        raise FieldError(f"{name} must be a JSON object, got {kind(document)}")
    return document


def json_value(data: bytes, name: str) -> Any:
    """What the bytes are as JSON; a number with a fraction or an exponent stays text."""
    try:
        return _DECODER.decode(text_of(data, name))
    except RecursionError:
        raise FieldError(f"{name} must not be nested deeply, got too many levels") from None
    except json.JSONDecodeError as error:
        raise FieldError(f"{name} must be JSON, got {error.msg} at {error.pos}") from None
    except FieldError:
        raise
    except ValueError:
        # An integer of thousands of digits, which Python refuses to convert.
        raise FieldError("numbers must have at most 4300 digits, got more") from None


def check_names(
    document: Mapping[str, Any], name: str, required: Sequence[str], optional: Sequence[str] = ()
) -> None:
    """Refuses an object that lacks a required field or has one that nobody knows."""
    missing = [field for field in required if field not in document]
    if missing:
        raise FieldError(f"{name} must have the fields {', '.join(required)}, got no {missing[0]}")
    known = (*required, *optional)
    unknown = [field for field in document if field not in known]
    if unknown:
        raise FieldError(f"fields must be among {', '.join(known)}, got {shown(unknown[0])}")


def whole_number(document: Mapping[str, Any], name: str, largest: int = LARGEST_ID) -> int:
    """A field that holds an integer of 0 or above."""
    value = document[name]
    # A bool is an int to Python, not to whoever sent `true`.
    if not isinstance(value, int) or isinstance(value, bool):
        raise FieldError(f"{name} must be an integer, got {kind(value)}")
    if not 0 <= value <= largest:
        raise FieldError(f"{name} must be between 0 and {largest}, got {shown(value)}")
    return value


def moment(document: Mapping[str, Any], name: str) -> datetime:
    """A field that holds a time, in UTC."""
    value = document[name]
    rule = f"{name} must be ISO-8601 with an offset, such as 2018-08-01T10:00:00Z"
    if not isinstance(value, str) or isinstance(value, JsonDecimal):
        raise FieldError(f"{rule}, got {kind(value)}")
    if not TIME_FORM.fullmatch(value):
        raise FieldError(f"{rule}, got {shown(value)}")
    try:
        time = datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError):
        raise FieldError(f"{rule}, got {shown(value)}, which is no time") from None
    if not OLDEST <= time < NEWEST:
        raise FieldError(
            f"{name} must be between {OLDEST.year} and {NEWEST.year}, got {shown(value)}"
        )
    return time


def minor_amount(document: Mapping[str, Any], name: str) -> int:
    """A field that holds an amount in currency units, in minor units."""
    value = document[name]
    rule = f"{name} must be a decimal number of at least 0 with at most two decimals"
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise FieldError(f"{rule}, got {kind(value)}")
    text = shown(value, quoted=False) if isinstance(value, int) else value
    if not AMOUNT_FORM.fullmatch(text):
        raise FieldError(f"{rule}, got {shown(value)}")
    try:
        return to_minor(str(text))
    except AmountError:
        raise FieldError(f"{rule} and at most {LARGEST_MINOR} cents, got {shown(value)}") from None


def text_of(data: bytes, name: str) -> str:
    """The text that the bytes are."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FieldError(f"{name} must be UTF-8, got another byte at {error.start}") from None


def kind(value: Any) -> str:
    """What JSON calls a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, JsonDecimal):
        return shown(value, quoted=False)
    names = {dict: "an object", list: "an array", str: "a string", int: "an integer"}
    return names[type(value)]


def shown(value: Any, *, quoted: bool = True) -> str:
    """A value as an error message shows it: printable ASCII, not longer than a line."""
    if isinstance(value, int):
        # str() of a huge integer is slow, and refused beyond 4300 digits.
        return str(value) if abs(value) < 10**SHOWN_CHARACTERS else "a larger number"
    text = value if len(value) <= SHOWN_CHARACTERS else value[:SHOWN_CHARACTERS] + "..."
    return ascii(str(text)) if quoted else ascii(str(text))[1:-1]


def _refuse_constant(name: str) -> NoReturn:
    raise FieldError(f"numbers must be finite, got {name}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise FieldError("fields must be given once, got one repeated")
    return document


# json.loads would make one for each call.
_DECODER = json.JSONDecoder(
    parse_float=JsonDecimal, parse_constant=_refuse_constant, object_pairs_hook=_object
)
