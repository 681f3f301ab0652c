"""Reads JSON numbers as the doubles nearest to them, or not at all.

The decimal digits are multiplied with the 128 first bits of a power of five, as Eisel and Lemire do
(D. Lemire, Number Parsing at a Gigabyte per Second, 2021). What is cut off changes the product by
less than two units of its last place: if that could change the rounding, or the number has more
digits or a larger exponent than are looked up here, the number is refused, and left to a parser
that has all the time.
"""

import numpy as np
import numpy.typing as npt

from pipeline_code.captures.words import (
    WORD,
    byte,
    high_product,
    leading_zeros,
    put,
    real,
    trailing_zeros,
    whole,
    word,
)
from pipeline_code.common.compiled import compiled

__all__ = ["REFUSED", "TABLE", "parse_number"]

Words = npt.NDArray[np.uint64]

# No address.
REFUSED = -1
LARGEST_EXPONENT = 64
MOST_DIGITS = 19
EXACT_POWER = 22
EXACT_INTEGER = np.uint64(1 << 53)
# Words full of a byte or of halves of bytes.
ALL_3, ALL_06 = np.uint64(0x3030303030303030), np.uint64(0x0606060606060606)
UPPER_HALVES, LOWER_HALVES = np.uint64(0xF0F0F0F0F0F0F0F0), np.uint64(0x0F0F0F0F0F0F0F0F)
PAIRS, FOURS = np.uint64(0x00FF00FF00FF00FF), np.uint64(0x0000FFFF0000FFFF)
# Each joins neighbours: ten times the lower one, which comes first, plus the upper one.
JOIN_DIGITS, JOIN_PAIRS = np.uint64(1 + (10 << 8)), np.uint64(1 + (100 << 16))
JOIN_FOURS = np.uint64(1 + (10_000 << 32))
A_BYTE, TWO_BYTES, FOUR_BYTES = np.uint64(8), np.uint64(16), np.uint64(32)
ZERO, ONE, TEN = np.uint64(0), np.uint64(1), np.uint64(10)
TOP_BIT = np.uint64(1 << 63)
ALMOST_ALL = np.uint64((1 << 64) - 2)
HIDDEN_BIT = np.uint64(1 << 52)
EXPONENT_PLACE = np.uint64(52)
# A double is an integer of 53 bits times a power of two whose exponent is told with this added.
EXPONENT_BIAS = 1075
MINUS, PLUS, POINT, DIGIT_0, DIGIT_9 = ord("-"), ord("+"), ord("."), ord("0"), ord("9")
SMALL_E, LARGE_E = ord("e"), ord("E")


def _table() -> Words:
    """Powers of ten as integers and as doubles, and powers of five.

    Of these 128 bits each, of the power times 2 ** shift, and the shift.
    """
    tens = [10**count for count in range(EXACT_POWER + 1)]
    words = tens[: WORD + 1] + np.array(tens, np.float64).view(np.uint64).tolist()
    for exponent in range(-LARGEST_EXPONENT, LARGEST_EXPONENT + 1):
        power = 5 ** abs(exponent)
        length = power.bit_length()
        if exponent >= 0:
            shift = 128 - length
            bits = power << shift if shift >= 0 else power >> -shift
        else:
            shift = length + 127
            bits = (1 << shift) // power
        words += [bits >> 64, bits & (1 << 64) - 1, shift & (1 << 64) - 1]
    return np.array(words, np.uint64)


# All functions take its address.
TABLE = _table()
TENS = WORD * (WORD + 1)
FIVES = TENS + WORD * (EXACT_POWER + 1)
ROW = 3 * WORD


