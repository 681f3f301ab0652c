"""The Spark task of one shard, on whichever host it runs."""

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Self

import pyarrow as pa
from pyspark.accumulators import Accumulator, AccumulatorParam

from pipeline_code.common.paths import rerooted
from pipeline_code.features.definitions import CUSTOMER, TERMINAL, Entity
from pipeline_code.features.events import Reports, Transactions
from pipeline_code.features.files.packing import Packing
from pipeline_code.features.files.sources import ParquetSource
from pipeline_code.features.parts import Output, OutputCounts
from pipeline_code.features.plan import plan_of
from pipeline_code.features.sharded import KeepStates, narrow_columns, narrow_totals
from pipeline_code.features.sides import customer_features, terminal_totals
from pipeline_code.features.spark.blocks import BLOCKS, blocks, raised_there, unpacked

__all__ = ["OUTCOMES", "Packings", "ShardOutcomes", "ShardTask", "UnionByShard", "on_this_host"]

# What `keep_states` returned, by entity and shard.
ShardOutcomes = dict[tuple[str, int], Any]

OUTCOMES = pa.schema(
    [
        ("shard", pa.int32()),
        ("output", pa.int32()),
        *((name, pa.int64()) for name in asdict(OutputCounts())),
    ]
)


@dataclass(frozen=True, slots=True)
class Packings:
    """How rows are packed: a source's, and transactions with their terminals' totals."""

    transactions: Packing
    with_totals: Packing
    reports: Packing

    @classmethod
    def of(cls, transactions: ParquetSource, reports: ParquetSource) -> Self:
        columns = narrow_columns(transactions)
        return cls(
            Packing(columns), Packing(columns, narrow_totals()), Packing(narrow_columns(reports))
        )


@dataclass(frozen=True, slots=True)
class ShardTask:
    """What is done with one shard, on any host."""

    shards: int
    packings: Packings
    outputs: tuple[Output, ...]
    as_of: datetime | None
    keep_states: KeepStates | None
    kept: "Accumulator[ShardOutcomes]"

    def terminals(self, key: tuple[Any, ...], given: pa.Table, reported: pa.Table) -> pa.Table:
        """Pass 2."""
        with raised_there():
            columns, _ = unpacked(self.packings.transactions, given)
            transactions = Transactions.from_columns(columns)
            known = self._told(TERMINAL, key[0].as_py(), transactions, reported)
            order, totals = terminal_totals(transactions, known, plan_of())
            dealt = blocks(
                self.packings.with_totals,
                columns,
                transactions.customers[order],
                self.shards,
                order,
                totals,
            )
            return pa.Table.from_batches(dealt, BLOCKS)

    def customers(self, key: tuple[Any, ...], given: pa.Table, reported: pa.Table) -> pa.Table:
        """Pass 3."""
        with raised_there():
            shard = key[0].as_py()
            columns, totals = unpacked(self.packings.with_totals, given)
            transactions = Transactions.from_columns(columns)
            known = self._told(CUSTOMER, shard, transactions, reported)
            answer = customer_features(transactions, known, totals, plan_of())
            transactions = transactions.take(answer.rows)
            outcomes = []
            for index, output in enumerate(self.outputs):
                part = on_this_host(output).stage(shard, transactions, answer.features, known)
                part += OutputCounts(repeated=answer.repeated)
                outcomes.append({"shard": shard, "output": index, **asdict(part)})
            return pa.Table.from_pylist(outcomes, OUTCOMES)

    def _told(
        self, entity: Entity, shard: int, transactions: Transactions, reported: pa.Table
    ) -> Reports:
        """The reports that are known; all are told to whoever keeps states."""
        columns, _ = unpacked(self.packings.reports, reported)
        reports = Reports.from_columns(columns)
        if self.keep_states is not None:
            answer = self.keep_states(entity, transactions, reports)
            self.kept.add({(entity.name, shard): answer})
        return reports.known_by(self.as_of)


class UnionByShard(AccumulatorParam[ShardOutcomes]):  # type: ignore[misc] # PySpark need not be installed
    """Keeps one result a shard, so that a task that ran twice counts once."""

    def zero(self, value: ShardOutcomes) -> ShardOutcomes:  # noqa: ARG002 - Spark's signature
        return {}

    def addInPlace(self, value1: ShardOutcomes, value2: ShardOutcomes) -> ShardOutcomes:  # noqa: N802 - Spark's name
        return {**value2, **value1}


def on_this_host(output: Output) -> Output:
    """An output whose folder is below this host's own root, if it is below `/opt/ml`."""
    return replace(output, folder=rerooted(str(output.folder)))
