"""Reads lines of captures that differ only in their values from lines that are known.

A template is a line cut at its values: fixed parts, and between two of them a slot of a known kind.
A line is taken only if every byte outside the slots is the template's and every slot holds plainly
what its kind says; whatever is not plain is left to a parser that takes any JSON.
"""

import numpy as np
import numpy.typing as npt

from pipeline_code.features.compiled import compiled
from pipeline_code.monitor.number_kernel import REFUSED, parse_number
from pipeline_code.monitor.slot_kernel import amount, identifier, integer, text, time
from pipeline_code.monitor.words import WORD, word

__all__ = [
    "AMOUNT",
    "IDENTIFIER",
    "INTEGER",
    "LINE",
    "NO_TARGET",
    "NUMBER",
    "NUMBER_OR_NULL",
    "PLACE",
    "RECENT",
    "TEXT",
    "TIME",
    "UNKNOWN",
    "UNKNOWN_LEFT",
    "gather",
    "scan",
]

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]

# Kinds of slots. A text goes up to its quotation mark; an identifier has no escapes and is kept.
TEXT, IDENTIFIER, TIME, INTEGER, AMOUNT, NUMBER, NUMBER_OR_NULL = range(7)
# An integer that nobody asks for.
NO_TARGET = -1
# What a scan remembers: the next line and its place, the template that matched last, and how many
# lines without one it passes before it stops.
LINE, PLACE, RECENT, UNKNOWN_LEFT = range(4)
# The template of a line that has none.
UNKNOWN = -1

NEWLINE = ord("\n")
LETTER_N, LETTER_U, LETTER_L = ord("n"), ord("u"), ord("l")
ID_DIGITS = 18


@compiled("b1(u1[::1], i8, u1[::1], i8, i8)", inline=True)
def _same(data: Bytes, at: int, fixed: Bytes, begin: int, end: int) -> bool:
    """Whether the data go on with that part of the fixed bytes."""
    length = end - begin
    if at + length > len(data):
        return False
    differing, place = np.uint64(0), 0
    # Without a way out on the way.
    while place + WORD <= length:
        differing |= word(data, at + place) ^ word(fixed, begin + place)
        place += WORD
    if place < length:
        if at + place + WORD <= len(data) and begin + place + WORD <= len(fixed):
            beyond = np.uint64(WORD * (WORD - (length - place)))
            differing |= (word(data, at + place) ^ word(fixed, begin + place)) << beyond
        else:
            for rest in range(place, length):
                differing |= np.uint64(data[at + rest] ^ fixed[begin + rest])
    return bool(differing == 0)


@compiled("b1(u1[::1], i8)", inline=True)
def _is_null(data: Bytes, at: int) -> bool:
    return (
        at + 4 <= len(data)
        and data[at] == LETTER_N
        and data[at + 1] == LETTER_U
        and data[at + 2] == LETTER_L
        and data[at + 3] == LETTER_L
    )


@compiled(
    "i8(u1[::1], i8, i8, i8, i8, u1[::1], f8[::1], u8[::1], i8,"
    "   i8[:, ::1], i8[:, ::1], i8[:, ::1])",
    inline=True,
)
def _slot(  # noqa: PLR0911
    data: Bytes,
    at: int,
    line: int,
    kind: int,
    target: int,
    probe: Bytes,
    numbers: Floats,
    bits: Words,
    lines: int,
    integers: Ints,
    times: Ints,
    names: Ints,
) -> int:
    """Where a slot ends, its value written; or REFUSED."""
    end = len(data)
    if kind == NUMBER_OR_NULL and _is_null(data, at):
        numbers[target * lines + line] = np.nan
        return at + 4
    if kind in (NUMBER, NUMBER_OR_NULL):
        return parse_number(data, at, end, numbers, bits, target * lines + line)
    if kind == TEXT:
        return text(data, at, end)
    if kind == IDENTIFIER:
        stop = identifier(data, at, end, probe)
        names[0, line], names[1, line] = at, stop
        return stop
    if kind == AMOUNT:
        return amount(data, at, end)
    if kind == TIME:
        value, stop = time(data, at, end)
        times[target, line] = value
        return stop
    value, stop = integer(data, at, end, ID_DIGITS)
    if target != NO_TARGET:
        integers[target, line] = value
    return stop


