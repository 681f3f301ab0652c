"""The spans of a JSON text's scalars."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Path", "Scalar", "UnlearnableError", "scalars", "unescaped"]

Path = tuple[str | int, ...]

TOKEN = re.compile(
    r'[ \t\r\n]*(?:"(?P<text>(?:[^"\\]|\\.)*)"'
    r"|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"
    r"|(?P<literal>true|false|null)"
    r"|(?P<mark>[{}\[\],:]))",
    re.ASCII,
)
ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class UnlearnableError(Exception):
    """A text has something whose place says too little: a key twice, an escape of a character."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """Where a text, without its quotation marks, a number or a literal begins and ends."""

    kind: str
    begin: int
    end: int


def scalars(text: str) -> dict[Path, Scalar]:
    """Every scalar of a JSON text, by the keys and places that lead to it.

    Raises:
        UnlearnableError: A key occurs twice or has escapes.
    """
    walk = _SpanReader(text)
    walk.value(())
    return walk.found


def unescaped(text: str) -> tuple[str, list[int]]:
    """What the inside of a JSON text says, and where each character, and the end, comes from.

    Raises:
        UnlearnableError: It names a character by its number.
    """
    characters, places, at = [], [], 0
    while at < len(text):
        places.append(at)
        character = text[at]
        if character == "\\":
            at += 1
            if text[at] not in ESCAPES:
                raise UnlearnableError
            character = ESCAPES[text[at]]
        characters.append(character)
        at += 1
    return "".join(characters), [*places, at]


class _SpanReader:
    def __init__(self, text: str) -> None:
        self.found: dict[Path, Scalar] = {}
        self._tokens = self._read(text)

    def value(self, path: Path, token: "tuple[Scalar, str] | None" = None) -> None:
        scalar, text = next(self._tokens) if token is None else token
        if text == "{" and scalar.kind == "mark":
            self._object(path)
        elif text == "[" and scalar.kind == "mark":
            self._array(path)
        else:
            self.found[path] = scalar

    def _object(self, path: Path) -> None:
        names: set[str] = set()
        while True:
            scalar, name = next(self._tokens)
            if scalar.kind == "mark":
                if name == "}":
                    return
                continue  # a comma
            if name in names or "\\" in name:
                raise UnlearnableError
            names.add(name)
            next(self._tokens)  # the colon
            self.value((*path, name))

    def _array(self, path: Path) -> None:
        place = 0
        while True:
            token = next(self._tokens)
            if token[0].kind == "mark" and token[1] in "],":
                if token[1] == "]":
                    return
                continue
            self.value((*path, place), token)
            place += 1

    @staticmethod
    def _read(text: str) -> Iterator[tuple[Scalar, str]]:
        at = 0
        while match := TOKEN.match(text, at):
            kind = str(match.lastgroup)
            yield Scalar(kind, *match.span(kind)), match[kind]
            at = match.end()
        raise UnlearnableError
