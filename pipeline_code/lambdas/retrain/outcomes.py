"""The outcome of each event: one JSON line, which counts it as a metric, too."""

import json
import time
from dataclasses import dataclass
from typing import Any

from pipeline_code.contracts.metrics import Dimension, MetricName

from retrain.settings import RetrainingSettings

__all__ = ["DECLINED", "FAILED", "NOTED", "STARTED", "EventOutcome", "log", "log_outcome"]

STARTED, DECLINED, NOTED, FAILED = "started", "declined", "noted", "failed"
COUNTS = {
    STARTED: MetricName.RETRAININGS_STARTED,
    DECLINED: MetricName.RETRAININGS_DECLINED,
    FAILED: MetricName.RETRAINING_EVENTS_FAILED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EventOutcome:
    """How one event ended.

    Attributes:
        outcome: `started`, `declined`, `noted` or `failed`; what failed comes again.
        reason: Why, in words: of a start, why the model is retrained.
        rule: Of a declined event, the rule that declined it; else empty.
        execution_arn: Of a start, its execution; else empty.
        in_vain: 1 if retraining does not help and an operator has to look, 0 if it may help again;
            None if this event changes nothing about that.
        is_failure: Whether the event says that a retraining failed.
    """

    outcome: str
    reason: str
    rule: str = ""
    execution_arn: str = ""
    in_vain: int | None = None
    is_failure: bool = False


def log(message: str, **fields: object) -> None:
    """Say something."""
    print(json.dumps({"message": message, **fields}, default=str, ensure_ascii=False))


def log_outcome(outcome: EventOutcome, settings: RetrainingSettings, **fields: object) -> None:
    """Say how an event ended, and count it, in CloudWatch's embedded metric format."""
    values: dict[str, object] = {Dimension.ENDPOINT: settings.endpoint_name}
    metrics: list[dict[str, Any]] = []
    if outcome.outcome in COUNTS:
        name = COUNTS[outcome.outcome]
        metrics.append(_metric(name, settings, *([Dimension.REASON] if outcome.rule else [])))
        values |= {name: 1} | ({Dimension.REASON: outcome.rule} if outcome.rule else {})
    if outcome.is_failure:
        metrics.append(_metric(MetricName.RETRAININGS_FAILED, settings))
        values[MetricName.RETRAININGS_FAILED] = 1
    if outcome.in_vain is not None:
        metrics.append(_metric(MetricName.UNCURED_DRIFTS, settings))
        values[MetricName.UNCURED_DRIFTS] = outcome.in_vain
    if metrics:
        now = int(time.time() * 1000)
        values["_aws"] = {"Timestamp": now, "CloudWatchMetrics": metrics}
    log(
        "retraining",
        outcome=outcome.outcome,
        reason=outcome.reason,
        execution_arn=outcome.execution_arn,
        **fields,
        **values,
    )


def _metric(name: MetricName, settings: RetrainingSettings, *also_by: Dimension) -> dict[str, Any]:
    """Of the endpoint, and of the endpoint by each of the other dimensions."""
    endpoint = Dimension.ENDPOINT
    return {
        "Namespace": settings.metric_namespace,
        "Dimensions": [[endpoint], *([endpoint, each] for each in also_by)],
        "Metrics": [{"Name": name, "Unit": "Count"}],
    }
