"""Times, amounts and marks of fraud as users write them, as the lake's integers."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from operations.data.own.mapping import UNITS, Amounts, Frauds, Times
from pipeline_code.common.columns import Column, is_text, times
from pipeline_code.common.money import CURRENCY, LARGEST_MINOR, floats_to_minor

__all__ = ["amount_column", "currency_column", "flag_column", "time_column", "without_nulls"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_NULLS = pa.array(["", "NA", "N/A", "NULL", "null", "NaN", "nan", "None", "none", "\\N"])
_TRUE, _FALSE = ("1", "true", "t", "yes", "y"), ("0", "false", "f", "no", "n")
_SIGNS = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥", "INR": "₹", "BRL": "R$", "CHF": "Fr."}
_ZONED = r"(Z|:[0-9]{2}[0-9:.]*[+-][0-9]{2}(:?[0-9]{2})?)$"
# A sign of currency is before or after the number, a minus before either.
_AMOUNT = (
    r"^\s*(?P<minus>[-+]?)\s*(?P<before>[^-+\d\s.,']*)\s*(?P<second>[-+]?)\s*"
    r"(?P<number>[\d.,' \x{00a0}]*\d[.,]?)\s*(?P<after>[^-+\d\s.,']*)\s*$"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OTHERWISE = " (time.format of the mapping says how else it is written, or what numbers count)"
_LARGEST_COUNT = 2.0**62


def without_nulls(given: pa.Array) -> pa.Array:
    """The values, of which some words mean that there is none."""
    if not is_text(given.type):
        return given
    return pc.if_else(pc.is_in(given, value_set=_NULLS.cast(given.type)), None, given)


def time_column(name: str, given: pa.Array, written: Times) -> Column:
    """Times as microseconds since 1970."""
    units = [each for each in written.format if "%" not in each]
    if units and not (pa.types.is_timestamp(given.type) or pa.types.is_date(given.type)):
        return _counted(name, given, units[0], written.zone)
    if written.format and is_text(given.type):
        return _formatted(name, given, written)
    found = times(name, given, more=_OTHERWISE)
    if not is_text(given.type):
        zoned = pa.types.is_timestamp(given.type) and given.type.tz is not None
        return found if zoned else _moved(found, ~found.refused, written.zone)
    zoned = pc.match_substring_regex(given, _ZONED)
    naive = ~found.refused & ~pc.fill_null(zoned, True).to_numpy(zero_copy_only=False)
    return _moved(found, naive, written.zone)


def _counted(name: str, given: pa.Array, counted: str, zone: str) -> Column:
    """Counts of a unit since a moment."""
    word, _, text = counted.partition(" since ")
    since, unit = datetime.fromisoformat(text or "1970-01-01T00:00:00Z"), UNITS[word]
    start = (since.replace(tzinfo=since.tzinfo or UTC) - _EPOCH) // timedelta(microseconds=1)
    if since.tzinfo is None:
        start = int(_at_zone(np.array([start]), zone)[0])
    counts, whole = _numbers(given), _integers(given)
    refused = ~(np.abs(counts) * unit < _LARGEST_COUNT)
    counts = np.where(refused, 0, counts)
    # Exactly, where they are whole: as floats, microseconds since 1970 are not quite themselves.
    values = np.rint(counts * unit).astype(np.int64)
    if whole is not None:
        values = np.where(refused, 0, whole) * unit
    rule = f"{name} must be a number of {word} since {since.isoformat()}"
    return Column(values + start, refused, rule, given)


def _formatted(name: str, given: pa.Array, written: Times) -> Column:
    """Times in the first format that each is in."""
    values, refused = np.zeros(len(given), np.int64), np.ones(len(given), np.bool_)
    for pattern in written.format:
        quoted = pattern.replace("'", "''")
        with duckdb.connect() as database:
            database.register("given", pa.table({"text": given}))
            sql = f"SELECT try_strptime(text, '{quoted}') AS time FROM given"  # noqa: S608 - quoted
            time = database.sql(sql).to_arrow_table()["time"].combine_chunks()
        parsed = pc.is_valid(time).to_numpy(zero_copy_only=False) & refused
        found = pc.fill_null(time.cast(pa.timestamp("us", time.type.tz)).cast(pa.int64()), 0)
        values[parsed] = found.to_numpy()[parsed]
        if time.type.tz is None:
            values[parsed] = _at_zone(values[parsed], written.zone)
        refused &= ~parsed
    return Column(values, refused, f"{name} must be like {' or '.join(written.format)}", given)


def _moved(found: Column, naive: Mask, zone: str) -> Column:
    """Times of which some are what a clock in the zone showed."""
    values = found.values.copy()
    values[naive] = _at_zone(values[naive], zone)
    return Column(values, found.refused, found.rule, found.given)


def _at_zone(shown: Ints, zone: str) -> Ints:
    """When a clock showed it: the second time if twice; if never, as much after it jumped."""
    if zone == "UTC":
        return shown
    with duckdb.connect() as database:
        database.register("given", pa.table({"time": pa.array(shown).cast(pa.timestamp("us"))}))
        sql = "SELECT epoch_us(timezone($zone, time)) AS time FROM given"
        values: Ints = database.sql(sql, params={"zone": zone}).fetchnumpy()["time"]
    return values


def amount_column(given: pa.Array, written: Amounts) -> Column:
    """Amounts in minor units, negative ones too, which are the caller's to judge."""
    rule = "amount must be a decimal number of at least 0 with at most two decimals"
    rule += f" in {written.currency} (amount.* of the mapping say how else it is written)"
    if is_text(given.type) or pa.types.is_decimal(given.type):
        units = _amounts(given.cast(pa.string()), written)
    else:
        units = _numbers(given)
    if written.minor or written.round:
        minor = units if written.minor else units * 100
        whole = np.rint(minor)
        refused = ~(np.abs(whole) <= LARGEST_MINOR) | ((whole != minor) & (not written.round))
        values = np.where(refused, 0, whole).astype(np.int64)
    else:
        values, refused = floats_to_minor(units)
    return Column(values, refused, rule, given)


