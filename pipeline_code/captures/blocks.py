"""Capture files in blocks of whole lines, small enough to be held, large enough to be worth it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from pipeline_code.captures.sources import CaptureFile

__all__ = ["Block", "LineRange", "blocks_of"]

# About ten thousand exchanges.
BLOCK_BYTES = 12 << 20
# Small files are fetched one by one, so that many of them are better left to several readers.
FILES_A_BLOCK = 64
# An exchange about one transaction is a tenth of it.
LINE_BYTES = 16 << 10
NEWLINE = b"\n"


@dataclass(frozen=True, slots=True)
class LineRange:
    """The lines of a file that begin at `start` or later, before `stop`."""

    file: CaptureFile
    start: int
    stop: int

    @property
    def is_last(self) -> bool:
        """Whether the file ends with it."""
        return self.stop == self.file.size

    def read(self) -> bytearray:
        """The lines, each whole."""
        if self.stop == self.start:
            return bytearray()
        # With the byte before, which tells whether a line begins here.
        begin = max(self.start - 1, 0)
        data = self.file.read(begin, self.stop)
        if self.start:
            cut = data.find(NEWLINE) + 1
            if cut == 0:
                return bytearray()  # all of it is within a line that began earlier
            del data[:cut]
        if data and not data.endswith(NEWLINE):
            data += self._rest()
        return data

    def line_number(self, place: int) -> int:
        """The number within the file, counted from 1, of the line at that place of the piece."""
        before, begin = 0, 0
        while begin < self.start:
            end = min(begin + BLOCK_BYTES, self.start)
            before += self.file.read(begin, end).count(NEWLINE)
            begin = end
        # The rest of a line that began earlier is not in the piece.
        inside = self.start > 0 and self.file.read(self.start - 1, self.start) != NEWLINE
        return before + inside + place + 1

    def again(self) -> "LineRange | None":
        """The piece as it is now, if its file may have been replaced."""
        file = self.file.again()
        return None if file is None else LineRange(file, min(self.start, file.size), file.size)

    def _rest(self) -> bytearray:
        """What follows up to the end of the last line."""
        rest, begin, step = bytearray(), self.stop, LINE_BYTES
        while begin < self.file.size and NEWLINE not in rest:
            end = min(begin + step, self.file.size)
            rest += self.file.read(begin, end)
            begin, step = end, 2 * step
        end = rest.find(NEWLINE)
        return rest if end < 0 else rest[: end + 1]


@dataclass(frozen=True, slots=True)
class Block:
    """Pieces that are read together, and how many files end with it."""

    pieces: tuple[LineRange, ...]

    @property
    def files(self) -> int:
        """How many files end in it."""
        return sum(piece.is_last for piece in self.pieces)


def blocks_of(files: Iterable[CaptureFile]) -> Iterator[Block]:
    """The files' blocks, in order; the same files give the same blocks."""
    pieces: list[LineRange] = []
    size = 0
    for file in files:
        for piece in _pieces(file):
            length = piece.stop - piece.start
            if pieces and (size + length > BLOCK_BYTES or len(pieces) == FILES_A_BLOCK):
                yield Block(tuple(pieces))
                pieces, size = [], 0
            pieces.append(piece)
            size += length
    if pieces:
        yield Block(tuple(pieces))


def _pieces(file: CaptureFile) -> Iterator[LineRange]:
    count = max(1, -(-file.size // BLOCK_BYTES))
    edges = [file.size * number // count for number in range(count + 1)]
    for start, stop in pairwise(edges):
        yield LineRange(file, start, stop)
