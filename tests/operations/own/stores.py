"""A key and a dictionary in memory."""

from collections.abc import Mapping

import pyarrow as pa

from operations.data.own.identifiers import DICTIONARY, Kind


class Store:
    """Counts how often it is asked for the key."""

    def __init__(
        self, key: bytes = b"k" * 32, known: Mapping[Kind, pa.Table] | None = None
    ) -> None:
        self._key, self._known = key, known or {}
        self.asked = 0

    def key(self) -> bytes:
        self.asked += 1
        return self._key

    def dictionary(self, kind: Kind) -> pa.Table:
        return self._known.get(kind, DICTIONARY.empty_table())
