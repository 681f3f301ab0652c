"""The online store, read on the event loop.

boto3's client needs a thread a read, and half of a millisecond of Python. This one sends the same
BatchGetRecord over connections of its own; botocore decides where it goes, who asks, what an error
says and what is retried, and the exceptions are botocore's.
"""

import asyncio
import ssl
import time
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import aiohttp
import orjson
from botocore.awsrequest import AWSResponse
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    HTTPClientError,
    ReadTimeoutError,
)
from botocore.httpsession import get_cert_path
from botocore.parsers import create_parser
from botocore.retries.standard import RetryContext, StandardRetryConditions
from yarl import URL

from pipeline_code.features.online_store import (
    FIRST_PAUSE_SECONDS,
    BatchRead,
    FeatureGroups,
    StoreError,
    pauses,
)
from pipeline_code.features.records import Key
from pipeline_code.serve.identity import Identity
from pipeline_code.serve.signing import Signer

__all__ = ["StoreReader"]

OPERATION = "BatchGetRecord"
TRIES = 2
# A hundred records of Feature Store's largest size, 350 KB.
MOST_ANSWER_BYTES = 40_000_000
CHUNK_BYTES = 65_536
KEPT_OPEN_SECONDS = 60.0

Values = Sequence[Mapping[str, Any]]


class StoreReader:
    """Reads records of both feature groups; belongs to one event loop.

    Guarantees:
        A try takes no longer than the timeout, however slowly the store answers, and keeps no more
        than `MOST_ANSWER_BYTES` of what it answers.
        What botocore's standard mode retries is tried once more, if somebody may still wait.

    Args:
        client: A boto3 client of sagemaker-featurestore-runtime: whom to ask, and where.
        identity: Who asks.
        groups: The feature groups.
        timeout_seconds: After which a try gives up its connection.
        connections: How many are kept open; reads at a time.
        ca_bundle: File with the authorities to trust; botocore's own if None.
    """

    def __init__(
        self,
        client: Any,
        identity: Identity,
        groups: FeatureGroups,
        *,
        timeout_seconds: float = 2.0,
        connections: int = 16,
        ca_bundle: str | None = None,
    ) -> None:
        self._identity = identity
        self._groups = groups
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._connections = connections
        self._ca_bundle = ca_bundle
        meta = client.meta
        self._model = meta.service_model.operation_model(OPERATION)
        self._url = URL(meta.endpoint_url.rstrip("/") + self._model.http["requestUri"])
        self._signer = Signer(self._url, meta.region_name, meta.service_model.signing_name)
        self._errors = create_parser(meta.service_model.protocol)
        self._retries = StandardRetryConditions(max_attempts=TRIES)
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Finds credentials; connections are made as they are needed."""
        await self._identity.start()
        secure = self._url.scheme == "https"
        trusted = get_cert_path(self._ca_bundle or True)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._connections,
                keepalive_timeout=KEPT_OPEN_SECONDS,
                ssl=ssl.create_default_context(cafile=trusted) if secure else True,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=self._timeout,
            auto_decompress=False,
            skip_auto_headers=("accept", "accept-encoding", "user-agent"),
        )

    async def close(self) -> None:
        """Closes all connections."""
        self._identity.close()
        if self._session is not None:
            await self._session.close()

    async def read(self, keys: Sequence[Key], until: float) -> dict[Key, Values]:
        """The stored feature values of those keys that have some.

        Args:
            keys: At most `READ_AT_ONCE`.
            until: When nobody waits any more, by the event loop's clock.

        Raises:
            BotoCoreError, ClientError: The store was not reached, or refused.
            StoreError: A record could not be read, or the response is none.
        """
        reading = BatchRead(self._groups, keys)
        for pause in pauses(OPERATION):
            if pause:
                await asyncio.sleep(pause)
            answer = await self._ask(reading.pending, until)
            try:
                _require_texts(answer)
                reading.take(answer)
            except (AttributeError, KeyError, TypeError) as error:
                raise StoreError(f"{OPERATION} must answer as it is specified to") from error
            if not reading.pending:
                break
        return dict(reading.records)

    async def _ask(self, identifiers: Sequence[Any], until: float) -> Any:
        body = orjson.dumps({"Identifiers": identifiers})
        failure: BotoCoreError | ClientError
        for attempt in range(1, TRIES + 1):
            context = RetryContext(attempt_number=attempt, operation_model=self._model)
            try:
                status, headers, content = await self._post(body)
                if status == HTTPStatus.OK:
                    return _document(content)
                context.http_response = AWSResponse(str(self._url), status, headers, None)
                context.parsed_response = self._parsed(status, headers, content)
                failure = ClientError(context.parsed_response, OPERATION)
            except (aiohttp.ClientError, OSError) as error:
                context.caught_exception = failure = self._named(error)
            late = asyncio.get_running_loop().time() >= until
            if late or not self._retries.is_retryable(context):
                break
            if context.http_response is not None:  # it is there, and may have too much to do
                await asyncio.sleep(FIRST_PAUSE_SECONDS)
        raise failure

    async def _post(self, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        assert self._session is not None  # noqa: S101 - `start` comes first
        headers = self._signer.headers(body, self._identity.current(), time.time())
        async with self._session.post(
            self._url, data=body, headers=headers, allow_redirects=False
        ) as response:
            return response.status, response.headers, await _content(response)

    def _parsed(self, status: int, headers: Mapping[str, str], content: bytes) -> Any:
        answer = {"status_code": status, "headers": headers, "body": content}
        return self._errors.parse(answer, self._model.output_shape)

    def _named(self, error: Exception) -> BotoCoreError:
        """What botocore calls a failure."""
        url = str(self._url)
        if isinstance(error, TimeoutError):
            return ReadTimeoutError(endpoint_url=url)
        if isinstance(error, aiohttp.ClientConnectorError):
            return EndpointConnectionError(endpoint_url=url)
        if isinstance(error, (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, OSError)):
            return ConnectionClosedError(endpoint_url=url)
        return HTTPClientError(error=type(error).__name__)


async def _content(response: aiohttp.ClientResponse) -> bytes:
    length = response.content_length
    if length is not None and length <= MOST_ANSWER_BYTES:
        return await response.read()
    chunks: list[bytes] = []
    size = length or 0
    while size <= MOST_ANSWER_BYTES and (chunk := await response.content.read(CHUNK_BYTES)):
        chunks.append(chunk)
        size += len(chunk)
    if size > MOST_ANSWER_BYTES:
        raise StoreError(f"{OPERATION} must answer at most {MOST_ANSWER_BYTES} bytes, got more")
    return b"".join(chunks)


def _document(content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise StoreError(f"{OPERATION} must answer with JSON, got other bytes") from error


def _require_texts(answer: Any) -> None:
    """Raises KeyError or TypeError if a record has values that are no texts."""
    for record in answer["Records"]:
        for value in record["Record"]:
            if not isinstance(value["FeatureName"] + value.get("ValueAsString", ""), str):
                raise TypeError("feature values must be texts")
