"""Reads Universal Binary JSON, as XGBoost writes its models: exact numbers, arrays at once.

XGBoost's other format spells numbers as text, which takes five times as long to read.
"""

from typing import Any

import numpy as np

__all__ = ["read"]

_NUMBERS: dict[str, np.dtype[Any]] = {
    "i": np.dtype(">i1"),
    "U": np.dtype(">u1"),
    "I": np.dtype(">i2"),
    "l": np.dtype(">i4"),
    "L": np.dtype(">i8"),
    "d": np.dtype(">f4"),
    "D": np.dtype(">f8"),
}
_CONSTANTS = {"T": True, "F": False, "Z": None}


def read(content: bytes) -> Any:
    """The document; arrays of one kind of number as NumPy's.

    Raises:
        ValueError: It is none, or ends early.
    """
    reader = _Reader(content)
    try:
        return reader.value(reader.mark())
    except (IndexError, RecursionError) as error:
        raise ValueError(f"content must be whole, got {len(content)} bytes") from error


class _Reader:
    def __init__(self, content: bytes) -> None:
        self._content = content
        self._place = 0

    def mark(self) -> str:
        """The next byte, which says what follows."""
        self._place += 1
        return chr(self._content[self._place - 1])

    def value(self, mark: str) -> Any:
        if mark in _NUMBERS:
            return self._numbers(mark, 1)[0].item()
        if mark in _CONSTANTS:
            return _CONSTANTS[mark]
        if mark == "S":
            return self._text()
        if mark == "{":
            return self._object()
        if mark == "[":
            return self._array()
        raise ValueError(f"a mark must be one of UBJSON's, got {mark!r} at {self._place - 1}")

    def _numbers(self, mark: str, count: int) -> Any:
        kind, start = _NUMBERS[mark], self._place
        self._place += count * kind.itemsize
        if self._place > len(self._content) or count < 0:
            raise IndexError(self._place)
        return np.frombuffer(self._content, kind, count, start)

    def _text(self) -> str:
        length = int(self._numbers(self.mark(), 1)[0])
        start = self._place
        self._place += length
        if self._place > len(self._content) or length < 0:
            raise IndexError(self._place)
        return self._content[start : self._place].decode()

    def _peek(self, mark: str) -> bool:
        found = chr(self._content[self._place]) == mark
        self._place += found
        return found

    def _object(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not self._peek("}"):
            name = self._text()
            found[name] = self.value(self.mark())
        return found

    def _array(self) -> Any:
        kind = self.mark() if self._peek("$") else None
        if not self._peek("#"):
            items = []
            while not self._peek("]"):
                items.append(self.value(self.mark()))
            return items
        count = int(self._numbers(self.mark(), 1)[0])
        if kind is not None:
            numbers = self._numbers(kind, count)
            return numbers.astype(numbers.dtype.newbyteorder("="))
        return [self.value(self.mark()) for _ in range(count)]
