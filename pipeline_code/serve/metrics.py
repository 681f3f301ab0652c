"""Metrics in CloudWatch's embedded metric format, a line a second on standard output.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html

Guarantees:
    Requests only note numbers; lines are written by a thread of their own.
    A line holds no personal data and at most 100 values of a metric, which is what CloudWatch
    takes. Of more a random sample is sent: percentiles stay right, and what is counted is a metric
    of its own.
"""

import json
import os
import random
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from pipeline_code.contracts.metrics import Dimension, MetricName
from pipeline_code.contracts.serving import Decision
from pipeline_code.serve.scoring import ScoringResponse

__all__ = ["Meter", "MetricsConfig"]

MOST_VALUES = 100
SECONDS_BETWEEN_LINES = 1.0
# Some digits less keep a line short enough to be written whole by each of several workers.
DIGITS = 4
# Names and units; the lists first, then what is counted.
LISTS: dict[str, str] = {
    MetricName.FEATURE_MILLISECONDS: "Milliseconds",
    MetricName.MODEL_MILLISECONDS: "Milliseconds",
    MetricName.REST_MILLISECONDS: "Milliseconds",
    MetricName.SCORE: "None",
}
COUNTS = (
    MetricName.ANSWERS,
    MetricName.DEGRADED,
    MetricName.FAILED_ANSWERS,
    MetricName.FLAGGED,
    MetricName.REQUESTS,
    MetricName.STORE_THROTTLES,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsConfig:
    """Where metrics belong.

    Args:
        namespace: CloudWatch's.
        endpoint_name: The endpoint, a dimension.
        model_version: The model package, another.
    """

    namespace: str
    endpoint_name: str
    model_version: str


@dataclass(slots=True)
class _Window:
    """What was noted since the last line."""

    lists: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in LISTS})
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))


class Meter:
    """Notes what a worker does; without a configuration it notes nothing."""

    def __init__(
        self, config: MetricsConfig | None, write: Callable[[str], None] | None = None
    ) -> None:
        self._config = config
        self._write = _to_standard_output if write is None else write
        self._window = _Window()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)

    def start(self) -> None:
        """Starts to write."""
        if self._config is not None:
            self._thread.start()

    def stop(self) -> None:
        """Writes what is left."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(SECONDS_BETWEEN_LINES)
        self.flush()

    def answered(self, answers: ScoringResponse, read_seconds: float, seconds: float) -> None:
        """Notes a request.

        Args:
            answers: What it was answered.
            read_seconds: What reading states took.
            seconds: What the whole took.
        """
        if self._config is None:
            return
        features = read_seconds + answers.feature_seconds
        rest = max(0.0, seconds - features - answers.model_seconds)
        flagged = sum(each not in (None, Decision.APPROVE) for each in answers.decisions)
        with self._lock:
            lists, counts = self._window.lists, self._window.counts
            lists[MetricName.FEATURE_MILLISECONDS].append(features * 1000)
            lists[MetricName.MODEL_MILLISECONDS].append(answers.model_seconds * 1000)
            lists[MetricName.REST_MILLISECONDS].append(rest * 1000)
            lists[MetricName.SCORE] += _sample(answers.scores)
            counts[MetricName.REQUESTS] += 1
            counts[MetricName.ANSWERS] += len(answers.scores)
            counts[MetricName.DEGRADED] += sum(map(bool, answers.degraded or ()))
            counts[MetricName.FLAGGED] += flagged

    def failed(self) -> None:
        """Notes a request that the server could not answer."""
        self._count(MetricName.REQUESTS, MetricName.FAILED_ANSWERS)

    def throttled(self) -> None:
        """Notes a read that the online store refused because there were too many."""
        self._count(MetricName.STORE_THROTTLES)

    def flush(self) -> None:
        """Writes what was noted since the last time, if anything was."""
        with self._lock:
            window, self._window = self._window, _Window()
        if self._config is not None and any(window.counts.values()):
            document = _document(self._config, window, time.time())
            self._write(json.dumps(document, separators=(",", ":")))

    def _count(self, *names: str) -> None:
        with self._lock:
            for name in names:
                self._window.counts[name] += 1

    def _run(self) -> None:
        while not self._stopped.wait(SECONDS_BETWEEN_LINES):
            self.flush()


def _document(config: MetricsConfig, window: _Window, now: float) -> dict[str, Any]:
    lists = {
        name: [round(value, DIGITS) for value in _sample(values)]
        for name, values in window.lists.items()
        if values
    }
    units = {name: LISTS[name] for name in lists} | dict.fromkeys(COUNTS, "Count")
    return {
        "_aws": {
            "Timestamp": int(now * 1000),
            "CloudWatchMetrics": [
                {
                    "Namespace": config.namespace,
                    "Dimensions": [
                        [Dimension.ENDPOINT],
                        [Dimension.ENDPOINT, Dimension.MODEL_VERSION],
                    ],
                    "Metrics": [{"Name": name, "Unit": unit} for name, unit in units.items()],
                }
            ],
        },
        Dimension.ENDPOINT: config.endpoint_name,
        Dimension.MODEL_VERSION: config.model_version,
        **lists,
        **window.counts,
    }


def _sample(values: list[float]) -> Iterable[float]:
    # No secret and no model depends on which ones.
    return values if len(values) <= MOST_VALUES else random.sample(values, MOST_VALUES)


def _to_standard_output(line: str) -> None:
    # One call for the whole line: workers share the stream.
    os.write(1, (line + "\n").encode())
