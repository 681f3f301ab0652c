"""Transactions and fraud reports as columns of integers."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline_code.common.exits import BadInput
from pipeline_code.features.definitions import LATEST_REPORT, TERMINAL, Entity

__all__ = [
    "NO_REPORTS",
    "Reports",
    "Transaction",
    "Transactions",
    "epoch_microseconds",
]

Ints = npt.NDArray[np.int64]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST_DELAY = LATEST_REPORT // timedelta(microseconds=1)


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
    def from_columns(cls, columns: Ints) -> Self:
        """The lake's columns as integers [a row a column], in its schema's order."""
        ids, times, customers, terminals, amounts = columns
        return cls(ids=ids, times=times, customers=customers, terminals=terminals, amounts=amounts)

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: Ints | slice) -> "Transactions":
        """Some of the rows."""
        return Transactions(
            ids=self.ids[rows],
            times=self.times[rows],
            customers=self.customers[rows],
            terminals=self.terminals[rows],
            amounts=self.amounts[rows],
        )

    def owners(self, entity: Entity) -> Ints:
        """The entity of each row."""
        return self.terminals if entity == TERMINAL else self.customers


@dataclass(frozen=True, slots=True, kw_only=True)
class Reports:
    """Fraud reports; times are when they became known, event times their transactions' own.

    `scenarios` say which simulated fraud it was, 0 if that is not known; for reporting only.
    """

    ids: Ints
    times: Ints
    customers: Ints
    terminals: Ints
    scenarios: Ints
    event_times: Ints

    @classmethod
    def from_table(cls, table: pa.Table) -> Self:
        """The lake's table (`pipeline_code.common.schema.FRAUD_REPORTS`).

        Raises:
            BadInput: A value is missing.
        """
        return cls(
            ids=_integers(table, "transaction_id", "fraud_reports"),
            times=_integers(table, "report_time", "fraud_reports"),
            customers=_integers(table, "customer_id", "fraud_reports"),
            terminals=_integers(table, "terminal_id", "fraud_reports"),
            scenarios=_integers(table, "fraud_scenario", "fraud_reports"),
            event_times=_integers(table, "event_time", "fraud_reports"),
        )

    @classmethod
    def from_columns(cls, columns: Ints) -> Self:
        """The lake's columns as integers [a row a column], in its schema's order."""
        ids, customers, terminals, event_times, times, scenarios = columns
        return cls(
            ids=ids,
            times=times,
            customers=customers,
            terminals=terminals,
            scenarios=scenarios,
            event_times=event_times,
        )

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: Ints) -> "Reports":
        """Some of the rows."""
        return Reports(
            ids=self.ids[rows],
            times=self.times[rows],
            customers=self.customers[rows],
            terminals=self.terminals[rows],
            scenarios=self.scenarios[rows],
            event_times=self.event_times[rows],
        )

    def timely(self) -> "Reports":
        """Those that features count: reports that did not come too late (LATEST_REPORT)."""
        return self.take(np.flatnonzero(self.times - self.event_times <= LATEST_DELAY))

    def known_by(self, moment: datetime | None) -> "Reports":
        """Those that had come by a moment; all if it is None."""
        if moment is None:
            return self
        return self.take(np.flatnonzero(self.times <= epoch_microseconds(moment)))

    def owners(self, entity: Entity) -> Ints:
        """The entity of each row."""
        return self.terminals if entity == TERMINAL else self.customers


NO_REPORTS = Reports(
    ids=np.empty(0, np.int64),
    times=np.empty(0, np.int64),
    customers=np.empty(0, np.int64),
    terminals=np.empty(0, np.int64),
    scenarios=np.empty(0, np.int64),
    event_times=np.empty(0, np.int64),
)


def _integers(table: pa.Table, name: str, dataset: str) -> Ints:
    column = table[name]
    if column.null_count:
        row = int(pc.is_null(column.combine_chunks()).to_numpy(zero_copy_only=False).argmax())
        raise BadInput(f"{dataset} column {name} must have a value in every row, got null in {row}")
    # A copy: what Arrow lends cannot be written to, which compiled code would have to know.
    values: Ints = np.array(column.cast(pa.int64()).to_numpy())
    return values
