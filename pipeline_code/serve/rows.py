"""Feature rows of a request, from CSV or from JSON objects, each value checked."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline_code.common.fields import (
    FieldError,
    JsonDecimal,
    check_names,
    kind,
    shown,
    whole_number,
)
from pipeline_code.contracts.serving import MOST_FEATURE_ROWS
from pipeline_code.features.definitions import FEATURE_NAMES
from pipeline_code.serve.refusals import TOO_LARGE, RequestError

__all__ = [
    "LARGEST_VALUE",
    "FeatureRows",
    "is_feature_row",
    "require_batch_length",
    "rows_of_csv",
    "rows_of_objects",
]

NUMBER_FORM = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
# Text of these alone holds nothing that float() reads and NUMBER_FORM does not.
PLAIN = "0123456789.,eE+-"
# The model computes in 32 bits, in which a larger number would be infinite.
LARGEST_VALUE = float(np.finfo(np.float32).max)

TRANSACTION_ID = "transaction_id"
_NAMES = frozenset(FEATURE_NAMES)
_NAMES_AND_ID = _NAMES | {TRANSACTION_ID}
_NUMBERS = frozenset({int, JsonDecimal})
_WITHOUT_PLAIN = str.maketrans("", "", PLAIN)


@dataclass(frozen=True, slots=True, eq=False)
class FeatureRows:
    """Rows to score.

    Attributes:
        values: A row each, columns in the order of FEATURE_NAMES, as the model reads them.
        ids: Whose transactions' rows they are; None where the caller did not say.
    """

    values: npt.NDArray[np.float32]
    ids: Sequence[int | None]

    def __len__(self) -> int:
        return len(self.values)


def rows_of_csv(text: str) -> FeatureRows:
    """The rows of a CSV body: no header, columns in the order of FEATURE_NAMES."""
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    if lines in ([], [""]):
        raise RequestError("body must hold at least one row, got none")
    require_batch_length(len(lines), MOST_FEATURE_ROWS, "rows")
    rows = [_row(number, line) for number, line in enumerate(lines, start=1)]
    return FeatureRows(np.array(rows, np.float32), [None] * len(rows))


def rows_of_objects(documents: Sequence[Mapping[str, Any]], places: Sequence[str]) -> FeatureRows:
    """The rows of JSON objects: every feature by name, and perhaps a transaction_id.

    Args:
        documents: The objects.
        places: What a reason calls each of them.
    """
    rows, ids = [], []
    for document, place in zip(documents, places, strict=True):
        try:
            if document.keys() != _NAMES and document.keys() != _NAMES_AND_ID:
                check_names(document, "a feature row", FEATURE_NAMES, (TRANSACTION_ID,))
            given = TRANSACTION_ID in document
            ids.append(whole_number(document, TRANSACTION_ID) if given else None)
            rows.append(_values(document))
        except FieldError as refused:
            raise RequestError(f"{place}{refused.reason}") from None
    return FeatureRows(np.array(rows, np.float32), ids)


def is_feature_row(document: Mapping[str, Any]) -> bool:
    """Whether an object is meant to be a feature row and no raw transaction."""
    return not _NAMES.isdisjoint(document)


def require_batch_length(length: int, most: int, what: str) -> None:
    """Refuses a batch that is too long."""
    if length > most:
        raise RequestError(f"body must have at most {most} {what}, got {length}", TOO_LARGE)


def _row(number: int, line: str) -> list[float]:
    cells = line.split(",")
    if len(cells) != len(FEATURE_NAMES):
        raise RequestError(f"row {number} must have {len(FEATURE_NAMES)} values, got {len(cells)}")
    if not line.translate(_WITHOUT_PLAIN):
        try:
            values = [float(cell) for cell in cells]
        except ValueError:
            pass  # which cell it is, and why, is found out below
        else:
            if max(values) <= LARGEST_VALUE and min(values) >= -LARGEST_VALUE:
                return values
    return [
        _cell(number, name, cell.strip()) for name, cell in zip(FEATURE_NAMES, cells, strict=True)
    ]


def _cell(number: int, name: str, text: str) -> float:
    value = float(text) if NUMBER_FORM.fullmatch(text) else math.nan
    if not abs(value) <= LARGEST_VALUE:
        raise RequestError(f"row {number} {name} must be a finite number, got {shown(text)}")
    return value


def _values(document: Mapping[str, Any]) -> list[float]:
    given = [document[name] for name in FEATURE_NAMES]
    # Nothing but JSON's numbers, so that float() takes nothing else for one.
    if {type(value) for value in given} <= _NUMBERS:
        try:
            values = [float(value) for value in given]
        except OverflowError:
            pass  # which value it is is found out below
        else:
            if max(values) <= LARGEST_VALUE and min(values) >= -LARGEST_VALUE:
                return values
    return [_number(value, name) for name, value in zip(FEATURE_NAMES, given, strict=True)]


def _number(value: Any, name: str) -> float:
    """A JSON number; one with a fraction comes as its text."""
    if type(value) not in _NUMBERS:
        raise FieldError(f"{name} must be a number, got {kind(value)}")
    # Compared before it is converted: float() refuses what is far too large.
    too_large = isinstance(value, int) and abs(value) > LARGEST_VALUE
    number = math.inf if too_large else float(value)
    if not abs(number) <= LARGEST_VALUE:
        raise FieldError(f"{name} must be a finite 32-bit number, got {shown(value)}")
    return number
