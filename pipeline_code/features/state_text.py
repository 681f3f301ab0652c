"""The stored form of a state: a versioned header, a checksum and compressed integers, as text."""

import binascii
import struct
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pipeline_code.features.schema import STATE_FORMAT
from pipeline_code.features.varints import pack, unpack

__all__ = ["StateError", "read_text", "write_text"]

Ints = npt.NDArray[np.int64]
# Transactions one by one and by the hop, reports likewise (`pipeline_code.features.folding`).
Lists = tuple[Ints, Ints, Ints, Ints]
WIDTHS = (3, 4, 3, 4)

MAGIC = b"FLS"
# Magic, format; checksum of all that follows it.
PREFIX = struct.Struct("<3sBI")
# What is stored, newest known time; lengths of four lists.
HEADER = struct.Struct("<8sqIIII")
BODY = PREFIX.size + HEADER.size


class StateError(Exception):
    """A stored state cannot be read; the message says whose, and what to do."""


def write_text(contract: bytes, newest: int, lists: Lists) -> str:
    """The text of a state that keeps what a contract says; `read_text` reads it back."""
    packed = HEADER.pack(contract, newest, *map(len, lists))
    rest = packed + pack(*lists).tobytes()
    prefix = PREFIX.pack(MAGIC, STATE_FORMAT, binascii.crc32(rest))
    return binascii.b2a_base64(prefix + rest, newline=False).decode("ascii")


def read_text(contract: bytes, text: str, owner: str) -> tuple[int, Lists]:
    """The newest time and the lists.

    Raises:
        StateError: Another format, written for other features, or damaged; it names `owner`.
    """
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise StateError(f"state of {owner} must be base64: {error}") from error
    newest, lengths = _read_header(contract, data, owner)
    if sum(lengths) > len(data):  # each row takes a byte at least
        raise StateError(f"state of {owner} must hold {sum(lengths)} rows, got {len(data)} bytes")
    recent, hops, reported, reported_hops = (
        np.zeros((length, width), np.int64) for length, width in zip(lengths, WIDTHS, strict=True)
    )
    lists = recent, hops, reported, reported_hops
    if not unpack(np.frombuffer(bytearray(data[BODY:]), np.uint8), *lists):
        raise StateError(f"state of {owner} must hold {sum(lengths)} rows, got other bytes")
    return newest, lists


def _read_header(contract: bytes, data: bytes, owner: str) -> tuple[int, Sequence[int]]:
    if len(data) < PREFIX.size or data[: len(MAGIC)] != MAGIC:
        raise StateError(f"state of {owner} must start with {MAGIC!r}, got {data[:3]!r}")
    # The version comes first: what follows it is only known for the versions we know.
    _, version, checksum = PREFIX.unpack_from(data)
    if version != STATE_FORMAT:
        raise StateError(
            f"state of {owner} must have format {STATE_FORMAT}, got {version}; "
            "run the version of fraudloop that wrote it, or run `features` to write it anew"
        )
    if len(data) < BODY or binascii.crc32(data[PREFIX.size :]) != checksum:
        raise StateError(f"state of {owner} must be whole, got damaged bytes; run `features`")
    found, newest, *lengths = HEADER.unpack_from(data, PREFIX.size)
    if found != contract:
        raise StateError(
            f"state of {owner} must keep what its version's features need, got one that was "
            "written for others; run `features` to write it anew"
        )
    return newest, lengths
