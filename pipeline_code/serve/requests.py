"""Strict reading of requests: a raw transaction as JSON, feature rows as CSV.

Whatever a caller sends, the outcome is a checked value or `RequestError` with a reason that names
the field, the rule and (shortened) what was got. Nothing is guessed, coerced or rounded.
"""

import json
import math
import re
from datetime import UTC, datetime
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from pipeline_code.common.money import LARGEST_MINOR, AmountError, to_minor
from pipeline_code.features.definitions import FEATURE_NAMES
from pipeline_code.features.events import Transaction

FIELDS = ("transaction_id", "event_time", "customer_id", "terminal_id", "amount")
LARGEST_ID = 2**63 - 1
OLDEST = datetime(2000, 1, 1, tzinfo=UTC)
NEWEST = datetime(2100, 1, 1, tzinfo=UTC)

# Python reads many more forms of time and number than a caller may mean; these are all we take.
TIME_FORM = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)", re.ASCII)
AMOUNT_FORM = re.compile(r"\d{1,16}(\.\d{1,16})?", re.ASCII)
NUMBER_FORM = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
SHOWN_CHARACTERS = 40
# The model computes in 32 bits, in which a larger number would be infinite.
LARGEST_VALUE = float(np.finfo(np.float32).max)

BAD_REQUEST = 400
TOO_LARGE = 413
UNSUPPORTED = 415


class RequestError(Exception):
    """The request breaks a stated rule; carries the HTTP status and the reason."""

    def __init__(self, reason: str, status: int = BAD_REQUEST) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


class _Decimal(str):
    """A JSON number with a fraction or an exponent, kept as its sender wrote it."""

    __slots__ = ()


def parse_transaction(body: bytes) -> Transaction:
    """The raw transaction of a JSON body.

    parse_transaction(b'{"transaction_id": 1, "event_time": "2018-08-01T10:00:00Z",'
                      b' "customer_id": 2, "terminal_id": 3, "amount": "12.30"}')
    """
    document = _json(body)
    if not isinstance(document, dict):
        raise RequestError(f"body must be a JSON object, got {_kind(document)}")
    missing = [name for name in FIELDS if name not in document]
    if missing:
        raise RequestError(f"body must have the fields {', '.join(FIELDS)}, got no {missing[0]}")
    unknown = [name for name in document if name not in FIELDS]
    if unknown:
        raise RequestError(f"fields must be among {', '.join(FIELDS)}, got {_shown(unknown[0])}")
    return Transaction(
        transaction_id=_id(document, "transaction_id"),
        event_time=_time(document["event_time"]),
        customer_id=_id(document, "customer_id"),
        terminal_id=_id(document, "terminal_id"),
        amount_minor=_amount(document["amount"]),
    )


def parse_rows(body: bytes) -> npt.NDArray[np.float64]:
    """The feature rows of a CSV body: no header, columns in the order of FEATURE_NAMES."""
    lines = _text(body).split("\n")
    if lines[-1] == "":
        lines.pop()
    if lines in ([], [""]):
        raise RequestError("body must hold at least one row, got none")
    return np.array([_row(number, line) for number, line in enumerate(lines, start=1)])


def _json(body: bytes) -> Any:
    try:
        return json.loads(
            _text(body),
            parse_float=_Decimal,
            parse_constant=_refuse_constant,
            object_pairs_hook=_object,
        )
    except RecursionError:
        raise RequestError("body must not be nested deeply, got too many levels") from None
    except json.JSONDecodeError as error:
        raise RequestError(f"body must be JSON, got {error.msg} at {error.pos}") from None
    except ValueError:
        # An integer of thousands of digits, which Python refuses to convert.
        raise RequestError("numbers must have at most 4300 digits, got more") from None


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RequestError(f"body must be UTF-8, got another byte at {error.start}") from None


def _refuse_constant(name: str) -> NoReturn:
    raise RequestError(f"numbers must be finite, got {name}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise RequestError("fields must be given once, got one repeated")
    return document


def _id(document: dict[str, Any], name: str) -> int:
    value = document[name]
    # A bool is an int to Python, not to whoever sent `true`.
    if not isinstance(value, int) or isinstance(value, bool):
        raise RequestError(f"{name} must be an integer, got {_kind(value)}")
    if not 0 <= value <= LARGEST_ID:
        raise RequestError(f"{name} must be between 0 and {LARGEST_ID}, got {_shown(value)}")
    return value


def _time(value: Any) -> datetime:
    rule = "event_time must be ISO-8601 with an offset, such as 2018-08-01T10:00:00Z"
    if not isinstance(value, str) or isinstance(value, _Decimal):
        raise RequestError(f"{rule}, got {_kind(value)}")
    if not TIME_FORM.fullmatch(value):
        raise RequestError(f"{rule}, got {_shown(value)}")
    try:
        moment = datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError):
        raise RequestError(f"{rule}, got {_shown(value)}, which is no time") from None
    if not OLDEST <= moment < NEWEST:
        raise RequestError(
            f"event_time must be between {OLDEST.year} and {NEWEST.year}, got {_shown(value)}"
        )
    return moment


def _amount(value: Any) -> int:
    rule = "amount must be a decimal number of at least 0 with at most two decimals"
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise RequestError(f"{rule}, got {_kind(value)}")
    text = _shown(value, quoted=False) if isinstance(value, int) else value
    if not AMOUNT_FORM.fullmatch(text):
        raise RequestError(f"{rule}, got {_shown(value)}")
    try:
        return to_minor(str(text))
    except AmountError:
        raise RequestError(
            f"{rule} and at most {LARGEST_MINOR} cents, got {_shown(value)}"
        ) from None


def _row(number: int, line: str) -> list[float]:
    cells = line.split(",")
    if len(cells) != len(FEATURE_NAMES):
        raise RequestError(f"row {number} must have {len(FEATURE_NAMES)} values, got {len(cells)}")
    return [
        _cell(number, name, cell.strip()) for name, cell in zip(FEATURE_NAMES, cells, strict=True)
    ]


def _cell(number: int, name: str, text: str) -> float:
    value = float(text) if NUMBER_FORM.fullmatch(text) else math.nan
    if not abs(value) <= LARGEST_VALUE:
        raise RequestError(f"row {number} {name} must be a finite number, got {_shown(text)}")
    return value


def _kind(value: Any) -> str:
    """What JSON calls a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, _Decimal):
        return _shown(value, quoted=False)
    names = {dict: "an object", list: "an array", str: "a string", int: "an integer"}
    return names[type(value)]


def _shown(value: Any, *, quoted: bool = True) -> str:
    """A value as an error message shows it: printable ASCII, not longer than a line."""
    if isinstance(value, int):
        # str() of a huge integer is slow, and refused beyond 4300 digits.
        return str(value) if abs(value) < 10**SHOWN_CHARACTERS else "a larger number"
    text = value if len(value) <= SHOWN_CHARACTERS else value[:SHOWN_CHARACTERS] + "..."
    return ascii(str(text)) if quoted else ascii(str(text))[1:-1]
