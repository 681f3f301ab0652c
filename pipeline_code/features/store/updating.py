"""Keeps the online store up to date: folds new events into the stored states.

Guarantees:
    Only touched entities are written, and only if their state changed: folding again writes none.
    A record's event time always moves on. The online store drops a record that is not newer than
    what it has, so a late event's own time would lose that event.

Feature Store has no conditional write. Each entity has one consumer, since the stream is ordered by
entity; a job that writes beside it gives way (`records.Writer`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
from botocore.exceptions import BotoCoreError, ClientError

from pipeline_code.features.definitions import CUSTOMER, ENTITIES, TERMINAL, Entity
from pipeline_code.features.events import Reports, Transactions
from pipeline_code.features.owners import EventsByOwner
from pipeline_code.features.state import EntityState, StateError
from pipeline_code.features.store.online_store import (
    READ_AT_ONCE,
    FeatureGroups,
    OnlineStore,
    StoreError,
)
from pipeline_code.features.store.records import Key, StoredRecord, Writer, next_time, to_record

__all__ = [
    "FeatureGroups",
    "FoldResult",
    "StoreError",
    "fold_into_store",
    "materialize",
    "read_states",
]

# Read in one request, of which there are few, and written in four, by one thread while others wait
# for the service.
ENTITIES_AT_ONCE = READ_AT_ONCE
# Below the ten connections that a boto3 client keeps unless configured otherwise.
THREADS = 8
# A consumer that writes at the same time wins; after so many times it is left to it.
JOB_ATTEMPTS = 3

# The state that comes of a stored one, or of none; None leaves the record alone.
Change = Callable[[Key, StoredRecord | None], EntityState]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldResult:
    """What a fold did.

    Attributes:
        customers, terminals: How many records it wrote.
        failed: Entities whose events were not folded, and why; all others' were.
        throttled: How many tries the store throttled, if somebody counted.
    """

    customers: int = 0
    terminals: int = 0
    throttled: int = 0
    failed: Mapping[Key, str] = field(default_factory=dict)

    def __add__(self, other: "FoldResult") -> "FoldResult":
        return FoldResult(
            customers=self.customers + other.customers,
            terminals=self.terminals + other.terminals,
            throttled=self.throttled + other.throttled,
            failed={**self.failed, **other.failed},
        )


def read_states(
    client: Any, groups: FeatureGroups, *, customer_id: int, terminal_id: int
) -> tuple[EntityState | None, EntityState | None]:
    """The states of one request's customer and terminal, in one call; None if there is none.

    Raises:
        StoreError: A record could not be read.
        StateError: A state was written by another version, or is damaged.
    """
    customer, terminal = Key(CUSTOMER, customer_id), Key(TERMINAL, terminal_id)
    found = OnlineStore(client, groups).read([customer, terminal])
    return _state(found.get(customer)), _state(found.get(terminal))


def fold_into_store(
    client: Any,
    groups: FeatureGroups,
    transactions: pa.Table,
    reports: pa.Table,
    *,
    entities: Sequence[Entity] = ENTITIES,
) -> FoldResult:
    """Folds new events into the states of the entities they touch.

    Events may be late, out of order or repeated: each counts once. What failed can be folded again
    with all the rest; nothing counts twice for it.

    Args:
        client: A boto3 client of sagemaker-featurestore-runtime.
        groups: The feature groups, of one version; other versions' states are not touched.
        transactions: New transactions, as in the lake.
        reports: New fraud reports, as in the lake.
        entities: Whose states are folded; no other may fold the same entities at the same time.
    """
    store = OnlineStore(client, groups)
    new = Transactions.from_table(transactions), Reports.from_table(reports)

    def folded(events: EventsByOwner) -> Change:
        return lambda key, before: events.fold(_state(before), key)

    sides = [EventsByOwner(entity, *new, groups.version) for entity in entities]
    work = [(folded(side), keys) for side in sides for keys in _chunks(side.keys)]
    with ThreadPoolExecutor(THREADS) as pool:
        done = [pool.submit(_write, store, change, keys, Writer.CONSUMER) for change, keys in work]
        return sum((part.result() for part in done), FoldResult())


def materialize(
    client: Any,
    groups: FeatureGroups,
    entity: Entity,
    transactions: Transactions,
    reports: Reports,
) -> FoldResult:
    """Brings the store up to all that the lake knows of some entities.

    The lake has everything but the newest events, which a stored state remembers one by one: they
    are added. A state that cannot be read, as one that another version wrote, is replaced.

    Args:
        client: A boto3 client of sagemaker-featurestore-runtime.
        groups: The feature groups, of one version.
        entity: What the entities are.
        transactions: All transactions of some entities, however old.
        reports: All fraud reports of those; of others there may be some.
    """
    store = OnlineStore(client, groups)
    events = EventsByOwner(entity, transactions, reports, groups.version)

    def whole(key: Key, before: StoredRecord | None) -> EntityState:
        state = events.state(key)
        stored = _state_or_none(before)
        return state if stored is None else state.fold(*events.unknown(stored, key))

    total = FoldResult()
    for keys in _chunks(events.keys):
        done = _write(store, whole, keys, Writer.JOB)
        for _ in range(JOB_ATTEMPTS - 1):
            if done.failed:
                again = _write(store, whole, list(done.failed), Writer.JOB)
                done = replace(done, failed={}) + again
        total += done
    return total


def _state(record: StoredRecord | None) -> EntityState | None:
    return None if record is None else record.state()


def _state_or_none(record: StoredRecord | None) -> EntityState | None:
    try:
        return _state(record)
    except StateError:
        return None


def _chunks(keys: Sequence[Key]) -> Iterator[Sequence[Key]]:
    for start in range(0, len(keys), ENTITIES_AT_ONCE):
        yield keys[start : start + ENTITIES_AT_ONCE]


def _write(store: OnlineStore, change: Change, keys: Sequence[Key], writer: Writer) -> FoldResult:
    """Changes the states of some entities of one kind."""
    try:
        return _write_changed(store, change, keys, writer)
    except (StoreError, ClientError, BotoCoreError) as error:
        # Some may have been written all the same; folding them again changes nothing.
        return FoldResult(failed=dict.fromkeys(keys, str(error)))


def _write_changed(
    store: OnlineStore, change: Change, keys: Sequence[Key], writer: Writer
) -> FoldResult:
    stored = store.read(keys)
    texts: dict[Key, str] = {}
    records: list[tuple[Key, list[dict[str, str]]]] = []
    failed: dict[Key, str] = {}
    for key in keys:
        before = stored.get(key)
        try:
            state = change(key, before)
        except StateError as error:
            failed[key] = str(error)
            continue
        text = state.encode()
        if before is None or text != before.text:
            texts[key] = text
            time = next_time(state, before, writer)
            records.append((key, to_record(key, state, text, time)))
    store.write(records)
    doubtful = texts if writer is Writer.JOB else texts.keys() - stored.keys()
    lost = _overtaken(store, texts, doubtful)
    written = len(texts) - len(lost)
    is_customer = keys[0].entity == CUSTOMER
    return FoldResult(
        customers=written if is_customer else 0,
        terminals=0 if is_customer else written,
        failed={**failed, **lost},
    )


def _overtaken(
    store: OnlineStore, texts: Mapping[Key, str], doubtful: Iterable[Key]
) -> dict[Key, str]:
    """Which of the records that may have met another writer's are not what is stored now."""
    doubtful = list(doubtful)
    if not doubtful:
        return {}
    now = store.read(doubtful)
    return {
        key: f"state of {key} must have one writer at a time, got another one's meanwhile; "
        "fold the events again"
        for key in doubtful
        if key not in now or now[key].text != texts[key]
    }
