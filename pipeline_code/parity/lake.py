"""The lake's events of the customers and terminals in the audited requests."""

from collections.abc import Collection, Iterator
from datetime import date, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline_code.common.casting import cast_or_none
from pipeline_code.common.exits import BadInput
from pipeline_code.common.schema import DATASETS, TRANSACTIONS, Dataset
from pipeline_code.features.batch import compute
from pipeline_code.features.definitions import ENTITIES, FEATURE_NAMES, Entity
from pipeline_code.features.events import Reports, Transactions
from pipeline_code.features.online import vector
from pipeline_code.features.owners import EventsByOwner
from pipeline_code.features.plan import plan_of
from pipeline_code.features.state import EntityState
from pipeline_code.features.store.records import Key
from pipeline_code.parity.objects import Folder
from pipeline_code.parity.requests import AuditedRequest

__all__ = ["KnownEvents", "read_events"]

Ints = npt.NDArray[np.int64]
Vector = npt.NDArray[np.float64]

_TRANSACTIONS, _REPORTS, _ = DATASETS


def read_events(
    lake: Folder, keys: Collection[Key], start: datetime, end: datetime
) -> "KnownEvents":
    """All that matters to features between two moments.

    Args:
        lake: The raw lake.
        keys: Whose transactions and fraud reports.
        start: The earliest event time of a request.
        end: The latest time of which an event may be in a state.

    Raises:
        BadInput: A file cannot be read, or a value breaks a rule.
    """
    tables = []
    for dataset, reports in ((_TRANSACTIONS, False), (_REPORTS, True)):
        reach = max(int(plan_of().schedule(entity, reports=reports)[-1]) for entity in ENTITIES)
        first = start - timedelta(microseconds=reach)
        tables.append(_read(lake / dataset.name, dataset, keys, (first.date(), end.date())))
    return KnownEvents(*tables)


class KnownEvents:
    """The lake's events of some entities, and what is computed from them.

    Args:
        transactions: Transactions of these entities, as in the lake.
        reports: Their fraud reports.
    """

    def __init__(self, transactions: pa.Table, reports: pa.Table) -> None:
        self._tables = transactions, reports
        known = Transactions.from_table(transactions), Reports.from_table(reports)
        self._owners = {entity: EventsByOwner(entity, *known) for entity in ENTITIES}

    def __len__(self) -> int:
        return sum(table.num_rows for table in self._tables)

    def batch(self, rows: Collection[AuditedRequest]) -> dict[int, Vector]:
        """The batch driver's vector of each transaction that the lake holds as it was asked about.

        Returns:
            By transaction id.

        Raises:
            BadInput: An id names two different transactions of a customer.
        """
        transactions, reports = self._tables
        asked = {_identity(row) for row in rows}
        ids = pa.array([row.request.transaction_id for row in rows], pa.int64())
        wanted = pc.is_in(transactions["transaction_id"], value_set=ids)
        held = zip(*_columns(transactions.filter(wanted)), strict=True)
        same = {row[0] for row in held if row in asked}
        answer = compute(transactions, reports, wanted=np.array(wanted, np.bool_))
        columns = [answer[name].to_numpy() for name in FEATURE_NAMES]
        vectors = zip(
            answer["transaction_id"].to_pylist(), np.array(columns, np.float64).T, strict=True
        )
        return {id_: features for id_, features in vectors if id_ in same}

    def alone(self, row: AuditedRequest) -> Vector:
        """The vector of a transaction that the lake does not hold, after all it knew by then."""
        customer, terminal = (self._state(key, row) for key in row.keys)
        return np.array(vector(customer, terminal, row.request), np.float64)

    def _state(self, key: Key, row: AuditedRequest) -> EntityState:
        spent, reported = (events[events[:, 0] <= row.event_time] for events in self.events(key))
        own = spent[:, 1] == row.request.transaction_id
        return EntityState(key.entity).fold(spent[~own], reported)

    def events(self, key: Key) -> tuple[Ints, Ints]:
        """An entity's transactions and fraud reports, as a state takes them."""
        owners = self._owners[key.entity]
        return owners.transactions(key), owners.reports(key)


def _identity(row: AuditedRequest) -> tuple[int, ...]:
    request = row.request
    ids = request.transaction_id, row.event_time, request.customer_id, request.terminal_id
    return (*ids, request.amount_minor)


def _columns(transactions: pa.Table) -> list[list[int]]:
    """What identifies each transaction, in the order of `_identity`."""
    return [transactions[name].cast(pa.int64()).to_pylist() for name in TRANSACTIONS.names]


def _read(
    folder: Folder, dataset: Dataset, keys: Collection[Key], days: tuple[date, date]
) -> pa.Table:
    """A data set's rows of those entities in the days from the first to the last."""
    tables = [dataset.schema.empty_table()]
    ids = {
        entity: pa.array([key.id for key in keys if key.entity == entity], pa.int64())
        for entity in ENTITIES
    }
    for day in _folders(folder, str(dataset.partition), days):
        for name in day.objects():
            if name.endswith(".parquet") and name.rpartition("/")[2][0] not in "_.":
                tables.append(_theirs(day.table(name, dataset.schema.names), dataset, ids, name))
    return pa.concat_tables(tables).combine_chunks()


def _folders(folder: Folder, partition: str, days: tuple[date, date]) -> Iterator[Folder]:
    first, last = (f"{partition}={day.isoformat()}" for day in days)
    for name in folder.folders():
        if first <= name <= last:
            yield folder / name


def _theirs(table: pa.Table, dataset: Dataset, ids: dict[Entity, pa.Array], name: str) -> pa.Table:
    columns = [
        cast_or_none(table[field.name].combine_chunks(), field.type) for field in dataset.schema
    ]
    if any(column is None for column in columns):
        raise BadInput(f"{name}: columns must have the types of {dataset.name}; land it again")
    rows = pa.table(columns, schema=dataset.schema)
    found = [pc.is_in(rows[entity.record_identifier], value_set=ids[entity]) for entity in ENTITIES]
    return rows.filter(pc.or_(*found))
