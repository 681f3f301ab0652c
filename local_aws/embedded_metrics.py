"""Metrics that functions log in CloudWatch's embedded metric format, as Powertools does."""

import json
import logging
from collections.abc import Iterator
from typing import Any

from local_aws.adapter import logs, mappings

logger = logging.getLogger("fraudloop.metrics")

MARK = '"_aws"'


def install() -> None:
    """Take metrics out of every log."""
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
        for namespace, name, value, unit, dimensions in found:
            mappings.record_metric(namespace, name, value, unit, dimensions)


def metrics_of(
    document: dict[str, Any],
) -> Iterator[tuple[str, str, float, str, dict[str, str]]]:
    """Namespace, name, value, unit and dimensions of each metric of a document.

    Raises:
        KeyError: If it names a metric or a dimension that it does not hold.
    """
    for directive in document["_aws"]["CloudWatchMetrics"]:
        for names in directive.get("Dimensions") or [[]]:
            dimensions = {name: str(document[name]) for name in names}
            for metric in directive["Metrics"]:
                values = document[metric["Name"]]
                for value in values if isinstance(values, list) else [values]:
                    unit = metric.get("Unit", "None")
                    yield directive["Namespace"], metric["Name"], float(value), unit, dimensions
