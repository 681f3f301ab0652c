"""The records of feature groups, each with one entity's state."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from functools import cache
from typing import Any

from pipeline_code.features.definitions import (
    ALLOWED_LATENESS,
    SCHEMA_VERSION,
    Entity,
    stored_features,
)
from pipeline_code.features.events import EPOCH, epoch_microseconds
from pipeline_code.features.online import stored_values
from pipeline_code.features.plan import Plan, microseconds, plan_of
from pipeline_code.features.state import EntityState, StateError

__all__ = ["EVENT_TIME", "STATE", "Key", "StoredRecord", "Writer", "next_time", "to_record"]

EVENT_TIME = "event_time"
STATE = "state"
MILLISECOND = 1_000


class Writer(IntEnum):
    """Who writes a record, as the milliseconds by which its time moves on.

    The online store keeps the record with the newest time. Should both start from one record, the
    consumer's wins, in whichever order they are written: it has an event that is nowhere else,
    while a job can be run again.
    """

    JOB = 1
    CONSUMER = 2


@dataclass(frozen=True, slots=True)
class Key:
    """One customer or terminal."""

    entity: Entity
    id: int

    def __hash__(self) -> int:
        # That of an entity is made of all its fields, each time; there are only two of them.
        return hash(self.id)

    def __str__(self) -> str:
        return f"{self.entity.name} {self.id}"


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record of the online store: its state's text and its own time, in microseconds."""

    key: Key
    text: str
    time: int
    version: str = SCHEMA_VERSION

    @classmethod
    def parse(
        cls, key: Key, record: Iterable[Mapping[str, Any]], version: str = SCHEMA_VERSION
    ) -> "StoredRecord":
        """Reads the feature values that the online store answered, of a version's feature group.

        Raises:
            StateError: The record has no time.
        """
        values = {value["FeatureName"]: value.get("ValueAsString", "") for value in record}
        text, moment = values.get(STATE, ""), values.get(EVENT_TIME, "")
        try:
            time = epoch_microseconds(datetime.fromisoformat(moment))
        except ValueError as error:
            raise StateError(f"event_time of {key} must be ISO-8601, got {moment!r}") from error
        return cls(key, text, time, version)

    def state(self) -> EntityState:
        """The state.

        Raises:
            StateError: It is of another format, was written for other features, or is damaged.
        """
        return EntityState.decode(self.key.entity, self.text, str(self.key), self.version)


def next_time(state: EntityState, before: StoredRecord | None, writer: Writer) -> int:
    """The record's time: after the record that it replaces, and not before its newest event.

    A job stays as close as it can to the record that it replaces, however new its events are. Where
    there is none it goes back before any event that a consumer may fold first.
    """
    following = 0 if before is None else before.time + writer * MILLISECOND
    if writer is Writer.CONSUMER:
        return max(-(-state.newest // MILLISECOND) * MILLISECOND, following)
    if before is None:
        return (state.oldest - microseconds(ALLOWED_LATENESS)) // MILLISECOND * MILLISECOND
    return following


def timestamp(time: int) -> str:
    """A time as Feature Store takes it: ISO-8601 with milliseconds."""
    moment = EPOCH + timedelta(microseconds=time)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time // MILLISECOND % 1000:03d}Z"


def to_record(key: Key, state: EntityState, text: str, time: int) -> list[dict[str, str]]:
    """The record's feature values; features are as of the time and all of the state's events."""
    plan, as_of = _stored_plan(key.entity, state.version), max(time, state.newest)
    columns = {
        key.entity.record_identifier: str(key.id),
        EVENT_TIME: timestamp(time),
        STATE: text,
    }
    for feature, value in zip(plan.features, stored_values(state, as_of, plan), strict=True):
        columns[feature.name] = repr(int(value) if feature.store_type == "Integral" else value)
    return [{"FeatureName": name, "ValueAsString": value} for name, value in columns.items()]


@cache
def _stored_plan(entity: Entity, version: str) -> Plan:
    return plan_of(stored_features(entity, version))
