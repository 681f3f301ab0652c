"""The batch driver for files of any size: shards of whole entities, by way of the disk.

    pass 1   the input's rows                        -> shards of whole terminals
    pass 2   terminals' totals, row by row           -> shards of whole customers
    pass 3   customers' totals, then every feature   -> Parquet, a part a shard

Guarantees:
    Memory holds one shard a worker, whatever the number of rows; all cores work.
    The same rows give the same files, in whatever order and files they come.
    Either all parts appear or none. A killed job that is started again goes on where it was.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline_code.features.declarations import Operation
from pipeline_code.features.definitions import CUSTOMER, SCHEMA_VERSION, TERMINAL, Entity
from pipeline_code.features.events import Reports, Transactions
from pipeline_code.features.files.sources import ParquetSource
from pipeline_code.features.files.spill import Journal, Spill
from pipeline_code.features.grouping import shard_of
from pipeline_code.features.parts import Output, OutputCounts
from pipeline_code.features.plan import plan_of
from pipeline_code.features.sides import customer_features, terminal_totals

__all__ = [
    "CUSTOMER_OF_REPORT",
    "CUSTOMER_OF_TRANSACTION",
    "SHARD_ROWS",
    "TERMINAL_OF_REPORT",
    "TERMINAL_OF_TRANSACTION",
    "KeepStates",
    "ShardedFeatures",
    "narrow_columns",
    "narrow_totals",
    "shards_of",
]

Ints = npt.NDArray[np.int64]
# What it returns is for whoever gave it, where the driver hands that back.
KeepStates = Callable[[Entity, Transactions, Reports], object]

# Few enough rows for the processor's cache to help, enough for the disk not to mind.
SHARD_ROWS = 500_000
# Places of the columns of schema.TRANSACTIONS and schema.FRAUD_REPORTS that rows are dealt by.
TERMINAL_OF_TRANSACTION, CUSTOMER_OF_TRANSACTION = 3, 2
TERMINAL_OF_REPORT, CUSTOMER_OF_REPORT = 2, 1
# Totals that may need 64 bits; a count or a number of seconds never does.
WIDE = (Operation.SUM, Operation.MAX)


def shards_of(rows: int, shard_rows: int = SHARD_ROWS) -> int:
    """How many shards the entities of so many transactions are dealt to."""
    return max(-(-rows // shard_rows), 1)


@dataclass(frozen=True, kw_only=True)
class ShardedFeatures:
    """One job.

    ShardedFeatures(transactions=source, reports=reports, outputs=[Output(folder=Path("features"))],
                    work=Path("work")).run()

    Args:
        transactions: The lake's transactions.
        reports: The lake's fraud reports.
        outputs: Which feature rows are written, and where.
        work: Folder for what is on its way; a job that is started again must be given the same.
        as_of: What became known later does not exist. If omitted, all is known.
        keep_states: Told all events of some entities, whatever the moment, shard by shard.
        workers: How many threads. If omitted, one a core.
        shard_rows: About so many transactions are in one shard.
    """

    transactions: ParquetSource
    reports: ParquetSource
    outputs: Sequence[Output]
    work: Path
    as_of: datetime | None = None
    keep_states: KeepStates | None = None
    workers: int = field(default_factory=lambda: os.cpu_count() or 1)
    shard_rows: int = SHARD_ROWS

    def run(self) -> list[OutputCounts]:
        """Does what is not done yet; returns what each output holds.

        Raises:
            BadInput: A value breaks a rule, a piece cannot be read, or an id names two different
                transactions of a customer. The outputs are then as they were.
        """
        self._start_or_resume()
        with ThreadPoolExecutor(self.workers) as pool:
            for one_pass in (self._deal_reports, self._deal, self._terminals, self._customers):
                workers = [pool.submit(one_pass, worker) for worker in range(self.workers)]
                for worker in workers:
                    worker.result()
        written = self._summed()
        for output, part in zip(self.outputs, written, strict=True):
            output.check(part)
        for output in self.outputs:
            output.publish()
        shutil.rmtree(self.work)
        return written

    @cached_property
    def shards(self) -> int:
        """How many shards the entities of each kind are dealt to."""
        return shards_of(self.transactions.rows, self.shard_rows)

    def _start_or_resume(self) -> None:
        """Keeps what the same job did before, and nothing that another one did."""
        inputs = (self.transactions.pieces, self.reports.pieces)
        asked = (self.outputs, self.as_of, self.workers, self.shard_rows, SCHEMA_VERSION)
        identity = hashlib.sha256(repr((inputs, asked)).encode()).hexdigest()
        note = self.work / "identity"
        if note.exists() and note.read_text() == identity:
            return
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(parents=True)
        for output in self.outputs:
            output.clear()
        note.write_text(identity)

    def _deal_reports(self, worker: int) -> None:
        """Deals the fraud reports to the shards of their terminals, and of their customers."""
        for name, owner in (
            ("reports-by-terminal", TERMINAL_OF_REPORT),
            ("reports-by-customer", CUSTOMER_OF_REPORT),
        ):
            self._deal_source(self.reports, self._spill(name, worker), name, owner, worker)

    def _deal(self, worker: int) -> None:
        """Pass 1."""
        spill = self._spill("by-terminal", worker)
        owner = TERMINAL_OF_TRANSACTION
        self._deal_source(self.transactions, spill, "by-terminal", owner, worker)

    def _deal_source(
        self, source: ParquetSource, spill: Spill, name: str, owner: int, worker: int
    ) -> None:
        journal = Journal(self.work / f"{name}-{worker}.json", spill)
        pieces, shards = source.pieces[worker :: self.workers], self.shards
        for index in range(journal.resume(), len(pieces)):
            for columns in source.read(pieces[index]):
                spill.append(columns, shard_of(columns[owner], shards), shards)
            journal.note(index + 1)

    def _terminals(self, worker: int) -> None:
        """Pass 2."""
        given = self._spill("by-terminal", worker)
        reported = self._spill("reports-by-terminal", worker)
        spill = self._spill("by-customer", worker)
        journal = Journal(self.work / f"by-customer-{worker}.json", spill)
        done, shards = journal.resume(), self.shards
        for index, shard in enumerate(range(worker, shards, self.workers)):
            if index >= done:
                columns, _ = given.read(shard)
                reports = Reports.from_columns(reported.read(shard)[0])
                order, totals = self._totals(Transactions.from_columns(columns), reports)
                owners = columns[CUSTOMER_OF_TRANSACTION][order]
                spill.append(columns, shard_of(owners, shards), shards, order, totals)
                journal.note(index + 1)
            given.delete(shard)

    def _totals(self, transactions: Transactions, reports: Reports) -> tuple[Ints, Ints]:
        if self.keep_states is not None:
            self.keep_states(TERMINAL, transactions, reports)
        return terminal_totals(transactions, reports.known_by(self.as_of), plan_of())

    def _customers(self, worker: int) -> None:
        """Pass 3."""
        given = self._spill("by-customer", worker)
        reported = self._spill("reports-by-customer", worker)
        for shard in range(worker, self.shards, self.workers):
            if not self._note(shard).exists():
                columns, totals = given.read(shard)
                reports = Reports.from_columns(reported.read(shard)[0])
                written = self._write(shard, Transactions.from_columns(columns), totals, reports)
                self._note(shard).write_text(json.dumps([asdict(part) for part in written]))
            given.delete(shard)

    def _write(
        self, shard: int, transactions: Transactions, totals: Ints, reports: Reports
    ) -> list[OutputCounts]:
        if self.keep_states is not None:
            self.keep_states(CUSTOMER, transactions, reports)
        known = reports.known_by(self.as_of)
        answer = customer_features(transactions, known, totals, plan_of())
        transactions = transactions.take(answer.rows)
        repeated = OutputCounts(repeated=answer.repeated)
        return [
            output.stage(shard, transactions, answer.features, known) + repeated
            for output in self.outputs
        ]

    def _spill(self, name: str, worker: int) -> Spill:
        columns = self._narrow_columns[name.startswith("reports")]
        totals = narrow_totals() if name == "by-customer" else []
        return Spill(self.work / name, worker, columns=columns, totals=totals)

    @cached_property
    def _narrow_columns(self) -> tuple[list[bool], list[bool]]:
        """Which columns of transactions, and of reports, take half the place on the disk."""
        return narrow_columns(self.transactions), narrow_columns(self.reports)

    def _note(self, shard: int) -> Path:
        return self.work / f"written-{shard:05d}.json"

    def _summed(self) -> list[OutputCounts]:
        shards = [json.loads(self._note(shard).read_text()) for shard in range(self.shards)]
        by_output = zip(*shards, strict=True)
        return [
            sum((OutputCounts(**part) for part in parts), OutputCounts()) for parts in by_output
        ]


def narrow_columns(source: ParquetSource) -> list[bool]:
    """Of each of a source's columns, whether its values are known to fit into 32 bits."""
    return [source.fits_32_bits(name) for name in source.schema.names]


def narrow_totals() -> list[bool]:
    """The same of each of a terminal's totals."""
    return [total.operation not in WIDE for total in plan_of().aggregations(TERMINAL)]
