"""The Spark driver: the batch driver's passes, as grouped Arrow on the hosts of a cluster.

    pass 1   the input's rows                        -> shards of whole terminals
    pass 2   terminals' totals, row by row           -> shards of whole customers
    pass 3   customers' totals, then every feature   -> Parquet, a part a shard

Reader, shards, totals, features, labels and files are the batch driver's own functions; Spark deals
the rows and runs the shards.

Guarantees:
    The same files as the batch driver writes, byte for byte, on however many hosts.
    Parts stay on the host of their task, out of sight until they are published there.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.accumulators import Accumulator
from pyspark.sql import DataFrame, GroupedData, Row, SparkSession

from pipeline_code.common.schema import TRANSACTIONS
from pipeline_code.features.definitions import FEATURES
from pipeline_code.features.events import NO_REPORTS, Transactions
from pipeline_code.features.files.packing import Packing
from pipeline_code.features.files.sources import ParquetSource
from pipeline_code.features.parts import Output, OutputCounts, part_name
from pipeline_code.features.sharded import (
    CUSTOMER_OF_REPORT,
    SHARD_ROWS,
    TERMINAL_OF_REPORT,
    TERMINAL_OF_TRANSACTION,
    KeepStates,
    shards_of,
)
from pipeline_code.features.spark.blocks import blocks, by_shard, raised_here, raised_there
from pipeline_code.features.spark.tasks import (
    Packings,
    ShardOutcomes,
    ShardTask,
    UnionByShard,
    on_this_host,
)

__all__ = ["SparkFeatures", "StagedOutput"]

OneShard = Callable[[tuple[Any, ...], pa.Table, pa.Table], pa.Table]

AS_BLOCKS = "shard int, block binary"
AS_OUTCOMES = "shard int, output int, rows bigint, frauds bigint, repeated bigint"
# Tasks that read, for each that can run at once: pieces take different times.
WAVES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedOutput:
    """What a job wrote, out of sight yet.

    Attributes:
        written: What each output holds.
        parts: The names of each output's parts, on whichever hosts they are.
        kept: What `keep_states` returned, by entity and shard.
    """

    written: Sequence[OutputCounts]
    parts: Sequence[frozenset[str]]
    kept: Mapping[tuple[str, int], Any]


@dataclass(frozen=True, kw_only=True)
class SparkFeatures:
    """One job.

    SparkFeatures(session=session, transactions=source, reports=reports,
                  outputs=[Output(folder=Path("features"))]).run()

    Args:
        session: Where tasks run; every host reads the sources at the same paths.
        transactions: The lake's transactions.
        reports: The lake's fraud reports.
        outputs: Which feature rows are written, and to which folder of a task's host; one below
            `/opt/ml` is below that host's own root.
        as_of: What became known later does not exist. If omitted, all is known.
        keep_states: Told all events of some entities, whatever the moment, shard by shard, on the
            shard's host; a task that is retried tells them again. It is pickled.
        shard_rows: About so many transactions are in one shard.
    """

    session: SparkSession
    transactions: ParquetSource
    reports: ParquetSource
    outputs: Sequence[Output]
    as_of: datetime | None = None
    keep_states: KeepStates | None = None
    shard_rows: int = SHARD_ROWS

    def run(self) -> list[OutputCounts]:
        """Writes the outputs, if all tasks run on this host; returns what each holds.

        Raises:
            BadInput: As the batch driver. The outputs are then as they were.
            TaskFailed: Anything else went wrong in a task.
        """
        staged = self.stage()
        for output in self.outputs:
            on_this_host(output).publish()
        return list(staged.written)

    def stage(self) -> StagedOutput:
        """Writes all parts out of sight, each on the host of its task; raises as `run` does."""
        self._clear()
        try:
            return self._stage()
        except BaseException:
            self._clear()
            raise

    def _clear(self) -> None:
        for output in self.outputs:
            on_this_host(output).clear()

    def _stage(self) -> StagedOutput:
        kept = self.session.sparkContext.accumulator({}, UnionByShard())
        with raised_here():
            outcomes = self._outcomes(kept).collect()
        written, parts = [], []
        for index, output in enumerate(self.outputs):
            mine = [outcome for outcome in outcomes if outcome["output"] == index]
            total = sum(map(_written, mine), OutputCounts())
            output.check(total)
            if all(outcome["shard"] for outcome in mine):
                # Nobody is in shard 0, but as in batch there is a file that says the schema.
                _stage_nothing(output)
            written.append(total)
            named = {outcome["shard"] for outcome in mine if outcome["rows"]}
            parts.append(frozenset(map(part_name, {0, *named})))
        return StagedOutput(written=written, parts=parts, kept=kept.value)

    def _outcomes(self, kept: "Accumulator[ShardOutcomes]") -> DataFrame:
        """The three passes; Spark runs them when their outcomes are asked for."""
        shards = shards_of(self.transactions.rows, self.shard_rows)
        packings = Packings.of(self.transactions, self.reports)
        task = ShardTask(shards, packings, tuple(self.outputs), self.as_of, self.keep_states, kept)

        def dealt(source: ParquetSource, packing: Packing, owner: int) -> GroupedData:
            return by_shard(self._dealt(source, packing, owner, shards), shards)

        with_totals = (
            dealt(self.transactions, packings.transactions, TERMINAL_OF_TRANSACTION)
            .cogroup(dealt(self.reports, packings.reports, TERMINAL_OF_REPORT))
            .applyInArrow(_function(task.terminals), AS_BLOCKS)
        )
        return (
            by_shard(with_totals, shards)
            .cogroup(dealt(self.reports, packings.reports, CUSTOMER_OF_REPORT))
            .applyInArrow(_function(task.customers), AS_OUTCOMES)
        )

    def _dealt(self, source: ParquetSource, packing: Packing, owner: int, shards: int) -> DataFrame:
        """A source's rows as blocks by the shard of one of their columns."""

        def deal(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            with raised_there():
                for batch in batches:
                    for index in batch.column(0).to_pylist():
                        for columns in source.read(source.pieces[index]):
                            yield from blocks(packing, columns, columns[owner], shards)

        pieces = len(source.pieces)
        tasks = max(min(pieces, WAVES * self.session.sparkContext.defaultParallelism), 1)
        return self.session.range(0, pieces, 1, tasks).mapInArrow(deal, AS_BLOCKS)


def _function(method: OneShard) -> OneShard:
    """A method as what Spark takes: it would count `self` among the arguments."""
    return lambda key, given, reported: method(key, given, reported)  # noqa: PLW0108


def _written(outcome: Row) -> OutputCounts:
    return OutputCounts(**{name: outcome[name] for name in asdict(OutputCounts())})


def _stage_nothing(output: Output) -> None:
    nobody = Transactions.from_columns(np.empty((len(TRANSACTIONS), 0), np.int64))
    nothing = np.empty((len(FEATURES), 0), np.float32)
    on_this_host(output).stage(0, nobody, nothing, NO_REPORTS)
