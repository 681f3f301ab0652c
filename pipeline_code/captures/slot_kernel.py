"""Reads the values that captures hold: those written in the plainest way, and no others."""

import numpy as np

from pipeline_code.captures.number_kernel import REFUSED
from pipeline_code.captures.words import WORD, byte, first_hit, special, word
from pipeline_code.common.compiled import compiled

__all__ = ["amount", "identifier", "integer", "text", "time"]

NOTHING = np.uint64(0)
QUOTE, BACKSLASH = ord('"'), ord("\\")
MINUS, POINT, COLON, DIGIT_0, DIGIT_9 = (ord(character) for character in "-.:09")
LETTER_T, LETTER_Z = ord("T"), ord("Z")
SLASH, SMALL_B, SMALL_F, SMALL_N, SMALL_R, SMALL_T = (ord(character) for character in "/bfnrt")
# Enough for amounts of everyday; larger ones are somebody else's to check.
WHOLE_DIGITS, CENT_DIGITS = 9, 2
FEBRUARY, DECEMBER = 2, 12
# Of 1 March 2000; until 2099 every fourth year is a leap year.
FIRST_MARCH, FIRST_YEAR, LAST_YEAR = 11_017, 2000, 2099
DATE_LENGTH = len("2000-01-01T00:00:00")
SECOND = 1_000_000
LAST_HOUR, LAST_OF_SIXTY = 23, 59


@compiled("b1(i8)", inline=True)
def _is_escaped(letter: int) -> bool:
    """Whether it can stand behind a backslash; not u, which is half a character maybe."""
    return letter in (QUOTE, BACKSLASH, SLASH, SMALL_B, SMALL_F, SMALL_N, SMALL_R, SMALL_T)


@compiled("i8(i8, i8)", inline=True)
def text(begin: int, end: int) -> int:
    """Where the quotation mark is that ends a JSON text of printable ASCII, or REFUSED."""
    at = begin
    while at + WORD <= end:
        hits = special(word(at))
        if hits == NOTHING:
            at += WORD
            continue
        at += first_hit(hits)
        if byte(at) != BACKSLASH:
            return at if byte(at) == QUOTE else REFUSED
        if at + 1 == end or not _is_escaped(byte(at + 1)):
            return REFUSED
        at += 2
    return REFUSED


@compiled("i8(i8, i8, u8, u8)", inline=True)
def identifier(begin: int, end: int, probe: np.uint64, mask: np.uint64) -> int:
    """The same for a text without escapes that is not empty and does not begin as a probe's."""
    at = begin
    hits = NOTHING
    while at + WORD <= end and hits == NOTHING:
        hits = special(word(at))
        at += WORD if hits == NOTHING else first_hit(hits)
    if hits == NOTHING or at == begin or byte(at) != QUOTE:
        return REFUSED
    return REFUSED if word(begin) & mask == probe else at


@compiled("UniTuple(i8, 2)(i8, i8, i8)", inline=True)
def integer(begin: int, end: int, most: int) -> tuple[int, int]:
    """A whole number of at most so many digits, and where it ends or REFUSED."""
    at, number = begin, 0
    while at < end and DIGIT_0 <= byte(at) <= DIGIT_9:
        number = number * 10 + (byte(at) - DIGIT_0)
        at += 1
        if at - begin > most:
            return 0, REFUSED
    if at == begin or (byte(begin) == DIGIT_0 and at > begin + 1):
        return 0, REFUSED
    return number, at


@compiled("i8(i8, i8)", inline=True)
def amount(begin: int, end: int) -> int:
    """Where an amount with at most two decimals ends, or REFUSED."""
    _, at = integer(begin, end, WHOLE_DIGITS)
    if at in (REFUSED, end) or byte(at) != POINT:
        return at
    start = at + 1
    at = start
    while at < end and DIGIT_0 <= byte(at) <= DIGIT_9:
        at += 1
    return at if start < at <= start + CENT_DIGITS else REFUSED


@compiled("i8(i8, i8)", inline=True)
def _digits(begin: int, count: int) -> int:
    """The number that so many digits are, or REFUSED."""
    number = 0
    for at in range(begin, begin + count):
        if not DIGIT_0 <= byte(at) <= DIGIT_9:
            return REFUSED
        number = number * 10 + (byte(at) - DIGIT_0)
    return number


@compiled("i8(i8)", inline=True)
def _day(begin: int) -> int:
    """Days since 1970 of a date of this century, or REFUSED."""
    year, month, day = _digits(begin, 4), _digits(begin + 5, 2), _digits(begin + 8, 2)
    marked = byte(begin + 4) == MINUS and byte(begin + 7) == MINUS
    if not (marked and FIRST_YEAR <= year <= LAST_YEAR and 1 <= month <= DECEMBER):
        return REFUSED
    leap = year % 4 == 0
    length = 28 + leap if month == FEBRUARY else 31 - (month - 1) % 7 % 2
    if not 1 <= day <= length:
        return REFUSED
    # Of years that begin with March, so that the day of a leap year is the last one.
    years = year - FIRST_YEAR - (month <= FEBRUARY)
    before = (153 * ((month + 9) % 12) + 2) // 5
    return int(FIRST_MARCH + 365 * years + years // 4 + before + day - 1)


@compiled("UniTuple(i8, 2)(i8, i8)", inline=True)
def _fraction(begin: int, end: int) -> tuple[int, int]:
    """Microseconds behind a point, if there is one, and where they end or REFUSED."""
    if byte(begin) != POINT:
        return 0, begin
    at, fraction, unit = begin + 1, 0, SECOND
    while at < end and DIGIT_0 <= byte(at) <= DIGIT_9:
        fraction = fraction * 10 + (byte(at) - DIGIT_0)
        unit //= 10
        at += 1
        if unit == 0:
            return 0, REFUSED
    return fraction * unit, (at if at > begin + 1 else REFUSED)


@compiled("UniTuple(i8, 2)(i8, i8)", inline=True)
def time(begin: int, end: int) -> tuple[int, int]:
    """Microseconds since 1970 of a time of this century in UTC, and where it ends or REFUSED."""
    at = begin + DATE_LENGTH
    if at >= end:
        return 0, REFUSED
    day, hour = _day(begin), _digits(begin + 11, 2)
    minute, second = _digits(begin + 14, 2), _digits(begin + 17, 2)
    marked = byte(begin + 10) == LETTER_T
    marked &= byte(begin + 13) == COLON and byte(begin + 16) == COLON
    known = day != REFUSED and 0 <= hour <= LAST_HOUR
    known &= 0 <= minute <= LAST_OF_SIXTY and 0 <= second <= LAST_OF_SIXTY
    if not (marked and known):
        return 0, REFUSED
    fraction, at = _fraction(at, end)
    if at in (REFUSED, end) or byte(at) != LETTER_Z:
        return 0, REFUSED
    seconds = ((day * 24 + hour) * 60 + minute) * 60 + second
    return seconds * SECOND + fraction, at + 1
