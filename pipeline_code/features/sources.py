"""Parquet files of the lake, read piece by piece: a folder, a file, or `s3://bucket/prefix`.

Guarantees:
    A value that breaks a rule, or a piece that cannot be read, is refused with its file and row.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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

__all__ = ["ParquetSource", "Piece"]

Ints = npt.NDArray[np.int64]

BATCH_ROWS = 1 << 20
# Of these columns nothing below zero makes sense.
NEVER_NEGATIVE = ("transaction_id", "customer_id", "terminal_id", "amount_minor")


@dataclass(frozen=True, slots=True)
class Piece:
    """A row group of a file, and which of the file's rows is its first."""

    path: str
    row_group: int
    first_row: int
    rows: int


@dataclass(frozen=True, slots=True, eq=False)
class ParquetSource:
    """All rows of a data set, in the order of file names.

    ParquetSource.of("s3://raw/transactions", schema.TRANSACTIONS).rows
    """

    filesystem: Any
    schema: pa.Schema
    pieces: tuple[Piece, ...]

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
        ends = [self._piece_extent(piece, name) for piece in self.pieces if piece.rows]
        return min(low for low, _ in ends), max(high for _, high in ends)

    def read(self, piece: Piece) -> Iterator[Ints]:
        """A piece's rows in batches, as integers [a row a column], in the schema's order.

        Raises:
            BadInput: A value breaks a rule, or the piece is damaged; the message names the row.
        """
        row = piece.first_row
        try:
            with pq.ParquetFile(self.filesystem.open_input_file(piece.path)) as file:
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

    def _piece_extent(self, piece: Piece, name: str) -> tuple[Any, Any]:
        """By the file's statistics if it has any."""
        kind = self.schema.field(name).type
        with self._open(piece.path) as file:
            column = file.metadata.row_group(piece.row_group).column(
                file.schema_arrow.get_field_index(name)
            )
            if column.is_stats_set and column.statistics.has_min_max:
                ends = pa.array([column.statistics.min, column.statistics.max])
            else:
                values = file.read_row_group(piece.row_group, columns=[name])[name]
                ends = pa.array(list(pc.min_max(values).as_py().values()), values.type)
        low, high = (cast_or_none(ends, kind) or ends).to_pylist()
        return low, high

    @contextmanager
    def _open(self, path: str) -> Iterator[pq.ParquetFile]:
        try:
            with pq.ParquetFile(self.filesystem.open_input_file(path)) as file:
                yield file
        except (pa.ArrowException, OSError) as error:
            raise BadInput(f"{path}: file must be readable Parquet: {error}") from error

    def _integers(self, batch: pa.RecordBatch, path: str, first_row: int) -> Ints:
        columns = np.empty((len(self.schema), batch.num_rows), np.int64)
        for place, field in enumerate(self.schema):
            column = batch.column(field.name)
            if column.null_count:
                row = int(pc.is_null(column).to_numpy(zero_copy_only=False).argmax())
                _refuse(path, first_row + row, f"{field.name} must be given, got null")
            cast = column if column.type == field.type else cast_or_none(column, field.type)
            if cast is None:
                row = first_refused(column, field.type)
                got = column[row].as_py()
                _refuse(path, first_row + row, f"{field.name} must be {field.type}, got {got!r}")
            values = cast.cast(pa.int64()).to_numpy()
            if field.name in NEVER_NEGATIVE and len(values) and values.min() < 0:
                row = int((values < 0).argmax())
                rule = f"{field.name} must be at least 0, got {values[row]}"
                _refuse(path, first_row + row, rule)
            columns[place] = values
        return columns


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


def _pieces(filesystem: Any, path: str, schema: pa.Schema) -> Iterator[Piece]:
    try:
        with pq.ParquetFile(filesystem.open_input_file(path)) as file:
            metadata, names = file.metadata, file.schema_arrow.names
    except (pa.ArrowException, OSError) as error:
        raise BadInput(f"{path}: file must be readable Parquet: {error}") from error
    missing = [name for name in schema.names if name not in names]
    if missing:
        raise BadInput(f"{path}: column {missing[0]} must be present, got {', '.join(names)}")
    row = 0
    for group in range(metadata.num_row_groups):
        rows = metadata.row_group(group).num_rows
        yield Piece(path, group, row, rows)
        row += rows


def _refuse(path: str, row: int, rule: str) -> NoReturn:
    raise BadInput(f"{path}, row {row} (rows count from 0): {rule}")