def _amounts(given: pa.Array, written: Amounts) -> Floats:
    """The numbers in texts, NaN where there is none, or one in another currency."""
    parts = pc.extract_regex(given, _AMOUNT)
    minus, before, second, number, after = (parts.field(place) for place in range(5))
    sign = pc.binary_join_element_wise(before, after, "")
    own = pc.fill_null(pc.is_in(sign, value_set=pa.array(["", *_names(written.currency)])), True)
    foreign = ~own.to_numpy(zero_copy_only=False)
    if written.thousands:
        number = pc.replace_substring(number, written.thousands, "")
    if written.decimal == ",":
        number = pc.replace_substring(number, ",", ".")
    units = _numbers(number)
    negative = pc.binary_join_element_wise(minus, second, "")
    less = pc.fill_null(pc.equal(negative, "-"), False).to_numpy(zero_copy_only=False)
    units = np.where(less, -units, units)
    units[foreign | pc.is_null(parts).to_numpy(zero_copy_only=False)] = np.nan
    return units


def _names(currency: str) -> Sequence[str]:
    """A currency's code and its sign."""
    return [currency, *(b for a, b in _SIGNS.items() if a == currency)] + [
        a for a, b in _SIGNS.items() if b == currency
    ]


def currency_column(given: pa.Array, written: Amounts) -> Column:
    """Currencies, of which there may be one."""
    own = pc.is_in(given.cast(pa.string()), value_set=pa.array(_names(written.currency)))
    refused = ~pc.fill_null(own, False).to_numpy(zero_copy_only=False)
    rule = f"currency must be {written.currency}; convert the amounts"
    if written.currency == CURRENCY:
        rule += ", or have the mapping say amount.currency if all are in another"
    return Column(np.zeros(len(given), np.int64), refused, rule, given)


def flag_column(given: pa.Array, written: Frauds) -> Column:
    """1 for a fraud, 0 for none."""
    # 1.0 is 1.
    text = pc.replace_substring_regex(_lowered(given.cast(pa.string())), r"\.0+$", "")
    if written.values:
        marks = pa.array([_mark(each) for each in written.values])
        is_fraud = pc.fill_null(pc.is_in(text, value_set=marks), False)
        values = is_fraud.to_numpy(zero_copy_only=False).astype(np.int64)
        return Column(values, np.zeros(len(given), np.bool_), "", given)
    values = pc.is_in(text, value_set=pa.array(_TRUE)).to_numpy(zero_copy_only=False)
    known = pc.is_in(text, value_set=pa.array([*_TRUE, *_FALSE])).to_numpy(zero_copy_only=False)
    rule = "is_fraud must be 0 or 1, no or yes, false or true (fraud.values may say otherwise)"
    return Column(values.astype(np.int64), ~known, rule, given)


def _mark(value: Any) -> str:
    return str(value).strip().lower()


def _lowered(text: pa.Array) -> pa.Array:
    return pc.utf8_lower(pc.utf8_trim_whitespace(text))


def _numbers(given: pa.Array) -> Floats:
    """Values as numbers, NaN where they are none."""
    if is_text(given.type):
        is_number = pc.match_substring_regex(given, r"^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)$")
        given = pc.if_else(pc.fill_null(is_number, False), given, None)
        given = pc.replace_substring_regex(given, r"^\+", "")
    numbers = given.cast(pa.float64(), safe=False)
    values: Floats = pc.fill_null(numbers, np.nan).to_numpy(zero_copy_only=False)
    return values.copy()


def _integers(given: pa.Array) -> Ints | None:
    """Values as whole numbers, if all that there are are some."""
    try:
        whole = pc.fill_null(given.cast(pa.int64()), 0)
    except pa.ArrowException:
        return None
    values: Ints = whole.to_numpy()
    return values
