"""One request on its way to one model server, over connections that stay open."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from local_aws.sagemaker.endpoints.servers import Server

MODEL_SECONDS = 60.0  # SageMaker's limit for an answer
_CONNECT_SECONDS = 5.0
_KEEP_SECONDS = 4.0
_CUSTOM_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
_INFERENCE_ID = "X-Amzn-SageMaker-Inference-Id"
_HEADERS = (
    ("ContentType", "Content-Type"),
    ("Accept", "Accept"),
    ("CustomAttributes", _CUSTOM_ATTRIBUTES),
    ("InferenceId", _INFERENCE_ID),
)

# Nothing was sent: another server may have the request. Whatever else goes wrong, the model may
# have seen it, and it is not sent twice.
NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
LOST = (aiohttp.ClientError,)


@dataclass(frozen=True, slots=True)
class ModelResponse:
    """What a model's server said."""

    status: int
    content_type: str
    custom_attributes: str | None
    body: bytes


class Forwarder:
    """Sends requests to model servers, on the event loop."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def send(self, server: Server, request: Mapping[str, Any]) -> ModelResponse:
        """A server's answer to an InvokeEndpoint request.

        Raises:
            TimeoutError: If there is none within SageMaker's limit.
            aiohttp.ClientError: If the server ends before it has answered; one of `NOT_SENT` if
                it never got the request.
        """
        headers = {"X-Amzn-SageMaker-Forwarded-Api": "InvokeEndpoint"}
        headers |= {header: request[member] for member, header in _HEADERS if member in request}
        body = request.get("Body", b"")
        server.in_flight += 1
        try:
            async with self._http().post(server.url, data=body, headers=headers) as response:
                return ModelResponse(
                    response.status,
                    response.headers.get("Content-Type", "application/octet-stream"),
                    response.headers.get(_CUSTOM_ATTRIBUTES),
                    await response.read(),
                )
        finally:
            server.in_flight -= 1

    def _http(self) -> aiohttp.ClientSession:
        """The connections of the loop that serves now; tests make several loops."""
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                # Shorter than any server keeps an idle connection, so that none is closed just
                # when a request goes out on it.
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_SECONDS),
                timeout=aiohttp.ClientTimeout(total=MODEL_SECONDS, connect=_CONNECT_SECONDS),
                auto_decompress=False,
                skip_auto_headers=("User-Agent", "Content-Type", "Accept-Encoding"),
            )
        return self._session