@compiled(
    "i8(u1[::1], i8, i8, i8, u1[::1], i8[::1], i8[:, ::1], i8[::1], u1[::1],"
    "   f8[::1], u8[::1], i8, i8[:, ::1], i8[:, ::1], i8[:, ::1])",
    inline=True,
)
def _matched(
    data: Bytes,
    begin: int,
    line: int,
    template: int,
    fixed: Bytes,
    parts: Ints,
    slots: Ints,
    firsts: Ints,
    probe: Bytes,
    numbers: Floats,
    bits: Words,
    lines: int,
    integers: Ints,
    times: Ints,
    names: Ints,
) -> int:
    """Where a line ends that is the template's, its values written; or REFUSED."""
    at = begin
    for slot in range(firsts[template], firsts[template + 1]):
        # A template has a part more than slots.
        part = slot + template
        if not _same(data, at, fixed, parts[part], parts[part + 1]):
            return REFUSED
        at += parts[part + 1] - parts[part]
        at = _slot(
            data, at, line, slots[slot, 0], slots[slot, 1], probe,
            numbers, bits, lines, integers, times, names,
        )  # fmt: skip
        if at == REFUSED:
            return REFUSED
    part = firsts[template + 1] + template
    if not _same(data, at, fixed, parts[part], parts[part + 1]):
        return REFUSED
    at += parts[part + 1] - parts[part]
    return at if at == len(data) or data[at] == NEWLINE else REFUSED


@compiled(
    "void(u1[::1], u1[::1], i8[::1], i8[:, ::1], i8[::1], u1[::1], f8[::1], u8[::1],"
    "     i8[:, ::1], i8[:, ::1], i8[:, ::1], i8[::1], i8[::1], i8[::1])"
)
def scan(
    data: Bytes,
    fixed: Bytes,
    parts: Ints,
    slots: Ints,
    firsts: Ints,
    probe: Bytes,
    numbers: Floats,
    bits: Words,
    integers: Ints,
    times: Ints,
    names: Ints,
    begins: Ints,
    templates: Ints,
    memory: Ints,
) -> None:
    """Reads lines until they or the unknown ones that may be passed are used up.

    Args:
        data: Lines.
        fixed, parts: The bytes of all templates' fixed parts, and where each part begins.
        slots, firsts: Of each slot kind and target, and each template's first slot.
        probe: What the identifiers of requests begin with that are no traffic.
        numbers, bits: Numbers by target and line, and the same memory as integers.
        integers, times: The same of integers and of times in microseconds.
        names: Where each line's identifier begins and ends.
        begins: Where each line begins.
        templates: Which template each line is of, or UNKNOWN.
        memory: As named above; UNKNOWN_LEFT is below 0 where an unknown line stopped the scan.
    """
    lines, line, at, recent = len(templates), memory[LINE], memory[PLACE], memory[RECENT]
    while at < len(data):
        begins[line], templates[line] = at, UNKNOWN
        stop = REFUSED
        for turn in range(len(firsts) - 1):
            # The one that matched last comes first, in the place of the first one.
            template = recent if turn == 0 else 0 if turn == recent else turn
            stop = _matched(
                data, at, line, template, fixed, parts, slots, firsts, probe,
                numbers, bits, lines, integers, times, names,
            )  # fmt: skip
            if stop != REFUSED:
                templates[line] = recent = template
                break
        if stop == REFUSED:
            memory[UNKNOWN_LEFT] -= 1
            if memory[UNKNOWN_LEFT] < 0:
                break
            stop = at
            while stop < len(data) and data[stop] != NEWLINE:
                stop += 1
        line, at = line + 1, stop + 1
    memory[LINE], memory[PLACE], memory[RECENT] = line, at, recent


@compiled("void(u1[::1], i8[:, ::1], i4[::1], u1[::1])")
def gather(data: Bytes, names: Ints, offsets: npt.NDArray[np.int32], found: Bytes) -> None:
    """Copies identifiers, one behind the other; `offsets` say where each goes."""
    for place in range(len(offsets) - 1):
        begin, to = names[0, place], offsets[place]
        for step in range(offsets[place + 1] - to):
            found[to + step] = data[begin + step]
