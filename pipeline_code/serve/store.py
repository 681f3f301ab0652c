"""The online store, read on the event loop.

Feature Store takes 10,000 calls of GetRecord a second from an account, and 500 of BatchGetRecord
(Developer Guide, "Quotas, naming rules and data types"). A transaction's two records are therefore
read one by one, side by side; many at once are read in a batch.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import orjson

from pipeline_code.features.definitions import ENTITIES
from pipeline_code.features.store.online_store import (
    BatchRead,
    FeatureGroups,
    StoreError,
    features_of,
    pauses,
)
from pipeline_code.features.store.records import Key
from pipeline_code.serve.connections import Connections
from pipeline_code.serve.identity import Identity

__all__ = ["ONE_BY_ONE", "StoreReader"]

# So many records at most are read one by one, those of three transactions. Up to here twenty times
# the calls gain more of the quotas than they cost in processor time (benchmarks.store_reads).
ONE_BY_ONE = 6
# A transaction's, which are nearly all that is read.
USUAL = 2
BATCH, SINGLE = "BatchGetRecord", "GetRecord"

Values = Sequence[Mapping[str, Any]]


class StoreReader:
    """Reads records of both feature groups; belongs to one event loop.

    Args:
        client: A boto3 client of sagemaker-featurestore-runtime: whom to ask, and where.
        identity: Who asks.
        groups: The feature groups.
        throttled: Is told of each try that the store throttled.
        timeout_seconds: After which a try gives up its connection.
        reads: Reads at a time.
        ca_bundle: File with the authorities to trust; botocore's own if None.
    """

    def __init__(
        self,
        client: Any,
        identity: Identity,
        groups: FeatureGroups,
        *,
        throttled: Callable[[], None] = lambda: None,
        timeout_seconds: float = 2.0,
        reads: int = 16,
        ca_bundle: str | None = None,
    ) -> None:
        self._groups = groups
        self._connections = Connections(
            client,
            identity,
            throttled,
            timeout_seconds=timeout_seconds,
            limit=reads * USUAL,
            ca_bundle=ca_bundle,
        )
        self._batch = self._connections.operation(BATCH)
        self._single = {
            entity: self._connections.operation(SINGLE, FeatureGroupName=groups.of(entity))
            for entity in ENTITIES
        }
        # In the order of values, as it is signed; the name comes before that of the identifier.
        self._features = {
            entity: urlencode([("FeatureName", each) for each in sorted(features_of(entity))])
            for entity in ENTITIES
        }

    async def start(self) -> None:
        """Finds credentials; connections are made as they are needed."""
        await self._connections.start()

    async def close(self) -> None:
        """Closes all connections."""
        await self._connections.close()

    async def read(self, keys: Sequence[Key], until: float) -> dict[Key, Values]:
        """The stored feature values of those keys that have some.

        Args:
            keys: At most `READ_AT_ONCE`.
            until: When nobody waits any more, by the event loop's clock.

        Raises:
            BotoCoreError, ClientError: The store was not reached, or refused.
            StoreError: A record could not be read, or the response is none.
        """
        if len(keys) > ONE_BY_ONE:
            return await self._read_batch(keys, until)
        # All are waited for, so that none goes on unseen when another fails.
        found = await asyncio.gather(
            *(self._read_one(key, until) for key in keys), return_exceptions=True
        )
        records: dict[Key, Values] = {}
        for key, values in zip(keys, found, strict=True):
            if isinstance(values, BaseException):
                raise values
            if values:
                records[key] = values
        return records

    async def _read_one(self, key: Key, until: float) -> Values | None:
        query = f"{self._features[key.entity]}&RecordIdentifierValueAsString={key.id}"
        answer = await self._connections.ask(self._single[key.entity], until, query=query)
        with _as_specified(SINGLE):
            values: Values | None = answer.get("Record")
            _require_texts(values or ())
        return values

    async def _read_batch(self, keys: Sequence[Key], until: float) -> dict[Key, Values]:
        reading = BatchRead(self._groups, keys)
        for pause in pauses(BATCH):
            if pause:
                await asyncio.sleep(pause)
            body = orjson.dumps({"Identifiers": reading.pending})
            answer = await self._connections.ask(self._batch, until, body=body)
            with _as_specified(BATCH):
                for record in answer["Records"]:
                    _require_texts(record["Record"])
                reading.take(answer)
            if not reading.pending:
                break
        return dict(reading.records)


@contextmanager
def _as_specified(operation: str) -> Iterator[None]:
    try:
        yield
    except (AttributeError, KeyError, TypeError) as error:
        raise StoreError(f"{operation} must answer as it is specified to") from error


def _require_texts(values: Values) -> None:
    """Raises KeyError or TypeError if values are no texts."""
    for value in values:
        if not isinstance(value["FeatureName"] + value.get("ValueAsString", ""), str):
            raise TypeError("feature values must be texts")
