"""Parquet files of the lake, read piece by piece: a folder, a file, or `s3://bucket/prefix`.

Guarantees:
    A value that breaks a rule, or a piece that cannot be read, is refused with its file and row.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import fs

from pipeline_code.common.casting import cast_or_none, first_refused
from pipeline_code.common.exits import BadInput
from pipeline_code.common.schema import open_file

__all__ = ["ParquetSource", "RowGroup"]

Ints = npt.NDArray[np.int64]

BATCH_ROWS = 1 << 20
# Of these columns nothing below zero makes sense.
NEVER_NEGATIVE = ("transaction_id", "customer_id", "terminal_id", "amount_minor")


@dataclass(frozen=True, slots=True)
class RowGroup:
    """A row group of a file, and which of the file's rows is its first.

    `ends` are each column's smallest and largest value, if the file says them.
    """

    path: str
    row_group: int
    first_row: int
    rows: int
    ends: Mapping[str, tuple[Any, Any] | None] = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class ParquetSource:
    """All rows of a data set, in the order of file names.

    ParquetSource.of("s3://raw/transactions", schema.TRANSACTIONS).rows
    """

    filesystem: Any
    schema: pa.Schema
    pieces: tuple[RowGroup, ...]

    @classmethod
    def of(cls, place: Path | str, schema: pa.Schema) -> "ParquetSource":
        """The data set at a place; without rows if there is nothing.

        Raises:
            BadInput: A file is no Parquet file, or lacks a column.
        """
        filesystem, path = fs.FileSystem.from_uri(_uri(place))
        pieces = [
            piece
            for file in _files(filesystem, path)
            for piece in _pieces(filesystem, file, schema)
        ]
        return cls(filesystem, schema, tuple(pieces))

    @property
    def rows(self) -> int:
        """How many rows there are, by the files' footers."""
        return sum(piece.rows for piece in self.pieces)

    def extent(self, name: str) -> tuple[Any, Any]:
        """The smallest and the largest value of a column; there must be rows.

        Raises:
            BadInput: A piece is damaged.
        """
        ends = [self._ends(piece, name) for piece in self.pieces if piece.rows]
        return min(low for low, _ in ends), max(high for _, high in ends)

    def fits_32_bits(self, name: str) -> bool:
        """Whether the files' statistics say that all values are integers of at most 32 bits."""
        ends = [piece.ends[name] for piece in self.pieces if piece.rows]
        return all(
            isinstance(value, int) and -(2**31) <= value < 2**31
            for low_and_high in ends
            for value in low_and_high or (None,)
        )

    def read(self, piece: RowGroup) -> Iterator[Ints]:
        """A piece's rows in batches, as integers [a row a column], in the schema's order.

        Raises:
            BadInput: A value breaks a rule, or the piece is damaged; the message names the row.
        """
        row = piece.first_row
        try:
            with open_file(self.filesystem.open_input_file(piece.path)) as file:
                for batch in file.iter_batches(
                    BATCH_ROWS, row_groups=[piece.row_group], columns=self.schema.names
                ):
                    yield self._integers(batch, piece.path, row)
                    row += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            raise BadInput(
                f"{piece.path}, row group {piece.row_group}, row {row} or later (rows count from "
                f"0): file must be readable Parquet: {error}; land the file again"
            ) from error

    def _integers(self, batch: pa.RecordBatch, path: str, first_row: int) -> Ints:
        columns = np.empty((len(self.schema), batch.num_rows), np.int64)
        for place, wanted in enumerate(self.schema):
            column = batch.column(wanted.name)
            if column.null_count:
                row = int(pc.is_null(column).to_numpy(zero_copy_only=False).argmax())
                _refuse(path, first_row + row, f"{wanted.name} must be given, got null")
            cast = column if column.type == wanted.type else cast_or_none(column, wanted.type)
            if cast is None:
                row = first_refused(column, wanted.type)
                got = column[row].as_py()
                _refuse(path, first_row + row, f"{wanted.name} must be {wanted.type}, got {got!r}")
            values = cast.cast(pa.int64()).to_numpy()
            if wanted.name in NEVER_NEGATIVE and len(values) and values.min() < 0:
                row = int((values < 0).argmax())
                rule = f"{wanted.name} must be at least 0, got {values[row]}"
                _refuse(path, first_row + row, rule)
            columns[place] = values
        return columns

    def _ends(self, piece: RowGroup, name: str) -> tuple[Any, Any]:
        """By the file's statistics if it has any."""
        kind = self.schema.field(name).type
        if piece.ends[name] is not None:
            ends = pa.array(piece.ends[name])
        else:
            with _opened(self.filesystem, piece.path) as file:
                values = file.read_row_group(piece.row_group, columns=[name])[name]
            ends = pa.array(list(pc.min_max(values).as_py().values()), values.type)
        low, high = (cast_or_none(ends, kind) or ends).to_pylist()
        return low, high


@contextmanager
def _opened(filesystem: Any, path: str) -> Iterator[pq.ParquetFile]:
    try:
        with open_file(filesystem.open_input_file(path)) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        raise BadInput(f"{path}: file must be readable Parquet: {error}") from error


def _uri(place: Path | str) -> str:
    text = str(place)
    return text if text.startswith("s3://") else Path(text).resolve().as_uri()


def _files(filesystem: Any, path: str) -> list[str]:
    """The data files; names that start with `_` or `.` are other programs' marks."""
    if filesystem.get_file_info(path).type == fs.FileType.File:
        return [path]
    selector = fs.FileSelector(path, allow_not_found=True, recursive=True)
    return sorted(
        file.path
        for file in filesystem.get_file_info(selector)
        if file.is_file and file.extension == "parquet" and file.base_name[0] not in "_."
    )


def _pieces(filesystem: Any, path: str, schema: pa.Schema) -> Iterator[RowGroup]:
    with _opened(filesystem, path) as file:
        metadata, names = file.metadata, file.schema_arrow.names
    missing = [name for name in schema.names if name not in names]
    if missing:
        raise BadInput(f"{path}: column {missing[0]} must be present, got {', '.join(names)}")
    row = 0
    for group in range(metadata.num_row_groups):
        of_group = metadata.row_group(group)
        ends = {name: _statistics(of_group.column(names.index(name))) for name in schema.names}
        yield RowGroup(path, group, row, of_group.num_rows, ends)
        row += of_group.num_rows


def _statistics(column: Any) -> tuple[Any, Any] | None:
    if not column.is_stats_set or not column.statistics.has_min_max:
        return None
    return column.statistics.min, column.statistics.max


def _refuse(path: str, row: int, rule: str) -> NoReturn:
    raise BadInput(f"{path}, row {row} (rows count from 0): {rule}")
