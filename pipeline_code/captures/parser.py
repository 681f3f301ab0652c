"""Makes a chunk of a block of captures.

Most lines are of a template, and read by machine code; the others one by one. Which way a line goes
changes nothing but the time it takes.
"""

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_code.captures import kernel
from pipeline_code.captures.blocks import NEWLINE, Block, LineRange
from pipeline_code.captures.chunks import Chunk, Tally
from pipeline_code.captures.exchanges import Exchange, TruncatedLineError, exchange_of
from pipeline_code.captures.merging import Merging
from pipeline_code.captures.rows import RecordFilter, Rows
from pipeline_code.captures.scan import ScanResult, Templates
from pipeline_code.captures.templates import INFERENCE
from pipeline_code.common.exits import BadInput
from pipeline_code.features.events import epoch_microseconds

__all__ = ["CaptureParser"]

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

ASCII_END = 128


class CaptureParser:
    """Reads blocks; several threads may share it.

    Args:
        wanted: Which records, and what of them.
    """

    def __init__(self, wanted: RecordFilter) -> None:
        self._wanted = wanted
        self._templates = Templates(wanted)

    def parse(self, block: Block) -> tuple[Chunk, Tally]:
        """The block's records, and what was met on the way.

        Raises:
            BadInput: A line is no capture.
        """
        lines = _Lines.of(block)
        scanned = self._templates.scan(lines.data)
        tally = Tally(files=block.files)
        others = Rows(self._wanted, tally)
        taken = self._taken(scanned, tally)
        counts = taken.astype(np.int64)
        for line in np.flatnonzero(scanned.templates == kernel.UNKNOWN).tolist():
            counts[line] = lines.add(others, scanned, line)
        merging = Merging(
            wanted=self._wanted,
            scanned=scanned,
            taken=np.flatnonzero(taken),
            counts=counts,
            others=others,
            rows=self._templates.rows,
        )
        return merging.chunk(), tally

    def _taken(self, scanned: ScanResult, tally: Tally) -> Flags:
        """Which lines of templates are wanted records; what the others are is counted."""
        templates = scanned.packed.templates
        known = scanned.templates != kernel.UNKNOWN
        inside = known & self._inside(scanned.wholes[INFERENCE])
        tally.outside += int(np.count_nonzero(known & ~inside))
        version = self._wanted.model_version
        right = [version is None or template.version == version for template in templates]
        # The last one stands for the unknown ones, whose place is -1.
        taken: Flags = inside & np.array([*right, False])[scanned.templates]
        tally.other_versions += int(np.count_nonzero(inside & ~taken))
        tally.records += int(np.count_nonzero(taken))
        counts = np.bincount(scanned.templates[taken], minlength=len(templates)).tolist()
        for template, count in zip(templates, counts, strict=True):
            if template.reasons is not None and count:
                tally.degraded[template.reasons] += count
        return taken

    def _inside(self, times: Ints) -> Flags:
        interval = self._wanted.interval
        inside = np.ones(len(times), np.bool_)
        if interval.start is not None:
            inside &= times >= epoch_microseconds(interval.start)
        if interval.end is not None:
            inside &= times < epoch_microseconds(interval.end)
        return inside


@dataclass(frozen=True, slots=True, eq=False)
class _Lines:
    """The lines of a block in one piece of memory, and whose they are."""

    data: bytearray
    pieces: tuple[LineRange, ...]
    starts: tuple[int, ...]

    @classmethod
    def of(cls, block: Block) -> "_Lines":
        """Reads a block."""
        data, pieces, starts = bytearray(), [], []
        for piece in block.pieces:
            current, lines = _read(piece)
            pieces.append(current)
            if data:
                starts.append(len(data))
                data += lines
            else:
                starts.append(0)
                data = lines
            if data and not data.endswith(NEWLINE):
                data += NEWLINE
        return cls(data, tuple(pieces), tuple(starts))

    def add(self, rows: Rows, scanned: ScanResult, line: int) -> int:
        """Takes a line and says how many records it is.

        Raises:
            BadInput: It is no capture.
        """
        text = scanned.line(line)
        if not text.strip():
            return 0
        try:
            return rows.add(_exchange(text, ""))
        except BadInput:
            # Where it is is found out only for a message.
            owner = bisect_right(self.starts, int(scanned.begins[line])) - 1
            piece = self.pieces[owner]
            before = int(np.searchsorted(scanned.begins, self.starts[owner]))
            place = f"{piece.file.name}, line {piece.line_number(line - before)}"
        return rows.add(_exchange(text, place))


def _exchange(line: bytes, place: str) -> Exchange:
    try:
        return exchange_of(line.decode(), place)
    except UnicodeDecodeError as error:
        raise BadInput(f"{place}: must be UTF-8 text: {error}") from error


def _read(piece: LineRange) -> tuple[LineRange, bytearray]:
    """The piece's lines; read once more if the last one may be still on its way."""
    data = piece.read()
    if data and not data.endswith(NEWLINE) and _is_cut_off(bytes(data[data.rfind(NEWLINE) + 1 :])):
        replaced = piece.again()
        if replaced is not None:
            return replaced, replaced.read()
    return piece, data


def _is_cut_off(line: bytes) -> bool:
    try:
        _exchange(line, "")
    except TruncatedLineError:
        return True
    except BadInput:
        # Half a character, too; else it is told when its turn comes.
        return line[-1] >= ASCII_END
    return False
