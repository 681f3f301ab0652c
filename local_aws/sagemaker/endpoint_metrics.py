"""CloudWatch metrics of invocations, as SageMaker publishes them, once a second."""

import logging
import threading
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local_aws.sagemaker.context import Context

NAMESPACE = "AWS/SageMaker"
# For what SageMaker does not tell of.
OWN_NAMESPACE = "Local/SageMaker"
_LOG = logging.getLogger(__name__)
_SECONDS = 1.0
_VALUES_PER_DATUM = 150  # CloudWatch's limit
_DATA_PER_CALL = 20
# Latencies to a percent: thousands of different values a second would fill the server's memory.
_DIGITS = 3
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
        self._put(NAMESPACE, _data(invocations))
        self._put(OWN_NAMESPACE, _dropped(dropped))

    def _put(self, namespace: str, data: list[dict[str, Any]]) -> None:
        client = self._context.admin_client("cloudwatch")
        for start in range(0, len(data), _DATA_PER_CALL):
            part = data[start : start + _DATA_PER_CALL]
            client.put_metric_data(Namespace=namespace, MetricData=part)

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
            try:
                self.flush()
            except (BotoCoreError, ClientError):
                _LOG.warning("metrics of invocations could not be put", exc_info=True)


def _data(invocations: list[Invocation]) -> list[dict[str, Any]]:
    groups: dict[tuple[str, str], list[Invocation]] = defaultdict(list)
    for invocation in invocations:
        groups[invocation.endpoint, invocation.variant].append(invocation)
    now = datetime.now(UTC)
    data = []
    for (endpoint, variant), group in groups.items():
        common = {"Timestamp": now, "Dimensions": dimensions(endpoint, variant)}
        bad = [float(_CLIENT_ERROR <= i.status < _SERVER_ERROR) for i in group]
        broken = [float(i.status >= _SERVER_ERROR) for i in group]
        model = [_rounded(i.model_seconds * 1_000_000) for i in group]
        overhead = [_rounded(i.overhead_seconds * 1_000_000) for i in group]
        for name, unit, values in (
            ("Invocations", "None", [1.0] * len(group)),
            # Each request counts for its part of the fleet, so their sum is the figure.
            ("InvocationsPerInstance", "None", [1.0 / max(1, i.instances) for i in group]),
            ("Invocation4XXErrors", "None", bad),
            ("Invocation5XXErrors", "None", broken),
            ("ModelLatency", "Microseconds", model),
            ("OverheadLatency", "Microseconds", overhead),
        ):
            data += [
                {**common, "MetricName": name, "Unit": unit, **part} for part in _parts(values)
            ]
    return data


def dimensions(endpoint: str, variant: str) -> list[dict[str, str]]:
    """Those of all metrics of a variant."""
    return [
        {"Name": "EndpointName", "Value": endpoint},
        {"Name": "VariantName", "Value": variant},
    ]


def _dropped(counts: Counter[tuple[str, str]]) -> list[dict[str, Any]]:
    return [
        {
            "MetricName": "ShadowRequestsDropped",
            "Dimensions": dimensions(*variant),
            "Unit": "Count",
            "Value": float(count),
        }
        for variant, count in counts.items()
    ]


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def _parts(values: list[float]) -> list[dict[str, list[float]]]:
    """Values with their counts, as few a datum as CloudWatch takes."""
    counts: dict[float, float] = defaultdict(float)
    for value in values:
        counts[value] += 1.0
    items = list(counts.items())
    chunks = [items[i : i + _VALUES_PER_DATUM] for i in range(0, len(items), _VALUES_PER_DATUM)]
    return [{"Values": [v for v, _ in c], "Counts": [n for _, n in c]} for c in chunks]
