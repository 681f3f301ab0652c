"""CloudWatch metrics of invocations, as SageMaker publishes them, once a second."""

import logging
import threading
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local_aws.sagemaker.context import Context

NAMESPACE = "AWS/SageMaker"
_LOG = logging.getLogger(__name__)
_SECONDS = 1.0
_VALUES_PER_DATUM = 150  # CloudWatch's limit
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


class InvocationMetrics:
    """Collects invocations and puts their metrics."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._client: Any = None
        self._waiting: list[Invocation] = []
        self._lock = threading.Lock()
        self._work = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, invocation: Invocation) -> None:
        """Count one; costs next to nothing."""
        with self._lock:
            self._waiting.append(invocation)
        self._work.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)
            self._thread.start()

    def flush(self) -> None:
        """Put what has been counted."""
        with self._lock:
            invocations, self._waiting = self._waiting, []
        self._work.clear()
        data = _data(invocations)
        if self._client is None:
            self._client = self._context.admin_session().client("cloudwatch")
        for start in range(0, len(data), 20):
            self._client.put_metric_data(Namespace=NAMESPACE, MetricData=data[start : start + 20])

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
        common = {
            "Timestamp": now,
            "Dimensions": [
                {"Name": "EndpointName", "Value": endpoint},
                {"Name": "VariantName", "Value": variant},
            ],
        }
        bad = [float(_CLIENT_ERROR <= i.status < _SERVER_ERROR) for i in group]
        broken = [float(i.status >= _SERVER_ERROR) for i in group]
        model = [round(i.model_seconds * 1_000_000, 1) for i in group]
        overhead = [round(i.overhead_seconds * 1_000_000, 1) for i in group]
        for name, unit, values in (
            ("Invocations", "None", [1.0] * len(group)),
            ("Invocation4XXErrors", "None", bad),
            ("Invocation5XXErrors", "None", broken),
            ("ModelLatency", "Microseconds", model),
            ("OverheadLatency", "Microseconds", overhead),
        ):
            data += [
                {**common, "MetricName": name, "Unit": unit, **part} for part in _parts(values)
            ]
    return data


def _parts(values: list[float]) -> list[dict[str, list[float]]]:
    """Values with their counts, as few a datum as CloudWatch takes."""
    counts: dict[float, float] = defaultdict(float)
    for value in values:
        counts[value] += 1.0
    items = list(counts.items())
    chunks = [items[i : i + _VALUES_PER_DATUM] for i in range(0, len(items), _VALUES_PER_DATUM)]
    return [{"Values": [v for v, _ in c], "Counts": [n for _, n in c]} for c in chunks]
