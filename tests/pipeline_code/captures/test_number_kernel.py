"""Numbers of captures are the doubles that any other parser reads, or are left to one."""

import re
import struct

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline_code.captures.number_kernel import REFUSED, TABLE, parse_number

JSON_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
BEHIND = bytes(8)


def parsed(text: str, behind: bytes = BEHIND) -> tuple[int, float]:
    """How many characters a number takes, and the number."""
    data = np.frombuffer(text.encode() + behind, np.uint8)
    found, begin = np.full(1, np.nan), data.ctypes.data
    end = parse_number(begin, begin + len(text.encode()), found.ctypes.data, TABLE.ctypes.data)
    return (REFUSED if end == REFUSED else end - begin), float(found[0])


def bits(number: float) -> bytes:
    return struct.pack("<d", number)


singles = st.floats(width=32, allow_nan=False, allow_infinity=False).map(repr)
doubles = st.floats(allow_nan=False, allow_infinity=False).map(repr)
integers = st.integers(-(10**20), 10**20).map(str)
decimals = st.from_regex(
    re.compile(r"-?\d{1,20}(\.\d{1,20})?([eE][+-]?\d{1,3})?", re.ASCII), fullmatch=True
)
# Around the middle of two doubles, where rounding is hardest.
middles = st.integers(2**52, 2**53 - 1).map(lambda n: f"{2 * n + 1}e{-3 + n % 7}")
anything = st.text(alphabet="0123456789.eE+-", max_size=30)


@settings(max_examples=200, deadline=None)
@given(st.one_of(singles, doubles, integers, decimals, middles, anything))
@example("9007199254740993")
@example("0.00064954615663737060")
@example("-0")
@example("-0.0")
@example("1e")
@example("01")
def test_a_number_is_exact_or_refused(text: str) -> None:
    taken, number = parsed(text)
    if taken == REFUSED:
        return
    match = JSON_NUMBER.match(text)
    # What is behind it is for the next fixed part to refuse.
    assert match is not None
    assert taken == match.end()
    assert bits(number) == bits(float(text[:taken]))


@settings(max_examples=200, deadline=None)
@given(st.floats(0, 1e9, width=32, exclude_min=True).filter(lambda number: number > 1e-12))
def test_what_a_server_writes_is_never_refused(number: float) -> None:
    text = repr(number)
    assert parsed(text, b",1234567") == (len(text), number)
