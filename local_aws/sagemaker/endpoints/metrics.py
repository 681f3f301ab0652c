"""CloudWatch metrics of invocations, as SageMaker publishes them, once a second."""

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from local_aws import adapter
from local_aws.adapter import metrics
from local_aws.sagemaker.context import Context

NAMESPACE = "AWS/SageMaker"
# For what SageMaker does not tell of.
OWN_NAMESPACE = "Local/SageMaker"
_SECONDS = 1.0
_CLIENT_ERROR = 400
_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Invocation:
    """One request that reached a model's server."""

    endpoint: str
    variant: str
    status: int
    model_seconds: float
    overhead_seconds: float
    instances: int


class InvocationMetrics:
    """Collects invocations and puts their metrics."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._waiting: list[Invocation] = []
        self._dropped: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()
        self._work = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, invocation: Invocation) -> None:
        """Count one; costs next to nothing."""
        with self._lock:
            self._waiting.append(invocation)
        self._wake()

    def add_dropped(self, endpoint: str, variant: str) -> None:
        """Count a copy of a request that a shadow variant did not get."""
        with self._lock:
            self._dropped[endpoint, variant] += 1
        self._wake()

    def flush(self) -> None:
        """Put what has been counted."""
        with self._lock:
            invocations, self._waiting = self._waiting, []
            dropped, self._dropped = self._dropped, Counter()
        self._work.clear()
        groups: dict[tuple[str, str], list[Invocation]] = defaultdict(list)
        for invocation in invocations:
            groups[invocation.endpoint, invocation.variant].append(invocation)
        with adapter.request_scope(self._context.account, self._context.region):
            for variant, group in groups.items():
                for name, unit, values in _metrics(group):
                    _put(NAMESPACE, name, variant, unit, values)
            for variant, count in dropped.items():
                _put(OWN_NAMESPACE, "ShadowRequestsDropped", variant, "Count", [float(count)])

    def _wake(self) -> None:
        self._work.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            self._work.wait()
            pause.wait(_SECONDS)
            self.flush()


def _metrics(group: list[Invocation]) -> Iterator[tuple[str, str, list[float]]]:
    """Name, unit and values of each metric of a variant's invocations."""
    yield "Invocations", "None", [1.0] * len(group)
    # Each request counts for its part of the fleet, so their sum is the figure.
    yield "InvocationsPerInstance", "None", [1.0 / max(1, i.instances) for i in group]
    bad = [float(_CLIENT_ERROR <= i.status < _SERVER_ERROR) for i in group]
    yield "Invocation4XXErrors", "None", bad
    yield "Invocation5XXErrors", "None", [float(i.status >= _SERVER_ERROR) for i in group]
    yield "ModelLatency", "Microseconds", [i.model_seconds * 1_000_000 for i in group]
    yield "OverheadLatency", "Microseconds", [i.overhead_seconds * 1_000_000 for i in group]


def _put(
    namespace: str, name: str, variant: tuple[str, str], unit: str, values: list[float]
) -> None:
    dimensions = {"EndpointName": variant[0], "VariantName": variant[1]}
    metrics.put_values(namespace, name, dimensions, values, unit=unit, timestamp=time.time())
