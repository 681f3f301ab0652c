"""Reads lines of captures that differ only in their values from lines that are known.

A template is a line cut at its values: fixed parts, and between two of them a slot of a known kind.
A line is taken only if every byte outside the slots is the template's and every slot holds plainly
what its kind says; whatever is not plain is left to a parser that takes any JSON.
"""

import numpy as np
import numpy.typing as npt

from pipeline_code.captures.number_kernel import REFUSED, parse_number
from pipeline_code.captures.slot_kernel import amount, identifier, integer, text, time
from pipeline_code.captures.words import WORD, byte, put, whole, word
from pipeline_code.common.compiled import compiled

__all__ = [
    "AMOUNT",
    "END",
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

# Kinds of slots, and what is behind the last one. A text goes up to its quotation mark; an
# identifier has no escapes, and where it begins and ends is kept in its target and the next one.
TEXT, IDENTIFIER, TIME, INTEGER, AMOUNT, NUMBER, NUMBER_OR_NULL, END = range(8)
# Of a value that nobody asks for.
NO_TARGET = -1
# What a scan remembers: the next line and its place, the template that matched last, and how many
# lines without one it passes before it stops.
LINE, PLACE, RECENT, UNKNOWN_LEFT = range(4)
# The template of a line that has none.
UNKNOWN = -1

NEWLINE = ord("\n")
# The text null as half a word.
NULL, NULL_LENGTH = np.uint64(int.from_bytes(b"null", "little")), 4
HALF = np.uint64(0xFFFFFFFF)
ID_DIGITS = 18
# A step of a program: where its fixed part begins and ends, the slot's kind and its target.
STEP = 4 * WORD


@compiled("b1(i8, i8, i8)", inline=True)
def _same(at: int, fixed: int, length: int) -> bool:
    """Whether as many bytes are the same in both places; behind both is a word at least."""
    differing, place = np.uint64(0), 0
    # Without a way out on the way.
    while place + WORD <= length:
        differing |= word(at + place) ^ word(fixed + place)
        place += WORD
    if place < length:
        beyond = np.uint64(WORD * (WORD - (length - place)))
        differing |= (word(at + place) ^ word(fixed + place)) << beyond
    return bool(differing == 0)


@compiled("i8(i8, i8, i8, i8, i8, i8, i8, i8, u8, u8)", inline=True)
def _slot(
    at: int,
    end: int,
    kind: int,
    target: int,
    row: int,
    numbers: int,
    wholes: int,
    table: int,
    probe: np.uint64,
    mask: np.uint64,
) -> int:
    """Where a slot ends, its value written to a row's target; or REFUSED."""
    if kind == NUMBER_OR_NULL and word(at) & HALF == NULL:
        put(numbers + target * row, np.nan)
        return at + NULL_LENGTH
    if kind in (NUMBER, NUMBER_OR_NULL):
        return parse_number(at, end, numbers + target * row, table)
    if kind == TEXT:
        return text(at, end)
    if kind == IDENTIFIER:
        stop = identifier(at, end, probe, mask)
        put(wholes + target * row, at)
        put(wholes + (target + 1) * row, stop)
        return stop
    if kind == AMOUNT:
        return amount(at, end)
    if kind == TIME:
        value, stop = time(at, end)
    else:
        value, stop = integer(at, end, ID_DIGITS)
    if target != NO_TARGET:
        put(wholes + target * row, value)
    return stop


@compiled("i8(i8, i8, i8, i8, i8, i8, i8, i8, u8, u8)", inline=True)
def _matched(
    begin: int,
    end: int,
    fixed: int,
    program: int,
    row: int,
    numbers: int,
    wholes: int,
    table: int,
    probe: np.uint64,
    mask: np.uint64,
) -> int:
    """Where a line ends that is as the program says, its values written; or REFUSED."""
    at, step = begin, program
    while True:
        part, length = whole(step), whole(step + WORD)
        if at + length > end or not _same(at, fixed + part, length):
            return REFUSED
        at += length
        kind = whole(step + 2 * WORD)
        if kind == END:
            return at if at == end or byte(at) == NEWLINE else REFUSED
        target = whole(step + 3 * WORD)
        at = _slot(at, end, kind, target, row, numbers, wholes, table, probe, mask)
        if at == REFUSED:
            return REFUSED
        step += STEP


@compiled("void(i8, i8, i8, i8, i8[::1], i8, i8, i8, u8, u8, i8[::1], i8[::1], i8[::1])")
def scan(
    data: int,
    length: int,
    fixed: int,
    programs: int,
    firsts: Ints,
    numbers: int,
    wholes: int,
    table: int,
    probe: np.uint64,
    mask: np.uint64,
    begins: Ints,
    templates: Ints,
    memory: Ints,
) -> None:
    """Reads lines until they or the unknown ones that may be passed are used up.

    Args:
        data, length: Where the lines are; a word behind them can be read, too.
        fixed: Where the bytes of all fixed parts are; the same holds for them.
        programs, firsts: Where all templates' steps are, and the first one of each.
        numbers, wholes: Where doubles and integers go, by target and line.
        table: Where the numbers' table is.
        probe, mask: What the identifiers of requests begin with that are no traffic.
        begins: Where each line begins.
        templates: Which template each line is of, or UNKNOWN.
        memory: As named above; UNKNOWN_LEFT is below 0 where an unknown line stopped the scan.
    """
    end, row = data + length, len(templates) * WORD
    line, at, recent = memory[LINE], data + memory[PLACE], memory[RECENT]
    while at < end:
        begins[line], templates[line] = at - data, UNKNOWN
        stop, column = REFUSED, line * WORD
        for turn in range(len(firsts)):
            # The one that matched last comes first, in the place of the first one.
            template = recent if turn == 0 else 0 if turn == recent else turn
            stop = _matched(
                *(at, end, fixed, programs + firsts[template] * STEP, row),
                *(numbers + column, wholes + column, table, probe, mask),
            )
            if stop != REFUSED:
                templates[line] = recent = template
                break
        if stop == REFUSED:
            memory[UNKNOWN_LEFT] -= 1
            if memory[UNKNOWN_LEFT] < 0:
                break
            stop = at
            while stop < end and byte(stop) != NEWLINE:
                stop += 1
        line, at = line + 1, stop + 1
    memory[LINE], memory[PLACE], memory[RECENT] = line, at - data, recent


@compiled("void(i8[::1], i4[::1], u1[::1])")
def gather(begins: Ints, offsets: npt.NDArray[np.int32], found: Bytes) -> None:
    """Copies texts that begin at these addresses, one behind the other, to these offsets."""
    for place in range(len(begins)):
        to = offsets[place]
        for step in range(offsets[place + 1] - to):
            found[to + step] = byte(begins[place] + step)
