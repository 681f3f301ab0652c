"""Stable 64-bit ids for what a file names otherwise: by text, or not at all.

A text becomes 63 bits of its BLAKE2b under the lake's key, so that an id depends on no other row,
file or order, and that who sees ids but not the key cannot try names against them. What is a whole
number already, written as one, stays that number.

Guarantees:
    Two texts never share an id: a collision is found and refused, within a file and, of customers
    and terminals, with the dictionary of the files before.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from operations.errors import OperationError
from pipeline_code.common.columns import Column, is_text, whole_numbers

__all__ = ["DICTIONARY", "KEY_BYTES", "IdentifierStore", "Identifiers", "Kind", "occurrences"]

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

KEY_BYTES = 32
BITS = 63
DICTIONARY = pa.schema([("id", pa.int64()), ("text", pa.string())])
# One way to write each number: 7, but not 007, which is another text.
_WHOLE = "^(0|[1-9][0-9]{0,18})$"
# No name, but a number that went wrong.
_WRONG = r"^(-[0-9]+|[-+]?[0-9]*\.[0-9]+)$"


class Kind(StrEnum):
    """What is named. The same text is another id for each."""

    TRANSACTION = "transaction"
    CUSTOMER = "customer"
    TERMINAL = "terminal"


class IdentifierStore(Protocol):
    """What makes ids the same from file to file."""

    def key(self) -> bytes:
        """The key of the ids."""

    def dictionary(self, kind: Kind) -> pa.Table:
        """What was named before, in the schema DICTIONARY."""


class Identifiers:
    """Makes the ids of one file.

    Args:
        store: The lake's.
        bits: How long an id is.

    Attributes:
        new: By kind, the names that the dictionary lacks.
    """

    def __init__(self, store: IdentifierStore, *, bits: int = BITS) -> None:
        self._store, self._bits = store, bits
        self._key: bytes | None = None
        self.new: dict[Kind, pa.Table] = {}

    def column(self, kind: Kind, name: str, given: pa.Array, *, every: bool = False) -> Column:
        """Ids of a column.

        Args:
            every: Whether whole numbers, too, are but names.

        Raises:
            OperationError: Two texts have one id.
        """
        if not every and not is_text(given.type):
            return whole_numbers(name, given)
        rule = f"{name} must be text or a whole number from 0 on (or hash={name} of the mapping)"
        encoded = given.cast(pa.string()).dictionary_encode()
        texts = encoded.dictionary
        ids, hashed, refused = self._ids(kind, texts, every=every)
        if hashed.any():
            self._remember(kind, pa.table([ids, texts], DICTIONARY), hashed, refused)
        places = pc.fill_null(encoded.indices, len(texts)).to_numpy()
        return Column(np.append(ids, 0)[places], np.append(refused, True)[places], rule, given)

    def made(self, rows: Ints, order: Ints) -> Ints:
        """Ids of transactions that have none, of what they are.

        Args:
            rows: Of each transaction, what makes it this one.
            order: Of those that are alike in it, the how manieth it is, from 0.
        """
        data = np.column_stack([rows, order]).astype("<i8").tobytes()
        width = 8 * (rows.shape[1] + 1)
        return self._hashes("made", (data[at : at + width] for at in range(0, len(data), width)))

    def _ids(self, kind: Kind, texts: pa.Array, *, every: bool) -> tuple[Ints, Mask, Mask]:
        """Of each text its id, whether that is a hash, and whether it must not be one."""
        ids, hashed = np.zeros(len(texts), np.int64), np.ones(len(texts), np.bool_)
        refused = ~hashed
        if not every:
            numbers = whole_numbers("", pc.if_else(_matching(texts, _WHOLE), texts, None))
            # 19 digits may be more than 63 bits hold.
            ids, hashed = np.where(numbers.refused, 0, numbers.values), numbers.refused
            refused = _matching(texts, _WRONG).to_numpy(zero_copy_only=False)
            hashed = hashed & ~refused
        if hashed.any():
            names = texts.filter(pa.array(hashed)).to_pylist()
            ids[hashed] = self._hashes(kind, (name.encode() for name in names))
        return ids, hashed, refused

    def _hashes(self, person: str, data: Iterable[bytes]) -> Ints:
        if self._key is None:
            self._key = self._store.key()
        start = hashlib.blake2b(digest_size=8, key=self._key, person=person.encode())

        def digest(each: bytes) -> bytes:
            state = start.copy()
            state.update(each)
            return state.digest()

        words = np.frombuffer(b"".join(map(digest, data)), ">u8")
        return (words >> np.uint64(64 - self._bits)).astype(np.int64)

    def _remember(self, kind: Kind, named: pa.Table, hashed: Mask, refused: Mask) -> None:
        """Refuses a collision, and notes what the dictionary lacks."""
        known = self._store.dictionary(kind)
        _refuse_collisions(kind, pa.concat_tables([known, named.filter(pa.array(~refused))]))
        is_known = pc.is_in(named["text"], known["text"].combine_chunks())
        self.new[kind] = named.filter(pc.and_not(pa.array(hashed), is_known.combine_chunks()))


def occurrences(rows: Ints, content: Callable[[Ints], Sequence[str]]) -> Ints:
    """Of each row the how manieth it is of those that are alike, whatever order they come in.

    Args:
        rows: A row of integers each.
        content: All else that rows say, given their places; it orders those that are alike.
    """
    count = len(rows)
    order = np.lexsort(rows.T)
    alike = np.zeros(count, np.bool_)
    alike[1:] = (rows[order[1:]] == rows[order[:-1]]).all(axis=1)
    tied = alike.copy()
    tied[:-1] |= alike[1:]
    places = np.flatnonzero(tied)
    if len(places):
        groups, texts = np.cumsum(~alike)[places], content(order[places])
        turns = sorted(range(len(places)), key=lambda turn: (groups[turn], texts[turn]))
        order[places] = order[places][turns]
    first = np.maximum.accumulate(np.where(alike, 0, np.arange(count)))
    result = np.empty(count, np.int64)
    result[order] = np.arange(count) - first
    return result


def _refuse_collisions(kind: Kind, named: pa.Table) -> None:
    named = named.group_by(["id", "text"]).aggregate([]).sort_by("id")
    ids = named["id"].to_numpy()
    same = np.flatnonzero(ids[1:] == ids[:-1])
    if len(same):
        one, other = named["text"].slice(int(same[0]), 2).to_pylist()
        raise OperationError(
            f"two {kind}s must not have one id, got {one!r} and {other!r} with {ids[same[0]]}; "
            "write one of them otherwise in the file, such as with a letter before it"
        )


def _matching(texts: pa.Array, pattern: str) -> pa.Array:
    return pc.fill_null(pc.match_substring_regex(texts, pattern), False)
