"""Signed requests to a service of AWS, over connections that one event loop keeps open.

boto3's client needs a thread a request, and half of a millisecond of Python. This sends the same
requests: botocore decides where they go, who asks, what an error says and what is retried, and the
exceptions are botocore's.
"""

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
from botocore.model import OperationModel
from botocore.parsers import create_parser
from botocore.retries.standard import (
    RetryContext,
    StandardRetryConditions,
    ThrottledRetryableChecker,
)
from yarl import URL

from pipeline_code.features.store.online_store import FIRST_PAUSE_SECONDS, StoreError
from pipeline_code.serve.identity import Identity
from pipeline_code.serve.signing import Signer

__all__ = ["Connections", "Operation"]

TRIES = 2
# A hundred records of Feature Store's largest size, 350 KB.
MOST_ANSWER_BYTES = 40_000_000
CHUNK_BYTES = 65_536
KEPT_OPEN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation of the service at one path.

    Attributes:
        model: botocore's.
        url: Where it is, without a query.
        signer: Signs its requests.
    """

    model: OperationModel
    url: URL
    signer: Signer

    @property
    def method(self) -> str:
        """Of HTTP."""
        return str(self.model.http["method"])


class Connections:
    """Asks one service; belongs to one event loop.

    Guarantees:
        A try takes no longer than the timeout, however slowly the service answers, and keeps no
        more than `MOST_ANSWER_BYTES` of what it answers.
        What botocore's standard mode retries is tried once more, if somebody may still wait.

    Args:
        client: A boto3 client of the service: whom to ask, and where.
        identity: Who asks.
        throttled: Is told of each try that the service throttled.
        timeout_seconds: After which a try gives up its connection.
        limit: How many connections there are at a time.
        ca_bundle: File with the authorities to trust; botocore's own if None.
    """

    def __init__(
        self,
        client: Any,
        identity: Identity,
        throttled: Callable[[], None],
        *,
        timeout_seconds: float,
        limit: int,
        ca_bundle: str | None,
    ) -> None:
        self._meta = client.meta
        self._identity = identity
        self._throttled = throttled
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._limit = limit
        self._ca_bundle = ca_bundle
        self._errors = create_parser(self._meta.service_model.protocol)
        self._retries = StandardRetryConditions(max_attempts=TRIES)
        self._throttling = ThrottledRetryableChecker()
        self._session: aiohttp.ClientSession | None = None

    def operation(self, name: str, **path: str) -> Operation:
        """An operation, with the names that its path holds."""
        service = self._meta.service_model
        model = service.operation_model(name)
        url = URL(self._meta.endpoint_url.rstrip("/") + model.http["requestUri"].format(**path))
        method, region = model.http["method"], self._meta.region_name
        return Operation(model, url, Signer(method, url, region, service.signing_name))

    async def start(self) -> None:
        """Finds credentials; connections are made as they are needed."""
        await self._identity.start()
        secure = self._meta.endpoint_url.startswith("https:")
        trusted = get_cert_path(self._ca_bundle or True)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._limit,
                keepalive_timeout=KEPT_OPEN_SECONDS,
                ssl=ssl.create_default_context(cafile=trusted) if secure else True,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=self._timeout,
            auto_decompress=False,
            skip_auto_headers=("accept", "accept-encoding", "user-agent"),
        )
        # What is tried once more is botocore's to say, not aiohttp's too: it repeats each GET that
        # is hung up on, with no other way to switch that off.
        self._session._retry_connection = False

    async def close(self) -> None:
        """Closes all connections."""
        self._identity.close()
        if self._session is not None:
            await self._session.close()

    async def ask(
        self, operation: Operation, until: float, *, query: str = "", body: bytes = b""
    ) -> Any:
        """What the service answers, which is JSON.

        Args:
            operation: What is asked.
            until: When nobody waits any more, by the event loop's clock.
            query: Encoded, in the order in which it is signed.
            body: Of a POST request.

        Raises:
            BotoCoreError, ClientError: The service was not reached, or refused.
            StoreError: The answer is none.
        """
        name = operation.model.name
        failure: BotoCoreError | ClientError
        for attempt in range(1, TRIES + 1):
            context = RetryContext(attempt_number=attempt, operation_model=operation.model)
            try:
                status, headers, content = await self._send(operation, query, body)
                if status == HTTPStatus.OK:
                    return _document(name, content)
                context.http_response = AWSResponse(str(operation.url), status, headers, None)
                context.parsed_response = self._parsed(operation, status, headers, content)
                failure = ClientError(context.parsed_response, name)
                if self._throttling.is_retryable(context):
                    self._throttled()
            except (aiohttp.ClientError, OSError) as error:
                context.caught_exception = failure = _named(error, str(operation.url))
            late = asyncio.get_running_loop().time() >= until
            if late or not self._retries.is_retryable(context):
                break
            if context.http_response is not None:  # it is there, and may have too much to do
                await asyncio.sleep(FIRST_PAUSE_SECONDS)
        raise failure

    async def _send(
        self, operation: Operation, query: str, body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        assert self._session is not None  # noqa: S101 - `start` comes first
        headers = operation.signer.headers(
            self._identity.current(), time.time(), query=query, body=body
        )
        url = URL(f"{operation.url}?{query}", encoded=True) if query else operation.url
        async with self._session.request(
            operation.method, url, data=body or None, headers=headers, allow_redirects=False
        ) as response:
            content = await _content(operation.model.name, response)
            return response.status, response.headers, content

    def _parsed(
        self, operation: Operation, status: int, headers: Mapping[str, str], content: bytes
    ) -> Any:
        answer = {"status_code": status, "headers": headers, "body": content}
        return self._errors.parse(answer, operation.model.output_shape)


def _named(error: Exception, url: str) -> BotoCoreError:
    """What botocore calls a failure."""
    if isinstance(error, TimeoutError):
        return ReadTimeoutError(endpoint_url=url)
    if isinstance(error, aiohttp.ClientConnectorError):
        return EndpointConnectionError(endpoint_url=url)
    if isinstance(error, (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, OSError)):
        return ConnectionClosedError(endpoint_url=url)
    return HTTPClientError(error=type(error).__name__)


async def _content(name: str, response: aiohttp.ClientResponse) -> bytes:
    length = response.content_length
    if length is not None and length <= MOST_ANSWER_BYTES:
        return await response.read()
    chunks: list[bytes] = []
    size = length or 0
    while size <= MOST_ANSWER_BYTES and (chunk := await response.content.read(CHUNK_BYTES)):
        chunks.append(chunk)
        size += len(chunk)
    if size > MOST_ANSWER_BYTES:
        raise StoreError(f"{name} must answer at most {MOST_ANSWER_BYTES} bytes, got more")
    return b"".join(chunks)


def _document(name: str, content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise StoreError(f"{name} must answer with JSON, got other bytes") from error
