"""Reads the values that captures hold: those written in the plainest way, and no others."""

import numpy as np
import numpy.typing as npt

from pipeline_code.features.compiled import compiled
from pipeline_code.monitor.number_kernel import REFUSED
from pipeline_code.monitor.words import WORD, first_hit, special, word

__all__ = ["amount", "identifier", "integer", "text", "time"]

Bytes = npt.NDArray[np.uint8]

NOTHING = np.uint64(0)
QUOTE, BACKSLASH = ord('"'), ord("\\")
MINUS, POINT, COLON, DIGIT_0, DIGIT_9 = (ord(character) for character in "-.:09")
LETTER_T, LETTER_Z = ord("T"), ord("Z")
SLASH, LETTER_B, LETTER_F, LETTER_N, LETTER_R, LETTER_SMALL_T = (ord(c) for c in "/bfnrt")
# Enough for amounts of everyday; larger ones are somebody else's to check.
WHOLE_DIGITS, CENT_DIGITS, SECOND_DIGITS = 9, 2, 6
DAYS_BEFORE = np.array([0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334], np.int64)
LENGTHS = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], np.int64)
FEBRUARY = 2
# Of 1 January 2000; until 2099 every fourth year is a leap year.
FIRST_DAY, FIRST_YEAR, LAST_YEAR = 10_957, 2000, 2099
DATE_LENGTH = len("2000-01-01T00:00:00")
SECOND = 1_000_000
LAST_HOUR, LAST_OF_SIXTY = 23, 59


@compiled("b1(u1)", inline=True)
def _is_escaped(byte: int) -> bool:
    """Whether it can stand behind a backslash; not u, which is half a character maybe."""
    return byte in (QUOTE, BACKSLASH, SLASH, LETTER_B, LETTER_F, LETTER_N, LETTER_R, LETTER_SMALL_T)


@compiled("i8(u1[::1], i8, i8)", inline=True)
def text(data: Bytes, begin: int, end: int) -> int:
    """Where the quotation mark is that ends a JSON text of printable ASCII, or REFUSED."""
    at = begin
    while at + WORD <= end:
        hits = special(word(data, at))
        if hits == NOTHING:
            at += WORD
            continue
        at += first_hit(hits)
        if data[at] != BACKSLASH:
            return at if data[at] == QUOTE else REFUSED
        if at + 1 == end or not _is_escaped(data[at + 1]):
            return REFUSED
        at += 2
    return REFUSED


@compiled("i8(u1[::1], i8, i8, u1[::1])", inline=True)
def identifier(data: Bytes, begin: int, end: int, probe: Bytes) -> int:
    """The same for a text without escapes that is not empty and does not begin as a probe's."""
    at = begin
    hits = NOTHING
    while at + WORD <= end and hits == NOTHING:
        hits = special(word(data, at))
        at += WORD if hits == NOTHING else first_hit(hits)
    if hits == NOTHING or at == begin or data[at] != QUOTE:
        return REFUSED
    if at - begin >= len(probe):
        same = True
        for place in range(len(probe)):
            same &= data[begin + place] == probe[place]
        if same:
            return REFUSED
    return at


@compiled("UniTuple(i8, 2)(u1[::1], i8, i8, i8)", inline=True)
def integer(data: Bytes, begin: int, end: int, most: int) -> tuple[int, int]:
    """A whole number of at most so many digits, and where it ends or REFUSED."""
    at, number = begin, 0
    while at < end and DIGIT_0 <= data[at] <= DIGIT_9:
        number = number * 10 + (data[at] - DIGIT_0)
        at += 1
        if at - begin > most:
            return 0, REFUSED
    if at == begin or (data[begin] == DIGIT_0 and at > begin + 1):
        return 0, REFUSED
    return number, at


@compiled("i8(u1[::1], i8, i8)", inline=True)
def amount(data: Bytes, begin: int, end: int) -> int:
    """Where an amount with at most two decimals ends, or REFUSED."""
    _, at = integer(data, begin, end, WHOLE_DIGITS)
    if at in (REFUSED, end) or data[at] != POINT:
        return at
    start = at + 1
    at = start
    while at < end and DIGIT_0 <= data[at] <= DIGIT_9:
        at += 1
    return at if start < at <= start + CENT_DIGITS else REFUSED


@compiled("i8(u1[::1], i8, i8)", inline=True)
def _digits(data: Bytes, begin: int, count: int) -> int:
    """The number that so many digits are, or REFUSED."""
    number = 0
    for at in range(begin, begin + count):
        if not DIGIT_0 <= data[at] <= DIGIT_9:
            return REFUSED
        number = number * 10 + (data[at] - DIGIT_0)
    return number


@compiled("i8(u1[::1], i8)", inline=True)
def _day(data: Bytes, begin: int) -> int:
    """Days since 1970 of a date of this century, or REFUSED."""
    year, month, day = (
        _digits(data, begin, 4),
        _digits(data, begin + 5, 2),
        _digits(data, begin + 8, 2),
    )
    marked = data[begin + 4] == MINUS and data[begin + 7] == MINUS
    if not (marked and FIRST_YEAR <= year <= LAST_YEAR and 1 <= month <= len(LENGTHS)):
        return REFUSED
    leap = year % 4 == 0
    if not 1 <= day <= LENGTHS[month - 1] + (leap and month == FEBRUARY):
        return REFUSED
    years = year - FIRST_YEAR
    before = DAYS_BEFORE[month - 1] + (leap and month > FEBRUARY)
    return int(FIRST_DAY + 365 * years + (years + 3) // 4 + before + day - 1)


@compiled("UniTuple(i8, 2)(u1[::1], i8, i8)", inline=True)
def _fraction(data: Bytes, begin: int, end: int) -> tuple[int, int]:
    """Microseconds behind a point, if there is one, and where they end or REFUSED."""
    if data[begin] != POINT:
        return 0, begin
    at, fraction, unit = begin + 1, 0, SECOND
    while at < end and DIGIT_0 <= data[at] <= DIGIT_9:
        fraction = fraction * 10 + (data[at] - DIGIT_0)
        unit //= 10
        at += 1
        if unit == 0:
            return 0, REFUSED
    return fraction * unit, (at if at > begin + 1 else REFUSED)


@compiled("UniTuple(i8, 2)(u1[::1], i8, i8)", inline=True)
def time(data: Bytes, begin: int, end: int) -> tuple[int, int]:
    """Microseconds since 1970 of a time of this century in UTC, and where it ends or REFUSED."""
    at = begin + DATE_LENGTH
    if at >= end:
        return 0, REFUSED
    day, hour = _day(data, begin), _digits(data, begin + 11, 2)
    minute, second = _digits(data, begin + 14, 2), _digits(data, begin + 17, 2)
    marked = data[begin + 10] == LETTER_T
    marked &= data[begin + 13] == COLON and data[begin + 16] == COLON
    known = day != REFUSED and 0 <= hour <= LAST_HOUR
    known &= 0 <= minute <= LAST_OF_SIXTY and 0 <= second <= LAST_OF_SIXTY
    if not (marked and known):
        return 0, REFUSED
    fraction, at = _fraction(data, at, end)
    if at in (REFUSED, end) or data[at] != LETTER_Z:
        return 0, REFUSED
    seconds = ((day * 24 + hour) * 60 + minute) * 60 + second
    return seconds * SECOND + fraction, at + 1
