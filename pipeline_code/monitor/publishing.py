"""Tells CloudWatch and EventBridge what an analysis found.

Metrics, in the namespace of the environment:
    FeatureDriftViolations (Endpoint): violations; not published if there was too little data to
        say none, so that an alarm does not take silence for health.
    FeatureDrift (Endpoint, Feature): the distance from the baseline.
    MonitoredRecords (Endpoint): records analyzed; its absence is an alarm of its own.

Event, if there are violations: source `fraudloop.monitor`, detail type `Monitoring Violations
Found`. Missing data alone sends none: there is nothing to retrain on.

Of a batch, `Endpoint` is the name of its pipeline, and the detail type `Batch Violations Found`: it
may be of any time and of anybody, so that nothing is retrained for it.
"""

import json
from typing import Any

from pipeline_code.monitor.settings import Settings
from pipeline_code.monitor.violations import Analysis

__all__ = ["BATCH_DETAIL_TYPE", "EVENT_DETAIL_TYPE", "EVENT_SOURCE", "publish"]

EVENT_SOURCE = "fraudloop.monitor"
EVENT_DETAIL_TYPE = "Monitoring Violations Found"
BATCH_DETAIL_TYPE = "Batch Violations Found"
# PutMetricData takes this many metrics in one call.
METRICS_AT_ONCE = 1_000


class PublishError(Exception):
    """EventBridge did not take the event; the job fails, so that somebody sees it."""


def publish(analysis: Analysis, settings: Settings, *, cloudwatch: Any, events: Any) -> None:
    """Publishes the metrics, then the event; boto3 clients of cloudwatch and events.

    Raises:
        PublishError: EventBridge refused the event.
    """
    metrics = _metrics(analysis, settings.endpoint_name)
    for first in range(0, len(metrics), METRICS_AT_ONCE):
        cloudwatch.put_metric_data(
            Namespace=settings.metric_namespace,
            MetricData=metrics[first : first + METRICS_AT_ONCE],
        )
    if analysis.broken:
        kind = BATCH_DETAIL_TYPE if settings.is_batch else EVENT_DETAIL_TYPE
        _send(events, kind, _detail(analysis, settings))


def _metrics(analysis: Analysis, endpoint_name: str) -> list[dict[str, Any]]:
    endpoint = [{"Name": "Endpoint", "Value": endpoint_name}]
    metrics = [_metric("MonitoredRecords", analysis.records, endpoint)]
    if analysis.enough or analysis.broken:
        metrics.append(_metric("FeatureDriftViolations", len(analysis.broken), endpoint))
    for name, distance in analysis.distances.items():
        dimensions = [*endpoint, {"Name": "Feature", "Value": name}]
        metrics.append(_metric("FeatureDrift", distance, dimensions, unit="None"))
    return metrics


def _metric(
    name: str, value: float, dimensions: list[dict[str, str]], *, unit: str = "Count"
) -> dict[str, Any]:
    return {"MetricName": name, "Dimensions": dimensions, "Value": value, "Unit": unit}


def _detail(analysis: Analysis, settings: Settings) -> dict[str, Any]:
    interval = settings.interval
    return {
        "endpoint_name": settings.endpoint_name,
        "monitoring_schedule_name": settings.schedule_name,
        "violations": len(analysis.broken),
        "violations_uri": f"{settings.results_uri}/constraint_violations.json",
        "features": sorted({violation.feature_name for violation in analysis.broken}),
        "start_time": None if interval.start is None else interval.start.isoformat(),
        "end_time": None if interval.end is None else interval.end.isoformat(),
    }


def _send(events: Any, detail_type: str, detail: dict[str, Any]) -> None:
    answer = events.put_events(
        Entries=[
            {
                "Source": EVENT_SOURCE,
                "DetailType": detail_type,
                "Detail": json.dumps(detail),
            }
        ]
    )
    if answer["FailedEntryCount"]:
        entry = answer["Entries"][0]
        raise PublishError(
            f"event {detail_type} must be taken by EventBridge, got "
            f"{entry.get('ErrorCode')}: {entry.get('ErrorMessage')}"
        )
