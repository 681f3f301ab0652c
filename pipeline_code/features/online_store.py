"""Reads and writes records of both feature groups, as many a request as the service takes."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from pipeline_code.features.definitions import CUSTOMER, Entity
from pipeline_code.features.records import EVENT_TIME, STATE, Key, StoredRecord

__all__ = ["FeatureGroups", "OnlineStore", "StoreError"]

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
    """Names of the feature groups by entity."""

    customer: str
    terminal: str

    def of(self, entity: Entity) -> str:
        """The entity's feature group."""
        return self.customer if entity == CUSTOMER else self.terminal


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
        wanted = {(self._groups.of(key.entity), str(key.id)): key for key in keys}
        pending = self._identifiers(keys)
        found: dict[Key, StoredRecord] = {}
        for _ in _attempts("BatchGetRecord"):
            answer = self._client.batch_get_record(Identifiers=pending)
            _refuse_errors("BatchGetRecord", answer.get("Errors", []))
            for record in answer["Records"]:
                name = (record["FeatureGroupName"], record["RecordIdentifierValueAsString"])
                found[wanted[name]] = StoredRecord.parse(wanted[name], record["Record"])
            pending = answer.get("UnprocessedIdentifiers", [])
            if not pending:
                break
        return found

    def _identifiers(self, keys: Sequence[Key]) -> list[dict[str, Any]]:
        ids: dict[Entity, list[str]] = {}
        for key in keys:
            ids.setdefault(key.entity, []).append(str(key.id))
        return [
            {
                "FeatureGroupName": self._groups.of(entity),
                "RecordIdentifiersValueAsString": values,
                "FeatureNames": [entity.record_identifier, EVENT_TIME, STATE],
            }
            for entity, values in ids.items()
        ]

    def _write_batch(self, records: Sequence[tuple[Key, list[dict[str, str]]]]) -> int:
        pending = [
            {"FeatureGroupName": self._groups.of(key.entity), "Record": record}
            for key, record in records
        ]
        for _ in _attempts("BatchWriteRecord"):
            answer = self._client.batch_write_record(Entries=pending)
            _refuse_errors("BatchWriteRecord", answer.get("Errors", []))
            pending = answer.get("UnprocessedEntries", [])
            if not pending:
                break
        return len(records)


def _attempts(operation: str) -> Iterator[int]:
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(FIRST_PAUSE_SECONDS * 2**attempt)
        yield attempt
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
