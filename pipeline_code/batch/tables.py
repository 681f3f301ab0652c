"""Files of a batch's input, Parquet or CSV, each as a table with the places of its rows."""

import csv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from pipeline_code.common.exits import BadInput
from pipeline_code.common.schema import INT96_UNIT

__all__ = [
    "AMOUNT",
    "AMOUNT_MINOR",
    "CURRENCY_COLUMN",
    "REQUIRED",
    "FileTable",
    "input_files",
    "read_table",
]

AMOUNT, AMOUNT_MINOR, CURRENCY_COLUMN = "amount", "amount_minor", "currency"
REQUIRED = ("transaction_id", "event_time", "customer_id", "terminal_id")
SUFFIXES = (".parquet", ".csv")


@dataclass(frozen=True, slots=True, eq=False)
class FileTable:
    """One file.

    Attributes:
        name: What messages call it.
        table: The columns that are read; of a CSV file as text.
        rows: Of each row of the table, its row in the file, counted from 0.
        broken: Rows of a CSV file that have not as many values as its header, and their text.
    """

    name: str
    table: pa.Table
    rows: npt.NDArray[np.int64]
    broken: dict[int, str] = field(default_factory=dict)

    def text(self, name: str, row: int) -> str | None:
        """A value as it was given; None if it was not."""
        value = self.table[name][row].as_py()
        return None if value is None else str(value)


def input_files(folder: Path) -> list[Path]:
    """The files below a folder, in name order; those that start with `_` or `.` are marks."""
    return sorted(
        file
        for file in folder.rglob("*")
        if file.is_file() and file.suffix.lower() in SUFFIXES and file.name[0] not in "_."
    )


def read_table(file: Path, name: str) -> FileTable:
    """A file's columns that matter.

    Raises:
        BadInput: It is not what its suffix says, or lacks a column.
    """
    is_csv = file.suffix.lower() == ".csv"
    try:
        return _read_csv(file, name) if is_csv else _read_parquet(file, name)
    except (pa.ArrowException, OSError, UnicodeDecodeError, csv.Error) as error:
        kind = "CSV" if is_csv else "Parquet"
        raise BadInput(f"{name}: file must be readable {kind}: {error}") from error


def _read_parquet(file: Path, name: str) -> FileTable:
    wanted = _wanted(pq.read_schema(file).names, name)
    table = pq.read_table(
        file, columns=wanted, partitioning=None, coerce_int96_timestamp_unit=INT96_UNIT
    )
    return FileTable(name, table.combine_chunks(), np.arange(table.num_rows))


def _read_csv(file: Path, name: str) -> FileTable:
    with file.open(encoding="utf-8-sig", newline="") as lines:
        header = next(csv.reader(lines), [])
    wanted = _wanted(header, name)
    broken: dict[int, str] = {}

    def keep(row: Any) -> str:
        # The header is line 1.
        broken[row.number - 2] = row.text
        return "skip"

    table = pa_csv.read_csv(
        file,
        # Its threads would not tell which line a broken row is in.
        read_options=pa_csv.ReadOptions(use_threads=False),
        parse_options=pa_csv.ParseOptions(invalid_row_handler=keep),
        # As text: a type guessed from the first rows would refuse the whole file for a later one.
        convert_options=pa_csv.ConvertOptions(
            include_columns=wanted,
            column_types=dict.fromkeys(wanted, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
        ),
    )
    every = np.arange(table.num_rows + len(broken))
    return FileTable(name, table.combine_chunks(), np.setdiff1d(every, list(broken)), broken)


def _wanted(names: list[str], name: str) -> list[str]:
    missing = [column for column in REQUIRED if column not in names]
    amounts = [column for column in (AMOUNT, AMOUNT_MINOR) if column in names]
    if missing or len(amounts) != 1:
        rule = f"{', '.join(REQUIRED)} and either {AMOUNT} or {AMOUNT_MINOR}"
        raise BadInput(f"{name}: columns must be {rule}, got {', '.join(names) or 'none'}")
    wanted = [*REQUIRED, *amounts, *([CURRENCY_COLUMN] if CURRENCY_COLUMN in names else [])]
    repeated = [column for column in wanted if names.count(column) > 1]
    if repeated:
        raise BadInput(f"{name}: column {repeated[0]} must be present once, got it more often")
    return wanted
