"""The stored form of a state: a versioned header and compressed integers, as text."""

import base64
import binascii
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline_code.features.kernel import Ints

__all__ = ["Header", "StateError", "read_text", "write_text"]

MAGIC = b"FLS"
FORMAT = 1
# Magic, format, seconds of horizon, newest known time, numbers of transactions and of reports.
HEADER = struct.Struct("<3sBIqII")


class StateError(Exception):
    """A stored state cannot be read; the message says whose, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a state says of itself."""

    horizon_seconds: int
    newest: int
    transactions: int
    reports: int


def write_text(header: Header, columns: Sequence[Ints]) -> str:
    """The text of a state; `read_text` reads it back."""
    packed = HEADER.pack(
        MAGIC, FORMAT, header.horizon_seconds, header.newest, header.transactions, header.reports
    )
    values = np.concatenate(columns).astype("<i8")
    # Bytes of equal weight side by side compress far better than whole integers do.
    body = zlib.compress(values.view(np.uint8).reshape(-1, 8).T.tobytes(), level=6)
    return base64.b64encode(packed + body).decode("ascii")


def read_text(text: str, owner: str, columns_of_transactions: int) -> tuple[Header, list[Ints]]:
    """The header and the columns: so many of transactions, then two of reports.

    Raises:
        StateError: Another format, or damaged; the message names `owner`.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise StateError(f"state of {owner} must be base64: {error}") from error
    header = _read_header(data, owner)
    lengths = [header.transactions] * columns_of_transactions + [header.reports] * 2
    values = _read_values(data[HEADER.size :], sum(lengths), owner)
    ends = np.cumsum(lengths).tolist()
    return header, [values[end - size : end] for end, size in zip(ends, lengths, strict=True)]


def _read_header(data: bytes, owner: str) -> Header:
    if len(data) < HEADER.size or data[: len(MAGIC)] != MAGIC:
        raise StateError(f"state of {owner} must start with {MAGIC!r}, got {data[:3]!r}")
    # The version comes first: what follows it is only known for the versions we know.
    if data[len(MAGIC)] != FORMAT:
        raise StateError(
            f"state of {owner} must have format {FORMAT}, got {data[len(MAGIC)]}; "
            "run the version of fraudloop that wrote it, or run `features` to write it anew"
        )
    _, _, seconds, newest, transactions, reports = HEADER.unpack_from(data)
    return Header(
        horizon_seconds=seconds, newest=newest, transactions=transactions, reports=reports
    )


def _read_values(body: bytes, count: int, owner: str) -> Ints:
    size = count * 8
    stream = zlib.decompressobj()
    try:
        # The limit keeps a damaged state from filling the memory; 0 would mean none.
        raw = stream.decompress(body, size + 1)
    except zlib.error as error:
        raise StateError(f"state of {owner} must be whole, got damaged bytes: {error}") from error
    if len(raw) != size or not stream.eof:
        raise StateError(f"state of {owner} must hold {count} values, got {len(raw)} bytes")
    values: Ints = np.frombuffer(raw, np.uint8).reshape(8, -1).T.copy().view("<i8").ravel()
    return values.astype(np.int64)
