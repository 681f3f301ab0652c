"""Makes a chunk of a block of captures."""

from dataclasses import dataclass

from pipeline_code.common.exits import BadInput
from pipeline_code.monitor.blocks import NEWLINE, Block, Piece
from pipeline_code.monitor.chunks import Chunk, Tally
from pipeline_code.monitor.exchanges import CutOffError, Exchange, exchange_of
from pipeline_code.monitor.rows import Rows, Wanted

__all__ = ["CaptureParser"]

ASCII_END = 128


@dataclass(frozen=True, slots=True)
class CaptureParser:
    """Reads blocks; several threads may share it.

    Args:
        wanted: Which records, and what of them.
    """

    wanted: Wanted

    def parse(self, block: Block) -> tuple[Chunk, Tally]:
        """The block's records, and what was met on the way.

        Raises:
            BadInput: A line is no capture.
        """
        tally = Tally(files=block.files)
        rows = Rows(self.wanted, tally)
        for piece in block.pieces:
            current, data = _read(piece)
            for place, line in enumerate(data.split(NEWLINE)):
                if line.strip():
                    add_line(rows, current, place, line)
        return rows.chunk(), tally


def add_line(rows: Rows, piece: Piece, place: int, line: bytes) -> int:
    """Takes a line, the piece's at that place, and says how many records it is.

    Raises:
        BadInput: It is no capture.
    """
    try:
        return rows.add(_exchange(line, f"{piece.file.name}, line {place + 1}"))
    except BadInput:
        if piece.start == 0:
            raise
    # Lines before the piece are counted only for a message.
    return rows.add(_exchange(line, f"{piece.file.name}, line {piece.line_number(place)}"))


def _exchange(line: bytes, place: str) -> Exchange:
    try:
        return exchange_of(line.decode(), place)
    except UnicodeDecodeError as error:
        raise BadInput(f"{place}: must be UTF-8 text: {error}") from error


def _read(piece: Piece) -> tuple[Piece, bytes]:
    """The piece's lines; read once more if the last one may be still on its way."""
    data = piece.read()
    if data and not data.endswith(NEWLINE) and _is_cut_off(data):
        replaced = piece.again()
        if replaced is not None:
            return replaced, replaced.read()
    return piece, data


def _is_cut_off(data: bytes) -> bool:
    try:
        _exchange(data[data.rfind(NEWLINE) + 1 :], "")
    except CutOffError:
        return True
    except BadInput:
        # Half a character, too; else it is told when its turn comes.
        return data[-1] >= ASCII_END
    return False
