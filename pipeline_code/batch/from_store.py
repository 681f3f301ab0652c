"""A batch's features after the states of the offline store: what the endpoint would answer.

The offline store holds every record that was ever put, in folders by the record's event time. Of an
entity the online store holds the record with the newest event time, so the folders are read from
the newest day back until each entity's record is found, or to the end for those that have none.
Only the columns that tell records apart are read of them all; states, of the records that count.
"""

from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline_code.batch.batch_input import BatchInput
from pipeline_code.batch.computed import (
    BatchFeatures,
    UnusableSourceError,
    first_of_owner,
)
from pipeline_code.batch.remote import RemoteFile
from pipeline_code.common.exits import BadInput
from pipeline_code.common.schema import INT96_UNIT
from pipeline_code.contracts.pipelines import FeatureSource
from pipeline_code.features.continuing import features_after
from pipeline_code.features.definitions import ALLOWED_LATENESS, ENTITIES, Entity
from pipeline_code.features.events import epoch_microseconds
from pipeline_code.features.plan import microseconds
from pipeline_code.features.state import EntityState, StateError
from pipeline_code.features.store.records import EVENT_TIME, STATE, Key
from pipeline_code.parity.history import DELETED, INVOKED
from pipeline_code.parity.objects import Folder

__all__ = ["OBJECTS_AT_ONCE", "features_from_store"]

OBJECTS_AT_ONCE = 16
# So many are looked through before it is asked whether all is found.
OBJECTS_IN_A_CHUNK = 64


def features_from_store(
    asked: BatchInput, stores: Mapping[Entity, Folder], as_of: datetime
) -> BatchFeatures:
    """Computes the features.

    Args:
        asked: The transactions; they count as events themselves, each at its own time.
        stores: The offline stores' data (`ResolvedOutputS3Uri`).
        as_of: Records that were put later do not exist.

    Raises:
        Unusable: A transaction is so much older than its customer's or terminal's newest events
            that the state does not know its windows any more, or whether it is among those; or a
            state cannot be read.
        BadInput: An object of the store cannot be read.
    """
    texts = {
        entity: _texts(stores[entity], entity, asked.rows.owners(entity), as_of)
        for entity in ENTITIES
    }
    for entity in ENTITIES:
        _refuse_older(asked, entity, texts[entity])

    def states_of(entity: Entity, ids: Collection[int]) -> dict[int, EntityState]:
        return {
            id_: _decoded(entity, id_, texts[entity][id_]) for id_ in ids if id_ in texts[entity]
        }

    unknown = {}
    for entity in ENTITIES:
        owners = asked.rows.owners(entity)
        known = np.isin(owners, np.array(list(texts[entity]), np.int64))
        unknown[entity] = ~known & first_of_owner(owners, asked.rows.times)
    return BatchFeatures(
        asked=asked,
        source=FeatureSource.OFFLINE_STORE,
        parts=features_after(asked.rows, states_of),
        unknown=unknown,
        facts={f"{entity.name}_states": len(texts[entity]) for entity in ENTITIES},
    )


def _decoded(entity: Entity, id_: int, text: str) -> EntityState:
    try:
        return EntityState.decode(entity, text, str(Key(entity, id_)))
    except StateError as error:
        raise UnusableSourceError(str(error)) from error


def _refuse_older(asked: BatchInput, entity: Entity, texts: Mapping[int, str]) -> None:
    """Raises Unusable if a state has forgotten what a row's windows are made of."""
    owners, indices = np.unique(asked.rows.owners(entity), return_inverse=True)
    limits = np.full(len(owners), np.iinfo(np.int64).min)
    for index, owner in enumerate(owners.tolist()):
        if owner in texts:
            limits[index] = _earliest(_decoded(entity, owner, texts[owner]))
    older = np.flatnonzero(asked.rows.times < limits[indices])
    if len(older):
        row = int(older[0])
        raise UnusableSourceError(
            f"event_time must be at most {ALLOWED_LATENESS} before the newest event of its "
            f"{entity.name}, and after those that its state no longer knows one by one, got "
            f"{len(older)} transactions that are older, the first {int(asked.rows.ids[row])} of "
            f"{entity.name} {int(owners[indices[row]])}"
        )


