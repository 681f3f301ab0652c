"""The transactions that a batch is asked about: each once, and the others with a reason.

Files are Parquet or CSV, with the lake's columns (`amount_minor`) or a user's (`amount` in currency
units, perhaps with a `currency`); other columns are not read. A time without a zone is UTC.

Guarantees:
    Every row is asked about, repeats one that is, or is refused with its file, row and reason.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline_code.batch.columns import currency_of, read_columns
from pipeline_code.batch.tables import FileTable, input_files, read_table
from pipeline_code.common.exits import BadInput
from pipeline_code.features.events import Transactions

__all__ = ["REFUSED", "BatchInput", "RejectedRow"]

Ints = npt.NDArray[np.int64]

REFUSED = pa.schema(
    [
        ("file", pa.string()),
        ("row", pa.int64()),
        ("transaction_id", pa.string()),
        ("reason", pa.string()),
    ]
)
_CONFLICT = (
    "transaction_id must name one transaction, got rows that differ in time, customer, terminal or "
    "amount"
)
# A message has room for so many of them.
_SHOWN = 3
_SHOWN_CHARACTERS = 40


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that cannot be scored: where it is, counted from 0, its id as given, and why."""

    file: str
    row: int
    transaction_id: str | None
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class BatchInput:
    """What a batch's input holds.

    Attributes:
        rows: The transactions, in order of their ids.
        files: The files that were read.
        sources: Of each transaction, its file's place among those and its row there.
        refused: All other rows that are no repetition.
        repeated: Rows that say the same as one before.
    """

    rows: Transactions
    files: Sequence[str]
    sources: Ints
    refused: list[RejectedRow] = field(default_factory=list)
    repeated: int = 0

    @classmethod
    def read(cls, folder: Path) -> "BatchInput":
        """All rows of the files below a folder.

        Raises:
            BadInput: There is no row, or a file is neither Parquet nor CSV or lacks a column.
        """
        files = input_files(folder)
        names = [file.relative_to(folder).as_posix() for file in files]
        columns, sources = [np.empty((5, 0), np.int64)], [np.empty((0, 2), np.int64)]
        refused: list[RejectedRow] = []
        for index, (file, name) in enumerate(zip(files, names, strict=True)):
            table = read_table(file, name)
            values, kept, reasons = _checked(table)
            columns.append(values[:, kept])
            rows = table.rows[kept]
            sources.append(np.column_stack([np.full(len(rows), index), rows]))
            refused += _refused(table, reasons)
        found = cls(
            Transactions.from_columns(np.concatenate(columns, axis=1)),
            names,
            np.concatenate(sources),
            refused,
        )
        if not len(found.rows) and not refused:
            raise BadInput(
                "input must hold at least one transaction in a .parquet or .csv file, got none; "
                "check the prefix"
            )
        return found._once()

    @property
    def total(self) -> int:
        """How many rows the files have."""
        return len(self.rows) + len(self.refused) + self.repeated

    def without(self, indices: Ints, reason: str) -> "BatchInput":
        """The same with some of the rows refused for a reason."""
        kept = np.setdiff1d(np.arange(len(self.rows)), indices)
        more = [self._refusal(index, reason) for index in indices.tolist()]
        rows, sources = self.rows.take(kept), self.sources[kept]
        return BatchInput(rows, self.files, sources, [*self.refused, *more], self.repeated)

    def check(self, tolerated_share: float) -> None:
        """Raises BadInput if more than this share of the rows was refused, or all were."""
        refused = len(self.refused)
        if refused <= tolerated_share * self.total and len(self.rows):
            return
        first = "; ".join(
            f"{each.file}, row {each.row} (rows count from 0): {each.reason}"
            for each in self.refused[:_SHOWN]
        )
        raise BadInput(
            f"input must have at most {tolerated_share:.2%} rows that break a rule, and one that "
            f"does not, got {refused} of {self.total} refused; the first: {first}"
        )

    def refused_table(self) -> pa.Table:
        """The refused rows, for a file."""
        return pa.Table.from_pylist([asdict(each) for each in self.refused], REFUSED)

    def _refusal(self, index: int, reason: str) -> RejectedRow:
        file, row = self.sources[index].tolist()
        return RejectedRow(self.files[file], row, str(int(self.rows.ids[index])), reason)

    def _once(self) -> "BatchInput":
        """In order of ids, without repetitions and without ids that name several transactions."""
        order = np.argsort(self.rows.ids, kind="stable")
        rows, sources = self.rows.take(order), self.sources[order]
        first, again = _groups(rows)
        conflicting = np.flatnonzero(~_same(rows, rows.take(first)))
        in_conflict = np.isin(rows.ids, rows.ids[conflicting])
        kept = np.flatnonzero(~(again & ~in_conflict))
        once = BatchInput(
            rows.take(kept), self.files, sources[kept], self.refused, len(rows) - len(kept)
        )
        indices = np.flatnonzero(in_conflict[kept])
        return once.without(indices, _CONFLICT) if len(indices) else once


def _groups(rows: Transactions) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Of each row, the first one with its id, and whether that is another; ids are in order."""
    again = np.zeros(len(rows), np.bool_)
    again[1:] = rows.ids[1:] == rows.ids[:-1]
    first = np.maximum.accumulate(np.where(again, 0, np.arange(len(rows))))
    return first, again


def _same(rows: Transactions, others: Transactions) -> npt.NDArray[np.bool_]:
    names = ("times", "customers", "terminals", "amounts")
    equal = [getattr(rows, name) == getattr(others, name) for name in names]
    same: npt.NDArray[np.bool_] = np.logical_and.reduce(equal)
    return same


def _checked(table: FileTable) -> tuple[Ints, npt.NDArray[np.bool_], dict[int, str]]:
    """A file's columns as integers, which rows are whole, and why the others are not."""
    columns, currency = read_columns(table), currency_of(table)
    kept = np.ones(len(table.rows), np.bool_)
    reasons: dict[int, str] = {}
    for column in columns if currency is None else [*columns, currency]:
        for row in np.flatnonzero(column.refused & kept).tolist():
            reasons[row] = column.reason(row)
        kept &= ~column.refused
    return np.array([column.values for column in columns], np.int64), kept, reasons


def _refused(table: FileTable, reasons: dict[int, str]) -> list[RejectedRow]:
    found = [
        RejectedRow(table.name, int(table.rows[row]), table.text("transaction_id", row), reason)
        for row, reason in reasons.items()
    ]
    rule = "row must have as many values as the header, got"
    found += [
        RejectedRow(table.name, row, None, f"{rule} {text[:_SHOWN_CHARACTERS]!a}")
        for row, text in table.broken.items()
    ]
    return sorted(found, key=lambda each: each.row)
