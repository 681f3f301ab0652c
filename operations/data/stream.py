"""Putting events onto the environment's stream, and waiting until its consumers have caught up.

Whether an event is folded is asked of the online store itself: folding it once more, without
writing, would change nothing. So it does not matter which consumer did it, when, or how often.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from operations import progress
from operations.data.events import Stream
from operations.errors import OperationError
from operations.target import Target
from pipeline_code.common.schema import FRAUD_REPORTS, TRANSACTIONS
from pipeline_code.contracts.outputs import Output
from pipeline_code.contracts.schema import SCHEMA_VERSION
from pipeline_code.features.definitions import CUSTOMER, ENTITIES, TERMINAL, Entity
from pipeline_code.features.store.updating import FeatureGroups, fold_into_store
from pipeline_code.stream.events import CLOCK_SKEW, encode_reports, encode_transactions
from pipeline_code.stream.producing import Entry, put_all

_POLL_SECONDS = 0.02
_LONGEST_POLL_SECONDS = 2.0
_KEPT_PER_ENTITY = 256


def feature_groups(target: Target, version: str = SCHEMA_VERSION) -> FeatureGroups:
    """The environment's online stores by entity, of a version of the features' schema.

    Consumers fold the newest version last: what is in it is in the others, too.
    """
    names = [
        target.output(output).rpartition("-")[0]
        for output in (Output.CUSTOMER_FEATURE_GROUP, Output.TERMINAL_FEATURE_GROUP)
    ]
    customer, terminal = (f"{name}-{version}" for name in names)
    return FeatureGroups(customer=customer, terminal=terminal, version=version)


class EventStream:
    """A producer of one environment's stream, which remembers what is not folded yet.

    Args:
        target: The environment.
        timeout_seconds: How long the consumers may take to catch up.
        probes: Whether its events are probes, which never land.
    """

    def __init__(
        self, target: Target, *, timeout_seconds: float = 300.0, probes: bool = False
    ) -> None:
        self._kinesis = target.client("kinesis")
        self._name = target.output(Output.EVENT_STREAM)
        self._timeout = timeout_seconds
        self._probes = probes
        store = target.client("sagemaker-featurestore-runtime")
        groups = feature_groups(target)
        self._waiting = {entity: _UnfoldedEvents(store, groups, entity) for entity in ENTITIES}

    def publish(self, events: Stream) -> None:
        """Put events onto the stream, in the order in which they became known.

        Raises:
            OperationError: If one lies in the future, or the stream goes on refusing some.
        """
        _refuse_future(events)
        refused = put_all(self._kinesis, self._name, _entries(events, probes=self._probes))
        if refused:
            raise OperationError(
                f"stream {self._name} must take every event, got {len(refused)} refused: "
                f"{next(iter(refused.values()))}; what it took is folded, publish all again"
            )
        for waiting in self._waiting.values():
            waiting.add(events)

    def await_folded(
        self, *, customers: pa.Array | None = None, terminals: pa.Array | None = None
    ) -> None:
        """Wait until what was published of these entities is in the online store.

        Args:
            customers: Ids of customers. If omitted, of all.
            terminals: Ids of terminals. If omitted, of all.

        Raises:
            OperationError: If it takes too long.
        """
        only = {CUSTOMER: customers, TERMINAL: terminals}
        is_last = customers is None and terminals is None
        for entity, waiting in self._waiting.items():
            item = f"fold by {entity.name}" if is_last else None
            left = _until_none(lambda: waiting.check(only[entity]), self._timeout, item)  # noqa: B023
            if left:
                raise OperationError(
                    f"events of every {entity.name} must be folded within {self._timeout:.0f} s, "
                    f"got {left} of them behind; see the alarms and the consumer's queue of "
                    "failures"
                )


class _UnfoldedEvents:
    """Published events that are not known to be in one kind of entity's states."""

    def __init__(self, store: Any, groups: FeatureGroups, entity: Entity) -> None:
        self._store, self._groups, self._entity = store, groups, entity
        self._transactions = TRANSACTIONS.empty_table()
        self._reports = FRAUD_REPORTS.empty_table()

    def add(self, events: Stream) -> None:
        column = self._entity.record_identifier
        self._transactions = _last(self._transactions, events.transactions, "event_time", column)
        self._reports = _last(self._reports, events.fraud_reports, "report_time", column)

    def check(self, only: pa.Array | None) -> int:
        """How many of the entities lack an event; those that do not are waited for no more."""
        column = self._entity.record_identifier
        transactions, reports = self._transactions, self._reports
        if only is not None:
            transactions = transactions.filter(pc.is_in(transactions[column], value_set=only))
            reports = reports.filter(pc.is_in(reports[column], value_set=only))
        if not (transactions.num_rows or reports.num_rows):
            return 0
        dry = _DryStore(self._store, column)
        folded = fold_into_store(dry, self._groups, transactions, reports, entities=(self._entity,))
        unreadable = [why for key, why in folded.failed.items() if key.id not in dry.changed]
        if unreadable:
            raise OperationError(f"states must take every event, got: {unreadable[0]}")
        behind = pa.array(sorted(dry.changed), pa.int64())
        self._transactions = _without_settled(self._transactions, column, only, behind)
        self._reports = _without_settled(self._reports, column, only, behind)
        return len(behind)


