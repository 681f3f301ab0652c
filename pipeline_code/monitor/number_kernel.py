"""Reads JSON numbers as the doubles nearest to them, or not at all.

The decimal digits are multiplied with the 128 first bits of a power of five, as Eisel and Lemire do
(D. Lemire, Number Parsing at a Gigabyte per Second, 2021). What is cut off changes the product by
less than two units of its last place: if that could change the rounding, or the number has more
digits or a larger exponent than are looked up here, the number is refused, and left to a parser
that has all the time.
"""

import numpy as np
import numpy.typing as npt

from pipeline_code.features.compiled import compiled
from pipeline_code.monitor.words import WORD, high_product, leading_zeros, trailing_zeros, word

__all__ = ["POWERS", "REFUSED", "SHIFTS", "TENS", "parse_number"]

Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# No place in a text.
REFUSED = -1
LARGEST_EXPONENT = 64
MOST_DIGITS = 19
EXACT_POWER = 22
EXACT_INTEGER = np.uint64(1 << 53)
# Words full of a byte or of halves of bytes.
ALL_3, ALL_06 = np.uint64(0x3333333333333333 & 0xF0F0F0F0F0F0F0F0), np.uint64(0x0606060606060606)
UPPER_HALVES, LOWER_HALVES = np.uint64(0xF0F0F0F0F0F0F0F0), np.uint64(0x0F0F0F0F0F0F0F0F)
PAIRS, FOURS = np.uint64(0x00FF00FF00FF00FF), np.uint64(0x0000FFFF0000FFFF)
POWERS_OF_TEN: Words = np.array([10**count for count in range(9)], np.uint64)
ZERO, ONE, TEN = np.uint64(0), np.uint64(1), np.uint64(10)
TOP_BIT = np.uint64(1 << 63)
ALMOST_ALL = np.uint64((1 << 64) - 2)
HIDDEN_BIT = np.uint64(1 << 52)
EXPONENT_PLACE = np.uint64(52)
# A double is an integer of 53 bits times a power of two whose exponent is told with this added.
EXPONENT_BIAS = 1075
MINUS, PLUS, POINT, DIGIT_0, DIGIT_9 = ord("-"), ord("+"), ord("."), ord("0"), ord("9")
SMALL_E, LARGE_E = ord("e"), ord("E")


def _powers() -> tuple[Words, Ints]:
    """By exponent from the lowest on: 5 ** exponent times 2 ** shift, cut off to 128 bits."""
    words, shifts = [], []
    for exponent in range(-LARGEST_EXPONENT, LARGEST_EXPONENT + 1):
        power = 5 ** abs(exponent)
        length = power.bit_length()
        if exponent >= 0:
            shift = 128 - length
            word = power << shift if shift >= 0 else power >> -shift
        else:
            shift = length + 127
            word = (1 << shift) // power
        words.append([word >> 64, word & (1 << 64) - 1])
        shifts.append(shift)
    return np.array(words, np.uint64), np.array(shifts, np.int64)


POWERS, SHIFTS = _powers()
TENS: Floats = np.array([float(10**exponent) for exponent in range(EXACT_POWER + 1)])


@compiled("b1(u8, i8, b1, f8[::1], u8[::1], i8)", inline=True)
def _scaled(
    significand: np.uint64,
    exponent: int,
    negative: bool,
    numbers: Floats,
    bits: Words,
    place: int,
) -> bool:
    """Writes the double nearest to significand * 10 ** exponent, if that is sure."""
    if significand <= EXACT_INTEGER and -EXACT_POWER <= exponent <= EXACT_POWER:
        # Both are doubles, and one operation on doubles is correctly rounded.
        number = np.float64(significand)
        number = number * TENS[exponent] if exponent >= 0 else number / TENS[-exponent]
        numbers[place] = -number if negative else number
        return True
    if abs(exponent) > LARGEST_EXPONENT or significand == ZERO:
        return False
    leading = leading_zeros(significand)
    significand <<= np.uint64(leading)
    row = exponent + LARGEST_EXPONENT
    high = high_product(significand, POWERS[row, 0])
    low = significand * POWERS[row, 0]
    more = high_product(significand, POWERS[row, 1])
    low += more
    high += ONE if low < more else ZERO
    # The 53 first bits, and what is behind them against a half.
    cut = np.uint64(11) if high >= TOP_BIT else np.uint64(10)
    half = ONE << (cut - ONE)
    rest = high & ((ONE << cut) - ONE)
    if (rest == half and low == ZERO) or (rest == half - ONE and low >= ALMOST_ALL):
        return False
    mantissa = (high >> cut) + (ONE if rest >= half else ZERO)
    biased = np.int64(cut) + 128 - leading - SHIFTS[row] + exponent + EXPONENT_BIAS
    bits[place] = (np.uint64(biased) << EXPONENT_PLACE) + (mantissa - HIDDEN_BIT)
    if negative:
        numbers[place] = -numbers[place]
    return True


