"""Keeps the online store up to date: folds new events into the stored states.

Guarantees:
    Only touched entities are written, and only if their state changed: folding again writes none.
    A record's event time always moves on. The online store drops a record that is not newer than
    what it has, so a late event's own time would lose that event.

Feature Store has no conditional write: each entity must have one writer at a time.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline_code.features.definitions import (
    CUSTOMER,
    ENTITIES,
    TERMINAL,
    Entity,
    horizon,
    stored_features,
)
from pipeline_code.features.events import Reports, Transactions
from pipeline_code.features.kernel import (
    Events,
    Ints,
    Queries,
    evaluate,
    microseconds,
    window_totals,
)
from pipeline_code.features.online_store import FeatureGroups, OnlineStore, StoreError
from pipeline_code.features.records import Key, StateRecord, next_time, to_record
from pipeline_code.features.state import EntityState

__all__ = [
    "FeatureGroups",
    "Folded",
    "StoreError",
    "fold_into_store",
    "materialize",
    "read_states",
]

# Read in one request and written in two, by one thread while others wait for the service.
ENTITIES_AT_ONCE = 50
# Below the ten connections that a boto3 client keeps unless told otherwise.
THREADS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """How many records a fold wrote, by entity."""

    customers: int
    terminals: int


def read_states(
    client: Any, groups: FeatureGroups, *, customer_id: int, terminal_id: int
) -> tuple[EntityState | None, EntityState | None]:
    """The states of one request's customer and terminal, in one call; None if there is none."""
    customer, terminal = Key(CUSTOMER, customer_id), Key(TERMINAL, terminal_id)
    found = OnlineStore(client, groups).read([customer, terminal])
    return _state(found.get(customer)), _state(found.get(terminal))


def fold_into_store(
    client: Any, groups: FeatureGroups, transactions: pa.Table, reports: pa.Table
) -> Folded:
    """Folds new events into the states of the entities they touch.

    Events may be late, out of order or repeated: each counts once.

    Args:
        client: A boto3 client of sagemaker-featurestore-runtime.
        groups: The feature groups.
        transactions: New transactions, as in the lake.
        reports: New fraud reports, as in the lake.

    Raises:
        StoreError: Feature Store refused a record. What was written stays; fold again.
        StateError: A stored state is of another version, damaged, or would become too large.
    """
    return _fold(OnlineStore(client, groups), transactions, reports)


def materialize(
    client: Any, groups: FeatureGroups, transactions: pa.Table, reports: pa.Table
) -> Folded:
    """Brings the store up to a whole lake: folds what requests of now can still need.

    What the store has and the lake has not yet stays: it is a fold, not a replacement. Only a
    state that cannot be read, as one that another version wrote, is replaced.
    """
    if transactions.num_rows == 0:
        return Folded(customers=0, terminals=0)
    times = transactions["event_time"].cast(pa.int64()).to_numpy()
    oldest = times.max() - max(microseconds(horizon(entity)) for entity in ENTITIES)
    reported = reports["report_time"].cast(pa.int64()).to_numpy()
    return _fold(
        OnlineStore(client, groups, renew=True),
        transactions.filter(pa.array(times >= oldest)),
        reports.filter(pa.array(reported >= oldest)),
    )


def _state(record: StateRecord | None) -> EntityState | None:
    return None if record is None else record.state


def _fold(store: OnlineStore, transactions: pa.Table, reports: pa.Table) -> Folded:
    new = Transactions.from_table(transactions), Reports.from_table(reports)
    chunks = [chunk for entity in ENTITIES for chunk in _chunks(_ByOwner(entity, *new))]
    with ThreadPoolExecutor(THREADS) as pool:
        counts = list(pool.map(lambda chunk: _fold_chunk(store, *chunk), chunks))
    written = dict.fromkeys(ENTITIES, 0)
    for (events, _), count in zip(chunks, counts, strict=True):
        written[events.entity] += count
    return Folded(customers=written[CUSTOMER], terminals=written[TERMINAL])


