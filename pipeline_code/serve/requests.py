"""Strict reading of requests: a raw transaction as JSON, feature rows as CSV.

Whatever a caller sends, the outcome is a checked value or `RequestError` with a reason that names
the field, the rule and (shortened) what was got. Nothing is guessed, coerced or rounded.
"""

import math
import re

import numpy as np
import numpy.typing as npt

from pipeline_code.common.fields import (
    FieldError,
    check_names,
    json_object,
    minor_amount,
    moment,
    shown,
    text_of,
    whole_number,
)
from pipeline_code.features.definitions import FEATURE_NAMES
from pipeline_code.features.events import Transaction

FIELDS = ("transaction_id", "event_time", "customer_id", "terminal_id", "amount")
NUMBER_FORM = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
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


def parse_transaction(body: bytes) -> Transaction:
    """The raw transaction of a JSON body.

    parse_transaction(b'{"transaction_id": 1, "event_time": "2018-08-01T10:00:00Z",'
                      b' "customer_id": 2, "terminal_id": 3, "amount": "12.30"}')
    """
    try:
        document = json_object(body, "body")
        check_names(document, "body", FIELDS)
        return Transaction(
            transaction_id=whole_number(document, "transaction_id"),
            event_time=moment(document, "event_time"),
            customer_id=whole_number(document, "customer_id"),
            terminal_id=whole_number(document, "terminal_id"),
            amount_minor=minor_amount(document, "amount"),
        )
    except FieldError as refused:
        raise RequestError(refused.reason) from None


def parse_rows(body: bytes) -> npt.NDArray[np.float64]:
    """The feature rows of a CSV body: no header, columns in the order of FEATURE_NAMES."""
    try:
        lines = text_of(body, "body").split("\n")
    except FieldError as refused:
        raise RequestError(refused.reason) from None
    if lines[-1] == "":
        lines.pop()
    if lines in ([], [""]):
        raise RequestError("body must hold at least one row, got none")
    return np.array([_row(number, line) for number, line in enumerate(lines, start=1)])


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
        raise RequestError(f"row {number} {name} must be a finite number, got {shown(text)}")
    return value
