"""Copies of requests for shadow variants, whose answers nobody waits for.

At most `MOST_IN_FLIGHT` copies are on their way to a variant; what comes on top of them is
dropped and counted, so that a slow shadow costs neither memory nor anybody's time.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp

from local_aws.sagemaker.endpoints.capture import Exchange
from local_aws.sagemaker.endpoints.forwarding import Forwarder, ModelResponse
from local_aws.sagemaker.endpoints.metrics import Invocation, InvocationMetrics
from local_aws.sagemaker.endpoints.routes import Route, sampled

MOST_IN_FLIGHT = 64
_CLIENT_ERROR = 400
_TIMED_OUT = 504
_LOST = 503


class Mirror:
    """Sends shadow variants their share of a production variant's requests."""

    def __init__(self, forwarder: Forwarder, metrics: InvocationMetrics) -> None:
        self._forwarder = forwarder
        self._metrics = metrics
        self._in_flight: Counter[tuple[str, str]] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    def copy(self, endpoint: str, shadows: Sequence[Route], request: Mapping[str, Any]) -> None:
        """Send a request to those shadow variants whose sample it is in; returns at once."""
        for shadow in shadows:
            if not sampled(shadow.weight):
                continue
            key = (endpoint, shadow.fleet.spec.variant)
            if self._in_flight[key] >= MOST_IN_FLIGHT or shadow.least_busy() is None:
                self._metrics.add_dropped(*key)
                continue
            self._in_flight[key] += 1
            task = asyncio.create_task(self._send(endpoint, shadow, request))
            self._tasks.add(task)  # the loop itself keeps tasks weakly only
            task.add_done_callback(self._tasks.discard)

    async def _send(self, endpoint: str, shadow: Route, request: Mapping[str, Any]) -> None:
        variant = shadow.fleet.spec.variant
        asked = time.perf_counter()
        status = _LOST
        try:
            server = shadow.least_busy()
            if server is None:
                return
            answer = await self._forwarder.send(server, request)
            status = answer.status
            offer(shadow, request, answer)
        except TimeoutError:
            status = _TIMED_OUT
        except aiohttp.ClientError:
            status = _LOST
        finally:
            self._in_flight[endpoint, variant] -= 1
            self._metrics.add(
                Invocation(
                    endpoint=endpoint,
                    variant=variant,
                    status=status,
                    model_seconds=time.perf_counter() - asked,
                    overhead_seconds=0.0,
                    instances=max(1, len(shadow.servers)),
                )
            )


def offer(route: Route, request: Mapping[str, Any], answer: ModelResponse) -> None:
    """Have a variant's exchange captured, if it is a success and the variant captures."""
    if route.capture is None or answer.status >= _CLIENT_ERROR:
        return
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
