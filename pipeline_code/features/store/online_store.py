"""Reads and writes records of both feature groups, as many a request as the service takes."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from pipeline_code.contracts.environment import variable
from pipeline_code.contracts.schema import SCHEMA_VERSION_VARIABLE, SCHEMA_VERSIONS
from pipeline_code.features.definitions import CUSTOMER, SCHEMA_VERSION, TERMINAL, Entity
from pipeline_code.features.store.records import EVENT_TIME, STATE, Key, StoredRecord

__all__ = [
    "FIRST_PAUSE_SECONDS",
    "READ_AT_ONCE",
    "BatchRead",
    "FeatureGroups",
    "OnlineStore",
    "StoreError",
    "features_of",
    "pauses",
]

# Limits of BatchGetRecord and of BatchWriteRecord.
READ_AT_ONCE = 100
WRITTEN_AT_ONCE = 25
ATTEMPTS = 6
FIRST_PAUSE_SECONDS = 0.05


Item = TypeVar("Item")


class StoreError(Exception):
    """Feature Store refused records, or left them unprocessed time and again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureGroups:
    """Names of the feature groups by entity, of one version of the features' schema."""

    customer: str = variable("CUSTOMER_FEATURE_GROUP")
    terminal: str = variable("TERMINAL_FEATURE_GROUP")
    version: str = variable(SCHEMA_VERSION_VARIABLE, default=SCHEMA_VERSION)

    @classmethod
    def of_every_version(cls, pattern: str) -> "tuple[FeatureGroups, ...]":
        """Those of each version that is alive, oldest first.

        FeatureGroups.of_every_version("fraudloop-dev-{entity}-{version}")
        """
        return tuple(
            cls(
                customer=pattern.format(entity=CUSTOMER.name, version=version),
                terminal=pattern.format(entity=TERMINAL.name, version=version),
                version=version,
            )
            for version in SCHEMA_VERSIONS
        )

    def of(self, entity: Entity) -> str:
        """The entity's feature group."""
        return self.customer if entity == CUSTOMER else self.terminal


class BatchRead:
    """One batch of records being read: what is still to be asked for, and what was answered.

    Attributes:
        pending: Identifiers for the next BatchGetRecord; empty once all is answered.
        records: The feature values of each key that has some.
    """

    def __init__(self, groups: FeatureGroups, keys: Sequence[Key]) -> None:
        self._wanted = {(groups.of(key.entity), str(key.id)): key for key in keys}
        ids: dict[Entity, list[str]] = {}
        for key in keys:
            ids.setdefault(key.entity, []).append(str(key.id))
        self.pending: list[Any] = [
            {
                "FeatureGroupName": groups.of(entity),
                "RecordIdentifiersValueAsString": values,
                "FeatureNames": features_of(entity),
            }
            for entity, values in ids.items()
        ]
        self.records: dict[Key, list[Mapping[str, Any]]] = {}

    def take(self, answer: Mapping[str, Any]) -> None:
        """Keeps what BatchGetRecord answered.

        Raises:
            StoreError: A record could not be read.
        """
        _refuse_errors("BatchGetRecord", answer.get("Errors", []))
        for record in answer["Records"]:
            name = (record["FeatureGroupName"], record["RecordIdentifierValueAsString"])
            self.records[self._wanted[name]] = record["Record"]
        self.pending = answer.get("UnprocessedIdentifiers", [])


class OnlineStore:
    """The online store of both feature groups; safe to use from several threads.

    OnlineStore(boto3.client("sagemaker-featurestore-runtime"), groups).read([Key(CUSTOMER, 7)])

    Throttling and dropped connections are the client's to retry (botocore's standard mode); what a
    batch leaves unprocessed is sent again here.

    Args:
        client: A boto3 client of sagemaker-featurestore-runtime.
        groups: The feature groups.
    """

    def __init__(self, client: Any, groups: FeatureGroups) -> None:
        self._client = client
        self._groups = groups

    def read(self, keys: Iterable[Key]) -> dict[Key, StoredRecord]:
        """The stored records of those keys that have one.

        Raises:
            StoreError: A record could not be read.
        """
        found: dict[Key, StoredRecord] = {}
        for batch in _batches(keys, READ_AT_ONCE):
            found |= self._read_batch(batch)
        return found

    def write(self, records: Iterable[tuple[Key, list[dict[str, str]]]]) -> int:
        """Writes records (`records.to_record`); returns how many.

        Raises:
            StoreError: A record was refused; others may have been written, and can be again.
        """
        return sum(self._write_batch(batch) for batch in _batches(records, WRITTEN_AT_ONCE))

    def _read_batch(self, keys: Sequence[Key]) -> dict[Key, StoredRecord]:
        reading = BatchRead(self._groups, keys)
        for pause in pauses("BatchGetRecord"):
            time.sleep(pause)
            reading.take(self._client.batch_get_record(Identifiers=reading.pending))
            if not reading.pending:
                break
        version = self._groups.version
        return {
            key: StoredRecord.parse(key, values, version) for key, values in reading.records.items()
        }

    def _write_batch(self, records: Sequence[tuple[Key, list[dict[str, str]]]]) -> int:
        pending = [
            {"FeatureGroupName": self._groups.of(key.entity), "Record": record}
            for key, record in records
        ]
        for pause in pauses("BatchWriteRecord"):
            time.sleep(pause)
            answer = self._client.batch_write_record(Entries=pending)
            _refuse_errors("BatchWriteRecord", answer.get("Errors", []))
            pending = answer.get("UnprocessedEntries", [])
            if not pending:
                break
        return len(records)


def features_of(entity: Entity) -> list[str]:
    """The features of a record that are read: of all that it has, what a state needs."""
    return [entity.record_identifier, EVENT_TIME, STATE]


def pauses(operation: str) -> Iterator[float]:
    """The seconds to wait before each try of what is sent again while some of it is left.

    Raises:
        StoreError: After the last one.
    """
    yield 0.0
    for attempt in range(1, ATTEMPTS):
        yield FIRST_PAUSE_SECONDS * 2**attempt
    raise StoreError(f"{operation} must process every record, got some left after {ATTEMPTS} tries")


def _refuse_errors(operation: str, errors: Sequence[dict[str, Any]]) -> None:
    if errors:
        first = errors[0]
        raise StoreError(
            f"{operation} must take every record, got {len(errors)} refused, the first with "
            f"{first['ErrorCode']}: {first['ErrorMessage']}"
        )


def _batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
