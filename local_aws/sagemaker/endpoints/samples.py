"""The samples of how busy scaled variants are, which SageMaker publishes, requests or not."""

import threading
import time
from collections.abc import Mapping

from local_aws import adapter
from local_aws.adapter import metrics
from local_aws.sagemaker.autoscaling.records import TARGET, endpoint_and_variant
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.endpoints.metrics import NAMESPACE
from local_aws.sagemaker.endpoints.routes import LiveEndpoint, Route
from local_aws.settings import SCALING_PERIOD_SECONDS

_SAMPLES_A_PERIOD = 6  # every ten seconds, as SageMaker does
_SHORTEST_SECONDS = 0.1


class Sampler:
    """Samples the concurrency of scaled variants, in a thread from `start` on.

    Args:
        context: Shared state; says which variants are scaled.
        live: All endpoints by name.
    """

    def __init__(self, context: Context, live: Mapping[str, LiveEndpoint]) -> None:
        self._context = context
        self._live = live
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, unless it has begun."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="samples", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        seconds = max(_SHORTEST_SECONDS, SCALING_PERIOD_SECONDS / _SAMPLES_A_PERIOD)
        while True:
            time.sleep(seconds)
            for target in self._context.store.list(TARGET):
                endpoint, variant = endpoint_and_variant(target["ResourceId"])
                live = self._live.get(endpoint)
                for route in () if live is None else (*live.routes, *live.shadows):
                    if route.fleet.spec.variant == variant:
                        self._publish(endpoint, variant, route)

    def _publish(self, endpoint: str, variant: str, route: Route) -> None:
        dimensions = {"EndpointName": endpoint, "VariantName": variant}
        busy = [float(server.in_flight) for server in route.servers]
        with adapter.request_scope(self._context.account, self._context.region):
            for name, values in (
                ("ConcurrentRequestsPerModel", busy),
                # So that a variant without any traffic is known to have none.
                ("InvocationsPerInstance", [0.0]),
            ):
                metrics.put_values(
                    NAMESPACE, name, dimensions, values, unit="None", timestamp=time.time()
                )