@compiled("b1(u8, i8, b1, i8, i8)", inline=True)
def _scaled(significand: np.uint64, exponent: int, negative: bool, target: int, table: int) -> bool:
    """Writes the double nearest to significand * 10 ** exponent, if that is sure."""
    if significand <= EXACT_INTEGER and -EXACT_POWER <= exponent <= EXACT_POWER:
        # Both are doubles, and one operation on doubles is correctly rounded.
        number = np.float64(significand)
        power = real(table + TENS + WORD * abs(exponent))
        number = number * power if exponent >= 0 else number / power
        put(target, -number if negative else number)
        return True
    if abs(exponent) > LARGEST_EXPONENT or significand == ZERO:
        return False
    leading = leading_zeros(significand)
    significand <<= np.uint64(leading)
    row = table + FIVES + ROW * (exponent + LARGEST_EXPONENT)
    high = high_product(significand, word(row))
    low = significand * word(row)
    more = high_product(significand, word(row + WORD))
    low += more
    high += ONE if low < more else ZERO
    # The 53 first bits, and what is behind them against a half.
    cut = np.uint64(11) if high >= TOP_BIT else np.uint64(10)
    half = ONE << (cut - ONE)
    rest = high & ((ONE << cut) - ONE)
    if (rest == half and low == ZERO) or (rest == half - ONE and low >= ALMOST_ALL):
        return False
    mantissa = (high >> cut) + (ONE if rest >= half else ZERO)
    biased = np.int64(cut) + 128 - leading - whole(row + 2 * WORD) + exponent + EXPONENT_BIAS
    bits = (np.uint64(biased) << EXPONENT_PLACE) + (mantissa - HIDDEN_BIT)
    put(target, bits | TOP_BIT if negative else bits)
    return True


@compiled("UniTuple(i8, 2)(i8, i8)", inline=True)
def _exponent(begin: int, end: int) -> tuple[int, int]:
    """What is behind an e, and where it ends."""
    at, shown = begin, 0
    down = at < end and byte(at) == MINUS
    at += down or (at < end and byte(at) == PLUS)
    start = at
    while at < end and DIGIT_0 <= byte(at) <= DIGIT_9:
        shown = min(shown * 10 + byte(at) - DIGIT_0, 10_000)
        at += 1
    return (-shown if down else shown), (at if at > start else REFUSED)


@compiled("Tuple((u8, i8))(i8, i8, u8, i8)", inline=True)
def _digits(begin: int, end: int, significand: np.uint64, table: int) -> tuple[np.uint64, int]:
    """The significand with the digits that follow, and where they end."""
    at = begin
    while at + WORD <= end:
        text = word(at)
        # A byte is a digit if its upper half is 3, before and after 6 is added.
        other = ((text ^ ALL_3) | ((text + ALL_06) ^ ALL_3)) & UPPER_HALVES
        count = WORD if other == ZERO else trailing_zeros(other) // WORD
        if count > 0:
            # What is no digit is moved out, so that zeros come before the digits.
            text = (text & LOWER_HALVES) << np.uint64(WORD * (WORD - count))
            text = (text * JOIN_DIGITS) >> A_BYTE
            text = ((text & PAIRS) * JOIN_PAIRS) >> TWO_BYTES
            text = ((text & FOURS) * JOIN_FOURS) >> FOUR_BYTES
            significand = significand * word(table + WORD * count) + text
            at += count
        if count < WORD:
            return significand, at
    while at < end and DIGIT_0 <= byte(at) <= DIGIT_9:
        significand = significand * TEN + np.uint64(byte(at) - DIGIT_0)
        at += 1
    return significand, at


@compiled("i8(i8, i8, i8, i8)", inline=True)
def parse_number(begin: int, end: int, target: int, table: int) -> int:
    """Where the number that begins there ends, or `REFUSED`.

    Args:
        begin, end: Where the number begins, and the text ends.
        target: Where to write the double.
        table: Where `TABLE` is.
    """
    negative = begin < end and byte(begin) == MINUS
    first = begin + negative
    significand, at = _digits(first, end, ZERO, table)
    digits, exponent = at - first, 0
    if digits == 0 or (digits > 1 and byte(first) == DIGIT_0):
        return REFUSED
    if at < end and byte(at) == POINT:
        start = at + 1
        significand, at = _digits(start, end, significand, table)
        exponent = start - at
        digits -= exponent
        if exponent == 0:
            return REFUSED
    if at < end and (byte(at) == SMALL_E or byte(at) == LARGE_E):
        shown, at = _exponent(at + 1, end)
        if at == REFUSED:
            return REFUSED
        exponent += shown
    if digits > MOST_DIGITS:
        # Zeros before the first other digit do not count.
        zero = first
        while byte(zero) in (DIGIT_0, POINT):
            digits -= byte(zero) == DIGIT_0
            zero += 1
    # The negative zero is one only where it is written as a fraction.
    if digits > MOST_DIGITS or (negative and significand == ZERO):
        return REFUSED
    return at if _scaled(significand, exponent, negative, target, table) else REFUSED