def _chunks(events: "_ByOwner") -> Iterator[tuple["_ByOwner", list[Key]]]:
    for start in range(0, len(events.owners), ENTITIES_AT_ONCE):
        owners = events.owners[start : start + ENTITIES_AT_ONCE].tolist()
        yield events, [Key(events.entity, owner) for owner in owners]


def _fold_chunk(store: OnlineStore, events: "_ByOwner", keys: list[Key]) -> int:
    changed = dict(_changed(events, keys, store.read(keys)))
    return store.write(_records(events.entity, changed))


class _ByOwner:
    """New events, found by the customer or terminal that they belong to."""

    def __init__(self, entity: Entity, transactions: Transactions, reports: Reports) -> None:
        self.entity = entity
        self._transactions = transactions
        self._reports = reports
        self._transaction_rows = _Grouped(transactions.owners(entity))
        self._report_rows = _Grouped(reports.owners(entity))
        self.owners = self._transaction_rows.owners
        if EntityState.empty(entity).keeps_reports:
            self.owners = np.union1d(self.owners, self._report_rows.owners)

    def fold(self, state: EntityState, owner: int) -> EntityState:
        """The state with the owner's events added."""
        transactions = self._transaction_rows.of(owner)
        reports = self._report_rows.of(owner)
        return state.fold(
            ids=self._transactions.ids[transactions],
            times=self._transactions.times[transactions],
            amounts=self._transactions.amounts[transactions],
            report_ids=self._reports.ids[reports],
            report_times=self._reports.times[reports],
        )


class _Grouped:
    """The rows of each owner, after one sort."""

    def __init__(self, owners: Ints) -> None:
        self._order = np.argsort(owners, kind="stable")
        self.owners, starts = np.unique(owners[self._order], return_index=True)
        self._bounds = np.append(starts, len(owners))

    def of(self, owner: int) -> Ints:
        place = int(np.searchsorted(self.owners, owner))
        if place == len(self.owners) or self.owners[place] != owner:
            return self._order[:0]
        return self._order[self._bounds[place] : self._bounds[place + 1]]


def _changed(
    events: _ByOwner, keys: list[Key], stored: Mapping[Key, StateRecord]
) -> Iterator[tuple[Key, StateRecord]]:
    """The new records of those keys whose state is another one than before."""
    for key in keys:
        before = stored.get(key)
        old = EntityState.empty(key.entity) if before is None else before.state
        state = events.fold(old, key.id)
        text = state.encode(str(key))
        if before is None or text != before.text:
            yield key, StateRecord(state, text, next_time(state.newest, before))


def _records(
    entity: Entity, changed: Mapping[Key, StateRecord]
) -> Iterator[tuple[Key, list[dict[str, str]]]]:
    """Feature Store records, with the entity's feature values as of each record's time."""
    if not changed:
        return
    columns = _stored_values(entity, changed)
    for row, (key, record) in enumerate(changed.items()):
        values = {name: column[row] for name, column in columns.items()}
        yield key, to_record(key, record.time, record.text, values)


def _stored_values(entity: Entity, changed: Mapping[Key, StateRecord]) -> dict[str, list[str]]:
    per_state = [record.state.streams(key.id) for key, record in changed.items()]
    owners = np.array([key.id for key in changed], np.int64)
    times = np.array([record.time for record in changed.values()], np.int64)
    features = stored_features(entity)
    totals = window_totals(
        {source: _together([streams[source] for streams in per_state]) for source in per_state[0]},
        {entity: Queries(owners, times)},
        features,
    )
    return {
        feature.name: [
            repr(int(value)) if feature.store_type == "Integral" else repr(value)
            for value in evaluate(feature, totals, np.zeros_like(times), times).tolist()
        ]
        for feature in features
    }


def _together(parts: list[Events]) -> Events:
    return Events(
        np.concatenate([part.entity for part in parts]),
        np.concatenate([part.known for part in parts]),
        np.concatenate([part.amount for part in parts]),
    )
