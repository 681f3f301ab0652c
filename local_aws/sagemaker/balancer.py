"""Brings invocations to model servers, on the event loop, over connections that stay open."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from local_aws.sagemaker.capture import Capture, Exchange
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.endpoint_metrics import Invocation, InvocationMetrics
from local_aws.sagemaker.errors import ServiceError
from local_aws.sagemaker.fleets import Fleet
from local_aws.sagemaker.servers import Server

MODEL_SECONDS = 60.0  # SageMaker's limit for an answer
_ATTEMPTS = 3
_RETURNING_SECONDS = 30.0
_POLL_SECONDS = 0.05
_CLIENT_ERROR = 400
_SERVER_ERROR = 500
_CUSTOM_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
_INFERENCE_ID = "X-Amzn-SageMaker-Inference-Id"
_UNSUPPORTED = (
    "TargetModel", "TargetContainerHostname", "InferenceComponentName", "SessionId",
    "EnableExplanations",
)  # fmt: skip


class ModelError(ServiceError):
    """The model's server did not answer with success."""

    def __init__(self, message: str, *, original_status: int, original: str, stream: str) -> None:
        super().__init__("ModelError", message, 424)
        self.members = {
            "OriginalStatusCode": original_status,
            "OriginalMessage": original,
            "LogStreamArn": stream,
        }


@dataclass(frozen=True, slots=True)
class Route:
    """A fleet's share of an endpoint's traffic."""

    fleet: Fleet
    weight: float
    capture: Capture | None


@dataclass(slots=True)
class LiveEndpoint:
    """An endpoint as the balancer sees it; replacing `routes` moves all traffic at once."""

    name: str
    routes: tuple[Route, ...] = ()
    returning: bool = False  # after a restart of the embedded AWS, until its servers are back


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model's server said."""

    status: int
    content_type: str
    custom_attributes: str | None
    body: bytes


