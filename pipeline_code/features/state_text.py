"""The stored form of a state: a versioned header, a checksum and compressed integers, as text."""

import base64
import binascii
import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from pipeline_code.features.definitions import Entity
from pipeline_code.features.plan import plan_of
from pipeline_code.features.varints import pack, unpack

__all__ = ["Header", "StateError", "read_text", "write_text"]

Ints = npt.NDArray[np.int64]

MAGIC = b"FLS"
FORMAT = 2
# Magic, format; checksum of all that follows it.
PREFIX = struct.Struct("<3sBI")
# What was kept, newest known time; lengths of four lists.
HEADER = struct.Struct("<8sqIIII")
BODY = PREFIX.size + HEADER.size


class StateError(Exception):
    """A stored state cannot be read; the message says whose, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a state says of itself: the newest time and the lengths of its lists."""

    newest: int
    lengths: tuple[int, int, int, int]


@cache
def _contract(entity: Entity) -> bytes:
    """Names what a state of the entity keeps: events, how finely and how long."""
    plan = plan_of()
    keeps = [plan.keeps(entity, reports=reports) for reports in (False, True)]
    schedules = [plan.schedule(entity, reports=reports).tolist() for reports in (False, True)]
    text = repr((entity.name, keeps, schedules))
    return hashlib.blake2b(text.encode(), digest_size=8).digest()


def write_text(entity: Entity, header: Header, columns: Sequence[Ints]) -> str:
    """The text of a state; `read_text` reads it back."""
    packed = HEADER.pack(_contract(entity), header.newest, *header.lengths)
    rest = packed + pack(np.concatenate(columns)).tobytes()
    prefix = PREFIX.pack(MAGIC, FORMAT, binascii.crc32(rest))
    return base64.b64encode(prefix + rest).decode("ascii")


def read_text(
    entity: Entity, text: str, owner: str, widths: tuple[int, int, int, int]
) -> tuple[Header, list[Ints]]:
    """The header and the columns of the four lists, each of which has so many columns.

    Raises:
        StateError: Another format, written for other features, or damaged; it names `owner`.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise StateError(f"state of {owner} must be base64: {error}") from error
    header = _read_header(entity, data, owner)
    lengths = [
        length for length, width in zip(header.lengths, widths, strict=True) for _ in range(width)
    ]
    count = sum(lengths)
    values = unpack(np.frombuffer(bytearray(data[BODY:]), np.uint8), count)
    if len(values) != count:
        raise StateError(f"state of {owner} must hold {count} values, got {len(values)}")
    ends = np.cumsum(lengths).tolist()
    return header, [values[end - size : end] for end, size in zip(ends, lengths, strict=True)]


def _read_header(entity: Entity, data: bytes, owner: str) -> Header:
    if len(data) < PREFIX.size or data[: len(MAGIC)] != MAGIC:
        raise StateError(f"state of {owner} must start with {MAGIC!r}, got {data[:3]!r}")
    # The version comes first: what follows it is only known for the versions we know.
    _, version, checksum = PREFIX.unpack_from(data)
    if version != FORMAT:
        raise StateError(
            f"state of {owner} must have format {FORMAT}, got {version}; "
            "run the version of fraudloop that wrote it, or run `features` to write it anew"
        )
    if len(data) < BODY or binascii.crc32(data[PREFIX.size :]) != checksum:
        raise StateError(f"state of {owner} must be whole, got damaged bytes; run `features`")
    contract, newest, *lengths = HEADER.unpack_from(data, PREFIX.size)
    if contract != _contract(entity):
        raise StateError(
            f"state of {owner} must keep what today's features need, got one that was written for "
            "others; run `features` to write it anew"
        )
    first, second, third, fourth = lengths
    return Header(newest=newest, lengths=(first, second, third, fourth))