class _DryStore:
    """The online store for a fold that only asks: it reads, and notes what it would write."""

    def __init__(self, store: Any, identifier: str) -> None:
        self.batch_get_record = store.batch_get_record
        self.changed: set[int] = set()
        self._identifier = identifier

    def batch_write_record(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        """Notes whose record it would be."""
        for entry in Entries:
            values = {value["FeatureName"]: value["ValueAsString"] for value in entry["Record"]}
            self.changed.add(int(values[self._identifier]))
        return {"Errors": [], "UnprocessedEntries": []}


def _last(before: pa.Table, new: pa.Table, time_column: str, owner: str) -> pa.Table:
    """The published events whose folding proves that of all others, in the order of publishing.

    A customer's events stay in order on their way, to each terminal too, so that the last of each
    pair stands for the pair. Of an entity the last are enough: a state does not remember more.
    """
    table = pa.concat_tables([before, new.sort_by(time_column)])
    names = ("customer_id", "terminal_id", owner)
    columns = [table[name].to_pylist() for name in names]
    seen: set[tuple[int, int]] = set()
    counts: Counter[int] = Counter()
    kept = []
    for row in reversed(range(table.num_rows)):
        customer, terminal, id_ = (column[row] for column in columns)
        if (customer, terminal) not in seen and counts[id_] < _KEPT_PER_ENTITY:
            seen.add((customer, terminal))
            counts[id_] += 1
            kept.append(row)
    return table.take(pa.array(reversed(kept), pa.int64()))


def _without_settled(
    events: pa.Table, column: str, only: pa.Array | None, behind: pa.Array
) -> pa.Table:
    """The events that are still waited for: those behind, and those that nobody asked about."""
    kept = pc.is_in(events[column], value_set=behind)
    if only is not None:
        kept = pc.or_(kept, pc.invert(pc.is_in(events[column], value_set=only)))
    return events.filter(kept)


def _entries(events: Stream, *, probes: bool) -> Iterator[Entry]:
    """Every event as a record, transactions and reports in one order."""
    sources = (
        (events.transactions, "event_time", encode_transactions),
        (events.fraud_reports, "report_time", encode_reports),
    )
    known: list[tuple[int, str, bytes]] = []
    for table, time_column, encode in sources:
        times = table[time_column].cast(pa.int64()).to_pylist()
        keys = map(str, table["customer_id"].to_pylist())
        known += zip(times, keys, encode(table, probes=probes), strict=True)
    for _, key, data in sorted(known, key=itemgetter(0)):
        yield Entry(key, data)


def _refuse_future(events: Stream) -> None:
    latest = datetime.now(UTC) + CLOCK_SKEW
    for table, column in (
        (events.transactions, "event_time"),
        (events.fraud_reports, "report_time"),
    ):
        newest = pc.max(table[column]).as_py()
        if newest is not None and newest > latest:
            raise OperationError(
                f"{column} must not be in the future, got {newest.isoformat()}; the stream takes "
                "what has happened"
            )


def _until_none(left: Callable[[], int], timeout_seconds: float, item: str | None) -> int:
    """Asks until there is nothing left, ever less often; what is left in the end."""
    deadline, pause = time.monotonic() + timeout_seconds, _POLL_SECONDS
    while (count := left()) and time.monotonic() < deadline:
        if item is not None:
            progress.update(item, f"{count} behind", passing=True)
        time.sleep(pause)
        pause = min(1.2 * pause, _LONGEST_POLL_SECONDS)
    if item is not None:
        progress.update(item, f"{count} behind", ended=True, failed=count > 0)
    return count