class Balancer:
    """Picks the variant by weight, and of its servers the least busy one."""

    def __init__(self, context: Context, metrics: InvocationMetrics) -> None:
        self._context = context
        self._metrics = metrics
        self._session: aiohttp.ClientSession | None = None
        self._random = random.Random()  # noqa: S311 - shares of traffic, not secrets

    async def invoke(self, live: LiveEndpoint, request: dict[str, Any]) -> dict[str, Any]:
        """Serve one InvokeEndpoint."""
        started = time.perf_counter()
        for member in _UNSUPPORTED:
            if member in request:
                raise refused(f"The local SageMaker does not support {member}.")
        failure: Exception | None = None
        for _ in range(_ATTEMPTS):
            route, server = await self._pick(live, request.get("TargetVariant"))
            server.in_flight += 1
            asked = time.perf_counter()
            try:
                answer = await self._forward(server, request)
            except TimeoutError:
                self._record(live, route, 504, started, asked)
                raise self._timed_out(live, server) from None
            except aiohttp.ClientError as error:
                # No answer came back: the server ended, or had closed an idle connection.
                failure = error
                continue
            finally:
                server.in_flight -= 1
            self._record(live, route, answer.status, started, asked)
            return self._deliver(live, route, server, request, answer)
        raise ServiceError("ServiceUnavailable", f"No server answered: {failure}", 503)

    async def _pick(self, live: LiveEndpoint, variant: str | None) -> tuple[Route, Server]:
        deadline = time.monotonic() + _RETURNING_SECONDS
        while True:
            routes = _eligible(live, variant)
            ready = [
                route
                for route in routes
                if route.weight > 0 or variant is not None
                if any(server.ready for server in route.fleet.servers)
            ]
            if ready:
                break
            if not live.returning or time.monotonic() > deadline:
                message = f"Endpoint {live.name} has no healthy server at the moment."
                raise ServiceError("ServiceUnavailable", message, 503)
            await asyncio.sleep(_POLL_SECONDS)
        route = self._choose(ready)
        servers = [server for server in route.fleet.servers if server.ready]
        least = min(server.in_flight for server in servers)
        return route, self._random.choice([s for s in servers if s.in_flight == least])

    def _choose(self, routes: Sequence[Route]) -> Route:
        weights = [route.weight for route in routes]
        if len(routes) == 1 or not any(weights):
            return routes[0]
        return self._random.choices(routes, weights)[0]

    async def _forward(self, server: Server, request: dict[str, Any]) -> Answer:
        headers = {"X-Amzn-SageMaker-Forwarded-Api": "InvokeEndpoint"}
        for member, header in (
            ("ContentType", "Content-Type"),
            ("Accept", "Accept"),
            ("CustomAttributes", _CUSTOM_ATTRIBUTES),
            ("InferenceId", _INFERENCE_ID),
        ):
            if member in request:
                headers[header] = request[member]
        body = request.get("Body", b"")
        async with self._http().post(server.url, data=body, headers=headers) as response:
            return Answer(
                response.status,
                response.headers.get("Content-Type", "application/octet-stream"),
                response.headers.get(_CUSTOM_ATTRIBUTES),
                await response.read(),
            )

    def _http(self) -> aiohttp.ClientSession:
        """The connections of the loop that serves now; tests make several loops."""
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=4.0),
                timeout=aiohttp.ClientTimeout(total=MODEL_SECONDS, connect=5.0),
                auto_decompress=False,
                skip_auto_headers=("User-Agent", "Content-Type", "Accept-Encoding"),
            )
        return self._session

    def _deliver(
        self,
        live: LiveEndpoint,
        route: Route,
        server: Server,
        request: dict[str, Any],
        answer: Answer,
    ) -> dict[str, Any]:
        if answer.status >= _CLIENT_ERROR:
            raise self._model_error(live, server, answer)
        if route.capture is not None:
            route.capture.offer(
                Exchange(
                    input_type=request.get("ContentType", "application/octet-stream"),
                    input_body=request.get("Body", b""),
                    output_type=answer.content_type,
                    output_body=answer.body,
                    inference_id=request.get("InferenceId"),
                    custom_attributes=request.get("CustomAttributes"),
                    time=time.time(),
                )
            )
        delivered = {
            "Body": answer.body,
            "ContentType": answer.content_type,
            "InvokedProductionVariant": route.fleet.spec.variant,
        }
        if answer.custom_attributes is not None:
            delivered["CustomAttributes"] = answer.custom_attributes
        return delivered

    def _record(
        self, live: LiveEndpoint, route: Route, status: int, started: float, asked: float
    ) -> None:
        now = time.perf_counter()
        self._metrics.add(
            Invocation(
                endpoint=live.name,
                variant=route.fleet.spec.variant,
                status=status,
                model_seconds=now - asked,
                overhead_seconds=asked - started,
            )
        )

    def _model_error(self, live: LiveEndpoint, server: Server, answer: Answer) -> ModelError:
        original = answer.body.decode("utf-8", "replace")
        side = "server" if answer.status >= _SERVER_ERROR else "client"
        group = f"/aws/sagemaker/Endpoints/{live.name}"
        region, account = self._context.region, self._context.account
        message = (
            f'Received {side} error ({answer.status}) from primary with message "{original}". '
            f"See https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}"
            f"#logEventViewer:group={group} in account {account} for more information."
        )
        return ModelError(
            message,
            original_status=answer.status,
            original=original,
            stream=f"arn:aws:logs:{region}:{account}:log-group:{group}"
            f":log-stream:{server.spec.variant}/{server.log_stream}",
        )

    def _timed_out(self, live: LiveEndpoint, server: Server) -> ModelError:
        late = Answer(
            0,
            "text/plain",
            None,
            b"Your invocation timed out while waiting for a response from container primary. "
            b"Review the latency metrics for each container in Amazon CloudWatch, resolve the "
            b"issue, and try again.",
        )
        return self._model_error(live, server, late)


def refused(message: str) -> ServiceError:
    """The runtime's code for a request that cannot be served."""
    return ServiceError("ValidationError", message)


def _eligible(live: LiveEndpoint, variant: str | None) -> tuple[Route, ...]:
    if variant is None:
        return live.routes
    found = tuple(route for route in live.routes if route.fleet.spec.variant == variant)
    if live.routes and not found:
        raise refused(f"Variant {variant} not found for endpoint {live.name}.")
    return found
