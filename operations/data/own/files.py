"""Reads a user's file as it is: CSV, JSON Lines or Parquet, each also compressed by gzip.

The values of CSV and JSON Lines stay text: a type that is guessed from the first rows would refuse
a file for a later one, and would take the zeros from 00123.
"""

import csv
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from pipeline_code.common.exits import BadInput
from pipeline_code.common.schema import INT96_UNIT

__all__ = ["SourceFile", "read_file"]

_KINDS = {
    ".csv": "CSV",
    ".tsv": "CSV",
    ".txt": "CSV",
    ".json": "JSON Lines",
    ".jsonl": "JSON Lines",
    ".ndjson": "JSON Lines",
    ".parquet": "Parquet",
    ".pq": "Parquet",
}
_COMPRESSED = (".gz", ".gzip")
_DELIMITERS = ",;\t|"
_AS_HEADER, _OBJECT = "have as many values as the header", "be a JSON object"
# As much of a file as its header may take.
_HEADER_BYTES = 1 << 16
# As long as a line of JSON may be.
_LINE_BYTES = 1 << 24


@dataclass(frozen=True, slots=True, eq=False)
class SourceFile:
    """A file's rows.

    Attributes:
        name: What messages call the file.
        table: The columns as they are; of CSV and JSON Lines, as text.
        rows: Of each row of the table, its row in the file, counted from 0.
        broken: Rows that are none, and their text.
        whole: What a row has to be.
    """

    name: str
    table: pa.Table
    rows: npt.NDArray[np.int64]
    broken: Mapping[int, str] = field(default_factory=dict)
    whole: str = ""


def read_file(path: Path, *, delimiter: str | None = None, encoding: str = "utf-8") -> SourceFile:
    """Reads a file.

    Args:
        delimiter: What is between the values of a CSV file. If omitted, what its header has most
            of: a comma, semicolon, tab or bar.
        encoding: That of a CSV file.

    Raises:
        BadInput: It cannot be read; the message says why.
    """
    if not path.is_file():
        raise BadInput(f"file must exist, got {path}")
    suffixes = [each.lower() for each in path.suffixes]
    compression = "gzip" if suffixes and suffixes[-1] in _COMPRESSED else None
    *_, suffix = ["", *(suffixes[:-1] if compression else suffixes)]
    kind = _KINDS.get(suffix)
    if kind is None:
        raise BadInput(
            f"file must be CSV (.csv, .tsv), JSON Lines (.jsonl) or Parquet (.parquet), each "
            f"perhaps with .gz, got {path.name}; convert it"
        )
    try:
        if kind == "Parquet":
            return _parquet(path, compression)
        with pa.input_stream(str(path), compression=compression) as stream:
            head = stream.read(_HEADER_BYTES).decode(encoding, errors="replace")
        if kind == "CSV" and not head.startswith("{"):
            return _csv(path, compression, head.removeprefix("\ufeff"), delimiter, encoding)
        return _json_lines(path, compression)
    except (
        pa.ArrowException,
        OSError,
        UnicodeError,
        LookupError,
        csv.Error,
        duckdb.Error,
    ) as error:
        raise BadInput(f"{path.name}: file must be readable {kind}: {error}") from error


def _parquet(path: Path, compression: str | None) -> SourceFile:
    with pa.input_stream(str(path), compression=compression) as stream:
        source = path if compression is None else pa.BufferReader(stream.read())
    table = pq.read_table(source, partitioning=None, coerce_int96_timestamp_unit=INT96_UNIT)
    for index, column in enumerate(table.schema):
        if pa.types.is_dictionary(column.type):
            plain = table[column.name].cast(column.type.value_type)
            table = table.set_column(index, column.name, plain)
    table = table.rename_columns(_distinct(table.column_names)).combine_chunks()
    return SourceFile(path.name, table, np.arange(table.num_rows))


def _csv(
    path: Path, compression: str | None, head: str, delimiter: str | None, encoding: str
) -> SourceFile:
    first = head.partition("\n")[0]
    delimiter = delimiter or max(_DELIMITERS, key=first.count)
    header = next(csv.reader(head.splitlines(keepends=True), delimiter=delimiter), [])
    broken: dict[int, str] = {}

    def keep(row: Any) -> str:
        # The header is line 1.
        broken[row.number - 2] = row.text
        return "skip"

    with pa.input_stream(str(path), compression=compression) as stream:
        table = pa_csv.read_csv(
            stream,
            # Its threads would not tell which line a broken row is in.
            read_options=pa_csv.ReadOptions(use_threads=False, encoding=encoding),
            parse_options=pa_csv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, invalid_row_handler=keep
            ),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(header, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
    is_whole = np.ones(table.num_rows + len(broken), np.bool_)
    is_whole[list(broken)] = False
    table = table.rename_columns(_distinct(table.column_names)).combine_chunks()
    return SourceFile(path.name, table, np.flatnonzero(is_whole), broken, _AS_HEADER)


def _distinct(names: Sequence[str]) -> list[str]:
    """A name for each column: by its place if it has none, numbered if another has the same."""
    every, seen = Counter(names), Counter[str]()
    result = []
    for place, name in enumerate(names):
        seen[name] += 1
        numbered = name if every[name] == 1 else f"{name} ({seen[name]})"
        result.append(numbered if name else f"column {place}")
    return result


def _json_lines(path: Path, compression: str | None) -> SourceFile:
    with pa.input_stream(str(path), compression=compression) as stream:
        lines = pa_csv.read_csv(
            stream,
            read_options=pa_csv.ReadOptions(column_names=["line"], block_size=_LINE_BYTES),
            # JSON has this character in no place.
            parse_options=pa_csv.ParseOptions(
                delimiter="\x1f", quote_char=False, ignore_empty_lines=False
            ),
            convert_options=pa_csv.ConvertOptions(column_types={"line": pa.string()}),
        ).combine_chunks()
    with duckdb.connect() as database:
        database.register("lines", lines)
        found = database.sql(
            "SELECT coalesce(try(json_type(line) = 'OBJECT'), false) AS ok FROM lines"
        )
        is_object = found.fetchnumpy()["ok"].astype(bool)
        database.register("objects", lines.filter(pa.array(is_object)))
        names = _names(database, lines, is_object)
        kinds = json.dumps(dict.fromkeys(names, "VARCHAR")).replace("'", "''")
        sql = f"SELECT unnest(json_transform(line, '{kinds}')) FROM objects"  # noqa: S608 - quoted
        table = database.sql(sql).to_arrow_table()
    text = lines["line"].to_pylist() if not is_object.all() else []
    broken = {row: text[row] for row in np.flatnonzero(~is_object).tolist() if text[row].strip()}
    return SourceFile(path.name, table.combine_chunks(), np.flatnonzero(is_object), broken, _OBJECT)


def _names(
    database: duckdb.DuckDBPyConnection, lines: pa.Table, is_object: npt.NDArray[np.bool_]
) -> list[str]:
    """The names that the objects have: those of the first in its order, then all others."""
    if not is_object.any():
        raise BadInput(
            "file must hold a JSON object a line, got none; `jq -c .[] FILE` makes them of an array"
        )
    first = json.loads(lines["line"][int(is_object.argmax())].as_py())
    rows = database.sql("SELECT DISTINCT unnest(json_keys(line)) AS name FROM objects").fetchall()
    return list(dict.fromkeys([*first, *sorted(name for (name,) in rows)]))
