"""How an entity's state looks as a record of its feature group."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pipeline_code.features.definitions import Entity
from pipeline_code.features.events import EPOCH, epoch_microseconds
from pipeline_code.features.state import EntityState, StateError

__all__ = ["EVENT_TIME", "STATE", "Key", "StateRecord", "next_time", "timestamp", "to_record"]

EVENT_TIME = "event_time"
STATE = "state"
MILLISECOND = 1_000


@dataclass(frozen=True, slots=True)
class Key:
    """One customer or terminal."""

    entity: Entity
    id: int

    def __str__(self) -> str:
        return f"{self.entity.name} {self.id}"


@dataclass(frozen=True, slots=True)
class StateRecord:
    """A stored state, its text and the record's own time, in microseconds since 1970."""

    state: EntityState
    text: str
    time: int

    @classmethod
    def parse(
        cls, key: Key, record: Iterable[Mapping[str, Any]], *, renew: bool = False
    ) -> "StateRecord":
        """Reads the feature values that the online store answered.

        Args:
            key: Whose record it is.
            record: The feature values.
            renew: Take a state that cannot be read for an empty one, to be written anew.

        Raises:
            StateError: The state is of another format, or damaged.
        """
        values = {value["FeatureName"]: value.get("ValueAsString", "") for value in record}
        text, moment = values.get(STATE, ""), values.get(EVENT_TIME, "")
        try:
            time = epoch_microseconds(datetime.fromisoformat(moment))
        except ValueError as error:
            raise StateError(f"event_time of {key} must be ISO-8601, got {moment!r}") from error
        try:
            return cls(EntityState.decode(key.entity, text, str(key)), text, time)
        except StateError:
            if not renew:
                raise
            return cls(EntityState.empty(key.entity), text, time)


def next_time(newest: int, before: StateRecord | None) -> int:
    """The record's time: not before its newest event, and after the record that it replaces."""
    covering = -(-newest // MILLISECOND) * MILLISECOND
    return covering if before is None else max(covering, before.time + MILLISECOND)


def timestamp(time: int) -> str:
    """A time as Feature Store takes it: ISO-8601 with milliseconds."""
    moment = EPOCH + timedelta(microseconds=time)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time // MILLISECOND % 1000:03d}Z"


def to_record(key: Key, time: int, text: str, values: Mapping[str, str]) -> list[dict[str, str]]:
    """The record's feature values; `values` are as of `time`."""
    columns = {
        key.entity.record_identifier: str(key.id),
        EVENT_TIME: timestamp(time),
        STATE: text,
        **values,
    }
    return [{"FeatureName": name, "ValueAsString": value} for name, value in columns.items()]
