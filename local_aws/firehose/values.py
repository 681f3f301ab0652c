"""JSON values as columns of a Glue table, read as Firehose's JSON SerDes read them."""

import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from typing import Any

import pyarrow as pa

Reader = Callable[[Any], Any]

_INTEGERS = {"tinyint": 8, "smallint": 16, "int": 32, "integer": 32, "bigint": 64}
_DECIMAL = re.compile(r"decimal(?:\((\d+)(?:,\s*(\d+))?\))?")
_TEXT = re.compile(r"(?:string|varchar\(\d+\)|char\(\d+\))")
_MOMENT = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})[ T](\d{1,2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?"
    r"(Z|[+-]\d{2}:?\d{2})?"
)
# Epoch numbers beyond this are milliseconds: it is the year 5138 in seconds.
_MOST_SECONDS = 100_000_000_000
_MOST_INTEGER = 2**63
# Hive's decimals have up to 38 digits.
_EXACT = Context(prec=76, rounding=ROUND_HALF_UP)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Joda's letters for HiveJsonSerDe's TimestampFormats.
_JODA = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}
_JODA |= {"SSS": "%f", "SSSSSS": "%f", "Z": "%z", "ZZ": "%z"}
_JODA_TOKEN = re.compile(r"'((?:[^']|'')*)'|([A-Za-z])\2*|.")
MILLISECONDS = "millis"


class ValueMismatchError(ValueError):
    """A value is not of its column's type."""


class UnsupportedTypeError(ValueError):
    """A column's type cannot be written here."""


def column(name: str, hive_type: str, formats: Sequence[str] = ()) -> tuple[pa.DataType, Reader]:
    """The Parquet type of a column, and what reads a JSON value for it.

    Args:
        name: The column, for messages.
        hive_type: Its type in the Glue table.
        formats: HiveJsonSerDe's TimestampFormats, tried before its own.

    Raises:
        UnsupportedTypeError: If the type is none of these.
    """
    kind = hive_type.strip().lower()
    simple: dict[str, tuple[pa.DataType, Reader]] = {
        "float": (pa.float32(), _double),
        "double": (pa.float64(), _double),
        "boolean": (pa.bool_(), _boolean),
        "date": (pa.date32(), lambda value: date.fromisoformat(str(value))),
        "timestamp": (pa.timestamp("us"), lambda value: _timestamp(value, formats)),
    }
    if kind in simple:
        parquet_type, read = simple[kind]
    elif kind in _INTEGERS:
        bits = _INTEGERS[kind]
        parquet_type, read = getattr(pa, f"int{bits}")(), lambda value: _integer(value, bits)
    elif found := _DECIMAL.fullmatch(kind):
        precision, scale = int(found[1] or 10), int(found[2] or 0)
        parquet_type = pa.decimal128(precision, scale)
        read = lambda value: _decimal(value, precision, scale)  # noqa: E731 - as the others
    elif _TEXT.fullmatch(kind):
        parquet_type, read = pa.string(), _text
    else:
        raise UnsupportedTypeError(f"column {name}: the type {hive_type} is not supported")
    return parquet_type, _named(name, read)


def _named(name: str, read: Reader) -> Reader:
    """Let a reader skip null and name its column."""

    def named(value: Any) -> Any:
        if value is None:
            return None
        try:
            return read(value)
        except (ValueError, ArithmeticError, TypeError, OverflowError) as error:
            raise ValueMismatchError(f"column {name} cannot hold {_text(value)[:100]}") from error

    return named


def _integer(value: Any, bits: int) -> int:
    if isinstance(value, Decimal) and abs(value) > _MOST_INTEGER:
        raise ValueError  # before it becomes an integer of that many digits
    number = int(value)
    if isinstance(value, bool) or (isinstance(value, Decimal) and value != number):
        raise ValueError
    if not -(2 ** (bits - 1)) <= number < 2 ** (bits - 1):
        raise ValueError
    return number


def _double(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError
    return float(value)


def _decimal(value: Any, precision: int, scale: int) -> Decimal:
    if isinstance(value, bool):
        raise TypeError
    try:
        number = Decimal(str(value)).quantize(Decimal(1).scaleb(-scale), context=_EXACT)
    except InvalidOperation as error:
        raise ValueError from error
    if not number.is_finite() or len(number.as_tuple().digits) > precision:
        raise ValueError
    return number


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Decimal):
        return str(value)
    return json.dumps(value, default=float, separators=(",", ":"))


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() not in ("true", "false"):
        raise ValueError
    return str(value).lower() == "true"


def _timestamp(value: Any, formats: Sequence[str]) -> datetime:
    """A moment in UTC without a zone, as Parquet's timestamps have none."""
    for pattern in formats:
        moment = _by_format(value, pattern)
        if moment is not None:
            return moment
    if isinstance(value, bool):
        raise TypeError
    if isinstance(value, int | Decimal) or str(value).replace(".", "", 1).isdigit():
        return _of_epoch(Decimal(str(value)))
    found = _MOMENT.fullmatch(str(value))
    if found is None:
        raise ValueError
    year, month, day, hour, minute, second = (int(number) for number in found.groups()[:6])
    fraction, zone = found.groups()[6:]
    microsecond = int((fraction or "0").ljust(6, "0")[:6])
    return datetime(year, month, day, hour, minute, second, microsecond) - _offset(zone)


def _of_epoch(number: Decimal) -> datetime:
    if abs(number) > _MOST_INTEGER:
        raise ValueError
    seconds = number / 1000 if abs(number) >= _MOST_SECONDS else number
    return (_EPOCH + timedelta(microseconds=int(seconds * 1_000_000))).replace(tzinfo=None)


def _offset(zone: str | None) -> timedelta:
    if zone is None or zone == "Z":
        return timedelta()
    digits = zone[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return -offset if zone[0] == "-" else offset


def _by_format(value: Any, pattern: str) -> datetime | None:
    if pattern == MILLISECONDS:
        number = isinstance(value, int) and not isinstance(value, bool)
        return _of_epoch(Decimal(value) / 1000) if number else None
    try:
        moment = datetime.strptime(str(value), strptime_format(pattern))
    except ValueError:
        return None
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def strptime_format(pattern: str) -> str:
    """Python's form of a Joda time pattern.

    Raises:
        UnsupportedTypeError: If it has a letter that is not supported.
    """
    parts = []
    for found in _JODA_TOKEN.finditer(pattern):
        literal, letter = found.groups()
        if literal is not None:
            parts.append(literal.replace("''", "'").replace("%", "%%"))
        elif letter is None:
            parts.append(found[0].replace("%", "%%"))
        elif found[0] in _JODA:
            parts.append(_JODA[found[0]])
        else:
            raise UnsupportedTypeError(f"the timestamp format {pattern} is not supported")
    return "".join(parts)
