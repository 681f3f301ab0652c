"""The states that the online store can have held at requests' times, by the offline store.

The offline store holds every record that was ever put, with the moment of the call, in folders by
the record's event time. Of an entity the online store holds the record with the newest event time,
so the folders are read from the newest hour back until each request's record is found, or until
as far back as is worth it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from pipeline_code.features.definitions import Entity
from pipeline_code.features.events import epoch_microseconds
from pipeline_code.features.state import EntityState, StateError
from pipeline_code.features.store.records import EVENT_TIME, STATE, Key
from pipeline_code.parity.objects import Folder

__all__ = ["CLOCK_TOLERANCE", "DELETED", "INVOKED", "StateHistory", "states_held"]

# The endpoint's and the store's clocks, a request's duration and the precision of what is noted of
# both, in microseconds: what was put so near a request may have been read by it or not.
CLOCK_TOLERANCE = 5_000_000
INVOKED, DELETED = "api_invocation_time", "is_deleted"
LEVELS = ("year", "month", "day", "hour")


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """A record of the offline store, in microseconds."""

    time: int
    invoked: int
    text: str | None

    def state(self, key: Key) -> EntityState | None:
        """Its state; None if there is none, or none that can be read."""
        try:
            return (
                None if self.text is None else EntityState.decode(key.entity, self.text, str(key))
            )
        except StateError:
            return None


@dataclass(slots=True)
class StateHistory:
    """What the online store may have held of one entity at several moments.

    Attributes:
        newest: The newest record of all, which is what it holds now; None if none was found.
    """

    key: Key
    moments: Iterable[int]
    newest: Record | None = None
    _found: dict[int, list[Record]] = field(init=False)
    _open: set[int] = field(init=False)

    def __post_init__(self) -> None:
        self._found = {moment: [] for moment in self.moments}
        self._open = set(self._found)

    @property
    def complete(self) -> bool:
        """Whether no older record can have been held at any of the moments."""
        return not self._open

    def take(self, records: list[Record]) -> None:
        """Takes all of the entity's records of an hour; hours come from the newest back."""
        records = sorted(records, key=lambda record: (record.time, record.invoked), reverse=True)
        if self.newest is None and records:
            self.newest = records[0]
        for moment in list(self._open):
            for record in records:
                if record.invoked <= moment + CLOCK_TOLERANCE:
                    self._found[moment].append(record)
                if record.invoked <= moment - CLOCK_TOLERANCE:
                    self._open.discard(moment)
                    break

    @property
    def last_event(self) -> int:
        """The time of the newest event in any of the states; 0 if there is none."""
        records = [record for found in self._found.values() for record in found]
        states = [record.state(self.key) for record in records]
        return max((state.newest for state in states if state is not None), default=0)

    def knows(self, moment: int) -> bool:
        """Whether the record that was held at the moment was found."""
        return moment not in self._open

    def states(self, moment: int) -> list[EntityState | None]:
        """The states that a request at the moment may have read; None stands for no state."""
        states = [record.state(self.key) for record in self._found[moment]]
        return states if self.knows(moment) else [*states, None]


def states_held(
    folder: Folder, entity: Entity, moments: Mapping[Key, set[int]], since: datetime
) -> dict[Key, StateHistory]:
    """What was held of each entity at its moments.

    Args:
        folder: The offline store's data (`ResolvedOutputS3Uri`).
        entity: Of what.
        moments: When which of them was asked about, in microseconds.
        since: Records with an older event time are not looked for.

    Raises:
        BadInput: An object cannot be read.
    """
    held = {key: StateHistory(key, times) for key, times in moments.items()}
    incomplete = dict(held)
    for start, hour in _newest_first(folder):
        if not incomplete or start < since.replace(minute=0, second=0, microsecond=0):
            break
        for key, records in _records(hour, entity, incomplete).items():
            incomplete[key].take(records)
            if incomplete[key].complete:
                del incomplete[key]
    return held


def _newest_first(folder: Folder) -> Iterator[tuple[datetime, Folder]]:
    """The folders of hours, `year=/month=/day=/hour=`, and when each begins."""
    below: list[tuple[tuple[int, ...], Folder]] = [((), folder)]
    while below:
        # The last is the newest: its own parts go back on top of all older folders.
        time, index = below.pop()
        if len(time) == len(LEVELS):
            year, month, day, hour = time
            yield datetime(year, month, day, hour, tzinfo=UTC), index
            continue
        level = f"{LEVELS[len(time)]}="
        parts = sorted(name for name in index.folders() if name.startswith(level))
        below += [((*time, int(name.removeprefix(level))), index / name) for name in parts]


def _records(
    hour: Folder, entity: Entity, wanted: dict[Key, StateHistory]
) -> dict[Key, list[Record]]:
    identifier = entity.record_identifier
    ids = pa.array([str(key.id) for key in wanted], pa.string())
    found: dict[Key, list[Record]] = {}
    for name in hour.objects():
        rows = hour.table(name, [identifier, EVENT_TIME, STATE, INVOKED, DELETED])
        rows = rows.filter(pc.is_in(rows[identifier], value_set=ids))
        invoked = rows[INVOKED].cast(pa.timestamp("us")).cast(pa.int64())
        for row, at in zip(rows.to_pylist(), invoked.to_pylist(), strict=True):
            key = Key(entity, int(row[identifier]))
            text = None if row[DELETED] else row[STATE]
            time = epoch_microseconds(datetime.fromisoformat(row[EVENT_TIME]))
            found.setdefault(key, []).append(Record(time, at, text))
    return found
