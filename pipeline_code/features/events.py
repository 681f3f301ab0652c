"""Transactions and fraud reports as columns of integers, and the streams made of them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline_code.common.exits import BadInput
from pipeline_code.features.definitions import (
    FEATURES,
    LABEL_DELAY,
    TERMINAL,
    Entity,
    Stream,
)
from pipeline_code.features.kernel import Events, Ints, microseconds

__all__ = [
    "NO_REPORTS",
    "Reports",
    "Transaction",
    "Transactions",
    "epoch_microseconds",
    "first_of_each",
    "streams",
]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def epoch_microseconds(moment: datetime) -> int:
    """A moment as the kernel counts time; exact, since a datetime holds whole microseconds."""
    if moment.tzinfo is None:
        raise ValueError(f"event_time must have a time zone, got {moment.isoformat()}; add Z")
    return (moment - EPOCH) // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """One request: a raw transaction whose features are wanted."""

    transaction_id: int
    event_time: datetime
    customer_id: int
    terminal_id: int
    amount_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Transactions:
    """Raw transactions, a column each; times in microseconds since 1970."""

    ids: Ints
    times: Ints
    customers: Ints
    terminals: Ints
    amounts: Ints

    @classmethod
    def from_table(cls, table: pa.Table) -> Self:
        """The lake's table (`pipeline_code.common.schema.TRANSACTIONS`).

        Raises:
            BadInput: A value is missing.
        """
        return cls(
            ids=_integers(table, "transaction_id", "transactions"),
            times=_integers(table, "event_time", "transactions"),
            customers=_integers(table, "customer_id", "transactions"),
            terminals=_integers(table, "terminal_id", "transactions"),
            amounts=_integers(table, "amount_minor", "transactions"),
        )

    @classmethod
    def one(cls, transaction: Transaction) -> Self:
        """A single request."""
        return cls(
            ids=np.array([transaction.transaction_id], np.int64),
            times=np.array([epoch_microseconds(transaction.event_time)], np.int64),
            customers=np.array([transaction.customer_id], np.int64),
            terminals=np.array([transaction.terminal_id], np.int64),
            amounts=np.array([transaction.amount_minor], np.int64),
        )

    def owners(self, entity: Entity) -> Ints:
        """The entity of each row."""
        return self.terminals if entity == TERMINAL else self.customers

    def refuse_repeated(self) -> None:
        """Raises BadInput if an id comes twice, since both rows would count."""
        ordered = np.sort(self.ids)
        repeated = ordered[1:][ordered[1:] == ordered[:-1]]
        if len(repeated):
            raise BadInput(
                f"transactions column transaction_id must be unique, got {repeated[0]} more than "
                "once; remove the file that was ingested twice"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reports:
    """Fraud reports, the earliest of each transaction; times are when they became known."""

    ids: Ints
    times: Ints
    customers: Ints
    terminals: Ints

    @classmethod
    def from_table(cls, table: pa.Table) -> Self:
        """The lake's table (`pipeline_code.common.schema.FRAUD_REPORTS`)."""
        ids = _integers(table, "transaction_id", "fraud_reports")
        times = _integers(table, "report_time", "fraud_reports")
        first = first_of_each(ids, times)
        return cls(
            ids=ids[first],
            times=times[first],
            customers=_integers(table, "customer_id", "fraud_reports")[first],
            terminals=_integers(table, "terminal_id", "fraud_reports")[first],
        )

    def owners(self, entity: Entity) -> Ints:
        """The entity of each row."""
        return self.terminals if entity == TERMINAL else self.customers


NO_REPORTS = Reports(
    ids=np.empty(0, np.int64),
    times=np.empty(0, np.int64),
    customers=np.empty(0, np.int64),
    terminals=np.empty(0, np.int64),
)


def streams(transactions: Transactions, reports: Reports) -> dict[tuple[Entity, Stream], Events]:
    """The streams that the features use, each event at the time at which it becomes known."""
    used = {(total.entity, total.stream) for feature in FEATURES for total in feature.totals}
    return {
        (entity, stream): stream_events(
            stream,
            owners=(transactions, reports)[stream is Stream.REPORTS].owners(entity),
            times=(transactions, reports)[stream is Stream.REPORTS].times,
            amounts=transactions.amounts,
        )
        for entity, stream in used
    }


def stream_events(stream: Stream, *, owners: Ints, times: Ints, amounts: Ints) -> Events:
    """One stream from the times of its transactions, or of its reports, which carry no amount."""
    match stream:
        case Stream.TRANSACTIONS:
            return Events(owners, times, amounts)
        case Stream.MATURED:
            return Events(owners, times + microseconds(LABEL_DELAY), amounts)
        case Stream.REPORTS:
            return Events(owners, times, np.zeros(len(times), np.int64))


def first_of_each(ids: Ints, *then_by: Ints) -> Ints:
    """The place of the smallest row of each id, which does not depend on the order of rows."""
    order = np.lexsort((*reversed(then_by), ids))
    new = np.ones(len(ids), np.bool_)
    new[1:] = np.diff(ids[order]) != 0
    first: Ints = order[new]
    return first


def _integers(table: pa.Table, name: str, dataset: str) -> Ints:
    column = table[name]
    if column.null_count:
        row = int(pc.is_null(column.combine_chunks()).to_numpy(zero_copy_only=False).argmax())
        raise BadInput(f"{dataset} column {name} must have a value in every row, got null in {row}")
    values: Ints = column.cast(pa.int64()).to_numpy()
    return values
