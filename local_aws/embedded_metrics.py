"""Metrics that functions and model servers log in CloudWatch's embedded metric format."""

import json
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from local_aws.adapter import logs, metrics

logger = logging.getLogger("fraudloop.metrics")

MARK = '"_aws"'
MOST_VALUES = 100
MOST_DIMENSIONS = 30
_EARLIEST_SECONDS = 14 * 24 * 3600
_LATEST_SECONDS = 2 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """What a document says of one metric, for one of its sets of dimensions."""

    namespace: str
    name: str
    unit: str
    dimensions: dict[str, str]
    values: list[float]
    timestamp: float


def install() -> None:
    """Take metrics out of every log."""
    metrics.keep_few_points()
    logs.on_messages(publish)


def publish(messages: list[str]) -> None:
    """Count the metrics of those messages that hold any."""
    for message in messages:
        if not (MARK in message and message.lstrip().startswith("{")):
            continue
        try:
            found = list(metrics_of(json.loads(message)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            # As on AWS, a log line that only looks like metrics stays a log line.
            logger.warning("a log message holds no valid embedded metrics: %r", error)
            continue
        for metric in found:
            metrics.put_values(
                metric.namespace,
                metric.name,
                metric.dimensions,
                metric.values,
                unit=metric.unit,
                timestamp=metric.timestamp,
            )


def metrics_of(document: dict[str, Any]) -> Iterator[Values]:
    """The values of each metric of a document, once for each set of dimensions.

    Raises:
        KeyError: If it names a metric or a dimension that it does not hold.
        ValueError: If it holds more than CloudWatch takes, or is too old or of the future.
    """
    timestamp = _timestamp(document["_aws"])
    for directive in document["_aws"]["CloudWatchMetrics"]:
        for names in directive.get("Dimensions") or [[]]:
            if len(names) > MOST_DIMENSIONS:
                raise ValueError(f"Dimensions must be at most {MOST_DIMENSIONS}, got {len(names)}")
            dimensions = {name: str(document[name]) for name in names}
            for metric in directive["Metrics"]:
                yield Values(
                    namespace=directive["Namespace"],
                    name=metric["Name"],
                    unit=metric.get("Unit", "None"),
                    dimensions=dimensions,
                    values=_values(metric["Name"], document[metric["Name"]]),
                    timestamp=timestamp,
                )


def _values(name: str, found: Any) -> list[float]:
    values = [float(value) for value in (found if isinstance(found, list) else [found])]
    if len(values) > MOST_VALUES:
        raise ValueError(f"{name} must have at most {MOST_VALUES} values, got {len(values)}")
    return values


def _timestamp(metadata: dict[str, Any]) -> float:
    """Seconds since the epoch; a document says milliseconds."""
    now = time.time()
    timestamp = float(metadata.get("Timestamp", now * 1000)) / 1000
    if not now - _EARLIEST_SECONDS <= timestamp <= now + _LATEST_SECONDS:
        raise ValueError(f"Timestamp must be of the last two weeks, got {timestamp}")
    return timestamp
