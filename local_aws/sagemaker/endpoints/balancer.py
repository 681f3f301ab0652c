"""Brings invocations to model servers, on the event loop."""

import asyncio
import time
from typing import Any

from local_aws.sagemaker.context import Context
from local_aws.sagemaker.endpoints.admission import Admission
from local_aws.sagemaker.endpoints.forwarding import LOST, NOT_SENT, Forwarder, ModelResponse
from local_aws.sagemaker.endpoints.metrics import Invocation, InvocationMetrics
from local_aws.sagemaker.endpoints.mirroring import Mirror, offer
from local_aws.sagemaker.endpoints.routes import LiveEndpoint, Route, choose
from local_aws.sagemaker.endpoints.serverless import ServerlessFleet
from local_aws.sagemaker.endpoints.servers import Server
from local_aws.sagemaker.errors import ServiceError

# For servers that come back after a restart, or start cold.
_RETURNING_SECONDS = 30.0
_POLL_SECONDS = 0.05
_CLIENT_ERROR = 400
_SERVER_ERROR = 500
_LOST = 503
_TIMED_OUT = 504
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


class Balancer:
    """Picks the variant by weight, and of its servers the least busy one."""

    def __init__(self, context: Context, metrics: InvocationMetrics) -> None:
        self._context = context
        self._metrics = metrics
        self._admission = Admission()
        self._forwarder = Forwarder()
        self._mirror = Mirror(self._forwarder, metrics)

    async def invoke(self, live: LiveEndpoint, request: dict[str, Any]) -> dict[str, Any]:
        """Serve one InvokeEndpoint."""
        for member in _UNSUPPORTED:
            if member in request:
                raise refused(f"The local SageMaker does not support {member}.")
        with self._admission.one(live):
            return await self._serve(live, request)

    async def _serve(self, live: LiveEndpoint, request: dict[str, Any]) -> dict[str, Any]:
        started = time.perf_counter()
        unreachable: list[Server] = []
        while True:
            route, server = await self._pick(live, request.get("TargetVariant"), unreachable)
            if not unreachable:
                self._mirror.copy(live.name, live.shadows, request)
            asked = time.perf_counter()
            try:
                answer = await self._forwarder.send(server, request)
            except NOT_SENT:
                unreachable.append(server)
                continue
            except TimeoutError:
                self._record(live, route, _TIMED_OUT, started, asked)
                raise self._model_error(live, server, _LATE) from None
            except LOST as error:
                self._record(live, route, _LOST, started, asked)
                raise _unavailable(f"The server ended before it had answered: {error!r}") from error
            self._record(live, route, answer.status, started, asked)
            return self._deliver(live, route, server, request, answer)

    async def _pick(
        self, live: LiveEndpoint, variant: str | None, unreachable: list[Server]
    ) -> tuple[Route, Server]:
        deadline = time.monotonic() + _RETURNING_SECONDS
        while True:
            ready = [
                (route, server)
                for route in _eligible(live, variant)
                if route.weight > 0 or variant is not None
                if (server := route.least_busy(unreachable)) is not None
            ]
            if ready:
                servers = dict(ready)
                route = choose([*servers])
                if isinstance(route.fleet, ServerlessFleet):
                    route.fleet.wake()
                return route, servers[route]
            waking = [r.fleet for r in live.routes if isinstance(r.fleet, ServerlessFleet)]
            for fleet in waking:
                fleet.wake()
            if not (live.returning or waking) or time.monotonic() > deadline:
                raise _unavailable(f"Endpoint {live.name} has no healthy server at the moment.")
            await asyncio.sleep(_POLL_SECONDS)

    def _deliver(
        self,
        live: LiveEndpoint,
        route: Route,
        server: Server,
        request: dict[str, Any],
        answer: ModelResponse,
    ) -> dict[str, Any]:
        if answer.status >= _CLIENT_ERROR:
            raise self._model_error(live, server, answer)
        offer(route, request, answer)
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
                instances=sum(
                    len(each.servers)
                    for each in live.routes
                    if each.fleet.spec.variant == route.fleet.spec.variant
                ),
            )
        )

    def _model_error(self, live: LiveEndpoint, server: Server, answer: ModelResponse) -> ModelError:
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


_LATE = ModelResponse(
    0,
    "text/plain",
    None,
    b"Your invocation timed out while waiting for a response from container primary. "
    b"Review the latency metrics for each container in Amazon CloudWatch, resolve the "
    b"issue, and try again.",
)


def refused(message: str) -> ServiceError:
    """The runtime's code for a request that cannot be served."""
    return ServiceError("ValidationError", message)


def _unavailable(message: str) -> ServiceError:
    """What AWS's SDKs take as a reason to ask again."""
    return ServiceError("ServiceUnavailable", message, 503)


def _eligible(live: LiveEndpoint, variant: str | None) -> tuple[Route, ...]:
    if variant is None:
        return live.routes
    found = tuple(route for route in live.routes if route.fleet.spec.variant == variant)
    if live.routes and not found:
        raise refused(f"Variant {variant} not found for endpoint {live.name}.")
    return found
