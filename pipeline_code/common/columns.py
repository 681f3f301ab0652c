"""Columns of a user's file as integers, and which of their values break a rule.

All values are looked at, however many are broken, and none is guessed or rounded.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline_code.common.casting import cast_or_none
from pipeline_code.common.fields import LARGEST_ID
from pipeline_code.common.money import (
    CURRENCY,
    LARGEST_MINOR,
    AmountError,
    floats_to_minor,
    to_minor_array,
)
from pipeline_code.common.schema import UTC_MICROSECONDS

__all__ = ["Column", "amounts", "currencies", "is_text", "times", "whole_numbers"]

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Given: TypeAlias = pa.Array | pa.ChunkedArray

_SHOWN_CHARACTERS = 40
_ANY_TIME = (int(np.iinfo(np.int64).min), int(np.iinfo(np.int64).max))


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
    given: Given

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


def whole_numbers(name: str, given: Given, largest: int = LARGEST_ID) -> Column:
    """Ids and the like, from 0 on."""
    rule = f"{name} must be a whole number between 0 and {largest}"
    return _converted(given, _may_be_whole, _whole, (0, largest), rule)


def times(name: str, given: Given, limits: tuple[int, int] = _ANY_TIME, more: str = "") -> Column:
    """Times as microseconds since 1970; without a zone they are UTC.

    Args:
        limits: The first and the last moment.
        more: What a message says of the limits.
    """
    rule = f"{name} must be a time{more}, such as 2018-08-01T10:00:00Z"
    return _converted(given, _may_be_time, _moments, limits, rule)


def amounts(name: str, given: Given) -> Column:
    """Amounts in currency units, in minor units."""
    rule = f"{name} must be a decimal number of at least 0 with at most two decimals"
    if pa.types.is_floating(given.type):
        values, refused = floats_to_minor(given.to_numpy(zero_copy_only=False))
        return Column(values, refused | (values < 0), rule, given)
    return _converted(given, pc.is_valid, to_minor_array, (0, LARGEST_MINOR), rule)


def currencies(name: str, given: Given) -> Column:
    """Currencies, of which no other than the lake's own is taken."""
    same = pc.fill_null(pc.equal(given.cast(pa.string()), CURRENCY), False)
    refused = ~same.to_numpy(zero_copy_only=False)
    return Column(np.zeros(len(given), np.int64), refused, f"{name} must be {CURRENCY}", given)


def is_text(kind: pa.DataType) -> bool:
    """Whether values of the type are text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _may_be_whole(values: pa.Array) -> pa.Array:
    if is_text(values.type):
        # Arrow reads hexadecimal digits too.
        return pc.match_substring_regex(values, "^-?[0-9]+$")
    if pa.types.is_floating(values.type):
        return pc.equal(pc.floor(values), values)
    return pc.is_valid(values)


def _may_be_time(values: pa.Array) -> pa.Array:
    if is_text(values.type):
        return pc.match_substring_regex(values, "^[0-9]{4}-[0-9]{2}-[0-9]{2}")
    # A number does not say what it counts from.
    is_time = pa.types.is_timestamp(values.type) or pa.types.is_date(values.type)
    return pc.and_(pc.is_valid(values), is_time)


def _whole(values: pa.Array) -> pa.Array:
    return _cast(values, pa.int64())


def _moments(values: pa.Array) -> pa.Array:
    return _cast(values, UTC_MICROSECONDS).cast(pa.int64())


def _cast(values: pa.Array, wanted: pa.DataType) -> pa.Array:
    cast = cast_or_none(values, wanted)
    if cast is None:
        raise pa.ArrowInvalid("a value would not survive the cast")
    return cast


def _converted(
    given: Given,
    plausible: Callable[[pa.Array], pa.Array],
    convert: Callable[[pa.Array], pa.Array],
    limits: tuple[int, int],
    rule: str,
) -> Column:
    column = given.combine_chunks() if isinstance(given, pa.ChunkedArray) else given
    if isinstance(column, pa.ChunkedArray):  # of no row
        column = pa.array([], given.type)
    values = np.zeros(len(column), np.int64)
    # So that a column that is broken throughout is not halved down to its single values.
    refused = ~pc.fill_null(plausible(column), False).to_numpy(zero_copy_only=False)
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
