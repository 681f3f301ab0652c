"""Casts a user's columns to the lake's types, exactly, and finds the row that does not cast."""

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["cast_or_none", "first_refused"]


def cast_or_none(column: pa.Array, wanted: pa.DataType) -> pa.Array | None:
    """The column in the wanted type, or None if a value would not survive the cast unchanged."""
    try:
        return _as_utc(column) if pa.types.is_timestamp(wanted) else column.cast(wanted)
    except pa.ArrowException:
        return None


def first_refused(column: pa.Array, wanted: pa.DataType) -> int:
    """The first row that does not cast, found by halving."""
    low, high = 0, len(column)
    while high - low > 1:
        middle = (low + high) // 2
        if cast_or_none(column.slice(low, middle - low), wanted) is None:
            high = middle
        else:
            low = middle
    return low


def _as_utc(column: pa.Array) -> pa.Array:
    """Microseconds in UTC; a time without a zone is UTC already."""
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        raise pa.ArrowInvalid("a number does not say what it counts from")
    zoned = pa.timestamp("us", tz="UTC")
    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        return column.cast(zoned)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        try:
            return column.cast(zoned)
        except pa.ArrowInvalid:  # Arrow casts text without a zone to a type without one only
            return pc.assume_timezone(column.cast(pa.timestamp("us")), "UTC")
    return pc.assume_timezone(column.cast(pa.timestamp("us")), "UTC")
