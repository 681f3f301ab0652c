"""The columns of a batch's file as integers, and which of their values break a rule."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline_code.batch.tables import AMOUNT, CURRENCY_COLUMN, REQUIRED, FileTable
from pipeline_code.common.casting import cast_or_none
from pipeline_code.common.fields import NEWEST, OLDEST
from pipeline_code.common.money import CURRENCY, LARGEST_MINOR, AmountError, to_minor_array
from pipeline_code.common.schema import UTC_MICROSECONDS
from pipeline_code.features.events import epoch_microseconds

__all__ = ["Column", "currency_of", "read_columns"]

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_LARGEST = np.iinfo(np.int64).max
_SHOWN_CHARACTERS = 40


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One column.

    Attributes:
        values: The values; where one is refused, anything.
        refused: Which break the rule.
        rule: What a value must be.
        given: The values as they were given.
    """

    values: Ints
    refused: Mask
    rule: str
    given: pa.ChunkedArray

    def reason(self, row: int) -> str:
        """Why a row's value is refused."""
        value = self.given[row].as_py()
        if isinstance(value, datetime):
            shown = value.isoformat()
        else:
            shown = "null" if value is None else ascii(value)
        if len(shown) > _SHOWN_CHARACTERS:
            shown = f"{shown[:_SHOWN_CHARACTERS]}..."
        return f"{self.rule}, got {shown}"


def read_columns(table: FileTable) -> list[Column]:
    """The columns in the order of the lake's schema of transactions."""
    columns = [_column(table, name) for name in REQUIRED]
    return [*columns, _amounts(table)]


def currency_of(table: FileTable) -> Column | None:
    """The currency, in which no other than the lake's own is taken; None if there is none."""
    if CURRENCY_COLUMN not in table.table.column_names:
        return None
    given = table.table[CURRENCY_COLUMN]
    values = np.zeros(len(given), np.int64)
    same = pc.fill_null(pc.equal(given.cast(pa.string()), CURRENCY), False)
    refused = ~same.to_numpy()
    return Column(values, refused, f"{CURRENCY_COLUMN} must be {CURRENCY}", given)


def _column(table: FileTable, name: str) -> Column:
    if name == "event_time":
        low, high = epoch_microseconds(OLDEST), epoch_microseconds(NEWEST) - 1
        rule = f"{name} must be a time from {OLDEST.year} on and before {NEWEST.year}, such as "
        rule += "2018-08-01T10:00:00Z"
        return _converted(table.table[name], _times, (low, high), rule)
    rule = f"{name} must be a whole number between 0 and {_LARGEST}"
    return _converted(table.table[name], _whole, (0, _LARGEST), rule)


def _amounts(table: FileTable) -> Column:
    limits = (0, LARGEST_MINOR)
    if AMOUNT in table.table.column_names:
        rule = f"{AMOUNT} must be a decimal number of at least 0 with at most two decimals"
        return _converted(table.table[AMOUNT], to_minor_array, limits, rule)
    rule = f"amount_minor must be a whole number between 0 and {LARGEST_MINOR}"
    return _converted(table.table["amount_minor"], _whole, limits, rule)


def _whole(values: pa.Array) -> pa.Array:
    text = pa.types.is_string(values.type) or pa.types.is_large_string(values.type)
    # Arrow reads hexadecimal digits too.
    if text and not pc.all(pc.match_substring_regex(values, "^-?[0-9]+$")).as_py():
        raise pa.ArrowInvalid("a value has other characters than digits")
    return _cast(values, pa.int64())


def _times(values: pa.Array) -> pa.Array:
    return _cast(values, UTC_MICROSECONDS).cast(pa.int64())


def _cast(values: pa.Array, wanted: pa.DataType) -> pa.Array:
    cast = cast_or_none(values, wanted)
    if cast is None:
        raise pa.ArrowInvalid("a value would not survive the cast")
    return cast


def _converted(
    given: pa.ChunkedArray, convert: Callable[[pa.Array], pa.Array], limits: Any, rule: str
) -> Column:
    column = given.combine_chunks()
    if isinstance(column, pa.ChunkedArray):  # of no row
        column = pa.array([], given.type)
    values = np.zeros(len(column), np.int64)
    refused = pc.is_null(column).to_numpy(zero_copy_only=False).copy()
    present = np.flatnonzero(~refused)
    if len(present):
        _convert(column.take(pa.array(present)), convert, values, refused, present)
    low, high = limits
    refused |= (values < low) | (values > high)
    return Column(values, refused, rule, given)


def _convert(
    column: pa.Array,
    convert: Callable[[pa.Array], pa.Array],
    values: Ints,
    refused: Mask,
    indices: Ints,
) -> None:
    """Converts what can be; halves what cannot until it is one value, which is refused."""
    try:
        values[indices] = convert(column).to_numpy(zero_copy_only=False)
    except (pa.ArrowException, AmountError):
        if len(column) == 1:
            refused[indices] = True
            return
        middle = len(column) // 2
        _convert(column.slice(0, middle), convert, values, refused, indices[:middle])
        _convert(column.slice(middle), convert, values, refused, indices[middle:])
