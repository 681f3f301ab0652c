"""Metrics that training jobs print, found by their regular expressions while the jobs run."""

import re
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any

from local_aws.sagemaker.errors import validation


class MetricWatch:
    """Every value that a job's metric definitions find in its output.

    watch = MetricWatch([{"Name": "loss", "Regex": "loss=([0-9.]+);"}])
    watch.read("epoch 1 loss=0.5;")
    watch.values("loss")  # [0.5]

    Raises:
        ServiceError: If an expression cannot be read, or captures nothing.
    """

    def __init__(self, definitions: Iterable[Mapping[str, str]]) -> None:
        self._patterns = {item["Name"]: _compile(item) for item in definitions}
        self._found: dict[str, list[tuple[float, float]]] = {name: [] for name in self._patterns}
        self._lock = threading.Lock()

    def read(self, line: str) -> None:
        """Look for metrics in a line of output."""
        for name, pattern in self._patterns.items():
            for found in pattern.finditer(line):
                try:
                    value = float(found[1])
                except (TypeError, ValueError):
                    continue  # the expression takes more than numbers; AWS ignores that too
                with self._lock:
                    self._found[name].append((round(time.time(), 3), value))

    def values(self, name: str) -> list[float]:
        """The values of a metric so far, in the order in which they were printed."""
        with self._lock:
            return [value for _, value in self._found.get(name, [])]

    def latest(self) -> list[dict[str, Any]]:
        """The last value of each metric, as a job's description has them."""
        with self._lock:
            last = {name: found[-1] for name, found in self._found.items() if found}
        return [
            {"MetricName": name, "Value": value, "Timestamp": at}
            for name, (at, value) in last.items()
        ]


def _compile(definition: Mapping[str, str]) -> re.Pattern[str]:
    name, text = definition["Name"], definition["Regex"]
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise validation(
            f"the Regex of metric '{name}' must be a regular expression, got {text}; {error}"
        ) from error
    if pattern.groups == 0:
        raise validation(
            f"the Regex of metric '{name}' must capture its value, got {text}; put the number in "
            "parentheses"
        )
    return pattern