def _earliest(state: EntityState) -> int:
    """From which time on a transaction's features follow from the state."""
    earliest = state.newest - microseconds(ALLOWED_LATENESS)
    kept = state.transactions
    if len(kept.hops):
        # Of what is only summed nobody can say whether the transaction is in it already.
        earliest = max(earliest, int(kept.recent[0, 0]) + 1)
    return earliest


@dataclass(frozen=True, slots=True)
class _NewestRecord:
    """An entity's newest record: its times, in which row of which object it is, and if it ended."""

    time: int
    invoked: int
    name: str
    row: int
    deleted: bool


def _texts(
    store: Folder, entity: Entity, owners: npt.NDArray[np.int64], as_of: datetime
) -> dict[int, str]:
    """The text of the newest state of each owner that has one."""
    missing = {str(owner) for owner in np.unique(owners).tolist()}
    found: dict[str, _NewestRecord] = {}
    newest = partial(_newest, store, entity=entity, limit=epoch_microseconds(as_of))
    with ThreadPoolExecutor(OBJECTS_AT_ONCE) as pool:
        for names in _chunks(store):
            wanted = pa.array(sorted(missing), pa.string())
            for records in pool.map(partial(newest, wanted=wanted), names):
                _keep_newest(found, records)
            missing -= found.keys()
            if not missing:
                break
        by_object: dict[str, list[tuple[int, int]]] = {}
        for name, record in found.items():
            if not record.deleted:
                by_object.setdefault(record.name, []).append((record.row, int(name)))
        read = pool.map(lambda item: _states(store, *item), by_object.items())
        return {id_: text for states in read for id_, text in states}


def _keep_newest(found: dict[str, _NewestRecord], records: Mapping[str, _NewestRecord]) -> None:
    for name, record in records.items():
        before = found.get(name)
        if before is None or (before.time, before.invoked) < (record.time, record.invoked):
            found[name] = record


def _newest(
    store: Folder, name: str, *, entity: Entity, wanted: pa.Array, limit: int
) -> dict[str, _NewestRecord]:
    """Of each wanted entity the newest record of an object that had been put by then."""
    identifier = entity.record_identifier
    table = _columns(store, name, [identifier, EVENT_TIME, INVOKED, DELETED])
    table = table.append_column("row", pa.array(np.arange(table.num_rows)))
    invoked = table[INVOKED].cast(pa.timestamp("us")).cast(pa.int64())
    table = table.set_column(table.column_names.index(INVOKED), INVOKED, invoked)
    mine = pc.is_in(table[identifier], value_set=wanted)
    found: dict[str, _NewestRecord] = {}
    for row in table.filter(pc.and_(mine, pc.less_equal(invoked, limit))).to_pylist():
        time = epoch_microseconds(datetime.fromisoformat(row[EVENT_TIME]))
        record = _NewestRecord(time, row[INVOKED], name, row["row"], bool(row[DELETED]))
        _keep_newest(found, {row[identifier]: record})
    return found


def _states(store: Folder, name: str, rows: list[tuple[int, int]]) -> list[tuple[int, str]]:
    """The states in some rows of an object, with the ids they are of."""
    texts = _columns(store, name, [STATE])[STATE]
    return [(id_, texts[row].as_py()) for row, id_ in rows]


def _columns(folder: Folder, name: str, columns: list[str]) -> pa.Table:
    try:
        with pq.ParquetFile(
            RemoteFile(folder.client, folder.bucket, name), coerce_int96_timestamp_unit=INT96_UNIT
        ) as file:
            return file.read(columns=columns).select(columns)
    except (pa.ArrowException, KeyError, OSError) as error:
        raise BadInput(
            f"s3://{folder.bucket}/{name}: file must be readable Parquet with the columns "
            f"{', '.join(columns)}: {error}"
        ) from error


def _chunks(store: Folder) -> Iterator[list[str]]:
    """The objects of whole days, some at once, from the newest day back."""
    chunk: list[str] = []
    for day in _days_newest_first(store):
        # Listed by the day: one by one, hours would take as many requests as their objects.
        chunk += day.objects()
        if len(chunk) >= OBJECTS_IN_A_CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _days_newest_first(store: Folder) -> Iterator[Folder]:
    """The folders of days, `year=/month=/day=`; two digits each, so that names sort as days."""
    folders = [store]
    for level in ("year=", "month=", "day="):
        folders = [
            folder / name
            for folder in folders
            for name in sorted(folder.folders(), reverse=True)
            if name.startswith(level)
        ]
    yield from folders
