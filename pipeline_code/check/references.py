"""The rules that tie files together: ids that must be unique, and ids that must exist."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline_code.check.findings import EXAMPLES_PER_RULE, Findings
from pipeline_code.check.rules import integers
from pipeline_code.check.sources import Source

__all__ = ["IdIndex", "KnownCustomers", "ReportIndex"]

Integers = npt.NDArray[np.int64]


# A row's place, and its values.
Seen = tuple[str, tuple[object, ...]]


@dataclass(slots=True)
class IdIndex:
    """All transaction ids of one data set. Only the ids are held: eight bytes a row.

    A row that comes again as it was is no violation but a note: the stream delivers at least once,
    and the features count such rows once. Another row of the same id is one.
    """

    rule: str
    note: str
    ids: list[Integers] = field(default_factory=list)

    def add(self, batch: pa.RecordBatch) -> None:
        """Takes a piece's ids."""
        self.ids.append(integers(batch, "transaction_id"))

    def check_unique(self, sources: Iterable[Source], findings: Findings) -> None:
        """Finds ids that are there more than once; the rows are looked up only if there are any."""
        if not self.ids:
            return
        ids = np.sort(np.concatenate(self.ids))
        repeated = np.unique(ids[1:][ids[1:] == ids[:-1]])
        if len(repeated) == 0:
            return
        first: dict[int, Seen] = {}
        for source in sources:
            offset = 0
            for batch in source.batches():
                self._check_piece(source.file, batch, offset, repeated, first, findings)
                offset += batch.num_rows

    def _check_piece(
        self,
        file: str,
        batch: pa.RecordBatch,
        offset: int,
        repeated: Integers,
        first: dict[int, Seen],
        findings: Findings,
    ) -> None:
        if batch.column("transaction_id").null_count:
            return
        rows = np.flatnonzero(np.isin(integers(batch, "transaction_id"), repeated))
        for row, values in zip(rows.tolist(), _values(batch, rows), strict=True):
            id_ = int(values[0])
            if id_ not in first:
                first[id_] = (f"{file}, row {findings.number(file, offset + row)}", values)
            elif values == first[id_][1]:
                findings.note(self.note)
            else:
                message = f"transaction_id must be unique, got that of {first[id_][0]}"
                findings.add(self.rule, file, findings.number(file, offset + row), message)


def _values(batch: pa.RecordBatch, rows: Integers) -> Iterator[tuple[int, ...]]:
    """The rows as integers, the transaction's id first, whatever the order of a file's columns."""
    names = sorted(batch.schema.names, key=lambda name: (name != "transaction_id", name))
    yield from zip(*(integers(batch, name)[rows].tolist() for name in names), strict=True)


class KnownCustomers:
    """The registry of customers, if there is one."""

    def __init__(self) -> None:
        self._ids: list[Integers] = []
        self._sorted: Integers = np.empty(0, np.int64)

    def add(self, batch: pa.RecordBatch) -> None:
        """Takes a piece of the registry."""
        self._ids.append(integers(batch, "customer_id"))

    def close(self) -> None:
        """Ends the taking; checks may begin."""
        if self._ids:
            self._sorted = np.unique(np.concatenate(self._ids))

    def check(self, file: str, batch: pa.RecordBatch, offset: int, findings: Findings) -> None:
        """Finds rows of customers that it does not know. An empty one is a finding of its own."""
        if len(self._sorted) == 0:
            return
        ids = integers(batch, "customer_id")
        indices = np.searchsorted(self._sorted, ids).clip(max=len(self._sorted) - 1)
        unknown = self._sorted[indices] != ids
        findings.add_rows(
            "unknown_customer",
            file,
            unknown,
            lambda _: "customer_id must be in customers/, got another",
            offset=offset,
        )


class ReportIndex:
    """All fraud reports, to be met by the transactions that they are about."""

    COMPARED = ("customer_id", "terminal_id", "event_time")

    def __init__(self) -> None:
        self._pieces: list[dict[str, Integers]] = []
        self._files: list[str] = []
        self._columns: dict[str, Integers] = {}
        self._found: npt.NDArray[np.bool_] = np.empty(0, np.bool_)

    def add(self, file: str, batch: pa.RecordBatch, offset: int) -> None:
        """Takes a piece of the reports."""
        piece = {name: integers(batch, name) for name in ("transaction_id", *self.COMPARED)}
        piece["file"] = np.full(batch.num_rows, len(self._files))
        piece["row"] = offset + np.arange(batch.num_rows)
        self._pieces.append(piece)
        self._files.append(file)

    def close(self) -> None:
        """Ends the taking; transactions may come."""
        if not self._pieces:
            return
        columns = {
            name: np.concatenate([piece[name] for piece in self._pieces])
            for name in self._pieces[0]
        }
        order = np.argsort(columns["transaction_id"], kind="stable")
        self._columns = {name: values[order] for name, values in columns.items()}
        self._found = np.zeros(len(order), np.bool_)
        self._pieces.clear()

    def meet(self, batch: pa.RecordBatch, findings: Findings) -> None:
        """Finds reports that say other things of a transaction than the transaction itself."""
        if not self._columns:
            return
        reported = self._columns["transaction_id"]
        ids = integers(batch, "transaction_id")
        rows = np.flatnonzero(np.isin(ids, reported))
        indices = np.searchsorted(reported, ids[rows])
        self._found[indices] = True
        for name in self.COMPARED:
            said, true = self._columns[name][indices], integers(batch, name)[rows]
            for index in np.flatnonzero(said != true).tolist():
                file, row = self._place(int(indices[index]))
                message = f"{name} must be that of the transaction, got another"
                findings.add("contradicts_transaction", file, row, message)

    def check_met(self, findings: Findings) -> None:
        """Finds reports of transactions that did not come."""
        if not self._columns:
            return
        # A second report of the same transaction has the same id, and is met with the first.
        ids = self._columns["transaction_id"]
        missing = np.flatnonzero(~self._found[np.searchsorted(ids, ids)])
        for index in missing[:EXAMPLES_PER_RULE].tolist():
            file, row = self._place(index)
            message = "transaction_id must be in transactions/, got another"
            findings.add("unknown_transaction", file, row, message)
        if len(missing) > EXAMPLES_PER_RULE:
            findings.counts["unknown_transaction"] += len(missing) - EXAMPLES_PER_RULE

    def _place(self, index: int) -> tuple[str, int]:
        return self._files[int(self._columns["file"][index])], int(self._columns["row"][index])