@compiled("Tuple((u8, i8))(u1[::1], i8, i8, u8)", inline=True)
def _digits(data: Bytes, begin: int, end: int, significand: np.uint64) -> tuple[np.uint64, int]:
    """The significand with the digits that follow, and where they end."""
    at = begin
    while at + WORD <= end:
        text = word(data, at)
        # A byte is a digit if its upper half is 3, before and after 6 is added.
        other = (text ^ ALL_3) | (((text + ALL_06) ^ ALL_3) & UPPER_HALVES)
        other &= UPPER_HALVES
        count = WORD if other == ZERO else trailing_zeros(other) // WORD
        if count > 0:
            # What is no digit is moved out, so that zeros come before the digits.
            text = (text & LOWER_HALVES) << np.uint64(WORD * (WORD - count))
            text = (text * np.uint64(2561)) >> np.uint64(8)
            text = ((text & PAIRS) * np.uint64(6553601)) >> np.uint64(16)
            text = ((text & FOURS) * np.uint64(42949672960001)) >> np.uint64(32)
            significand = significand * POWERS_OF_TEN[count] + text
            at += count
        if count < WORD:
            return significand, at
    while at < end and DIGIT_0 <= data[at] <= DIGIT_9:
        significand = significand * TEN + np.uint64(data[at] - DIGIT_0)
        at += 1
    return significand, at


@compiled("UniTuple(i8, 2)(u1[::1], i8, i8)", inline=True)
def _exponent(data: Bytes, begin: int, end: int) -> tuple[int, int]:
    """What is behind an e, and where it ends."""
    at, shown = begin, 0
    down = at < end and data[at] == MINUS
    at += down or (at < end and data[at] == PLUS)
    start = at
    while at < end and DIGIT_0 <= data[at] <= DIGIT_9:
        shown = min(shown * 10 + data[at] - DIGIT_0, 10_000)
        at += 1
    return (-shown if down else shown), (at if at > start else REFUSED)


@compiled("i8(u1[::1], i8, i8, f8[::1], u8[::1], i8)", inline=True)
def parse_number(
    data: Bytes, begin: int, end: int, numbers: Floats, bits: Words, place: int
) -> int:
    """Where the number that begins there ends, or `REFUSED`.

    Args:
        data: JSON text.
        begin, end: Where the number begins, and the text ends.
        numbers, bits: Where to write it, and the same memory as integers.
        place: Where in these.
    """
    negative = begin < end and data[begin] == MINUS
    first = begin + negative
    significand, at = _digits(data, first, end, ZERO)
    digits, exponent = at - first, 0
    if digits == 0 or (data[first] == DIGIT_0 and digits > 1):
        return REFUSED
    if at < end and data[at] == POINT:
        start = at + 1
        significand, at = _digits(data, start, end, significand)
        exponent = start - at
        digits -= exponent
        if exponent == 0:
            return REFUSED
    if at < end and (data[at] == SMALL_E or data[at] == LARGE_E):
        shown, at = _exponent(data, at + 1, end)
        if at == REFUSED:
            return REFUSED
        exponent += shown
    if digits > MOST_DIGITS:
        # Zeros before the first other digit do not count.
        for zero in range(first, at):
            if data[zero] != DIGIT_0 and data[zero] != POINT:
                break
            digits -= data[zero] == DIGIT_0
    # The negative zero is one only where it is written as a fraction.
    if digits > MOST_DIGITS or (negative and significand == ZERO):
        return REFUSED
    if not _scaled(significand, exponent, negative, numbers, bits, place):
        return REFUSED
    return at
