"""Tells CloudWatch and EventBridge what an analysis found.

Metrics, in the namespace of the environment, each with the dimension `EndpointName`:
    MonitoredRecords (Monitor): records analyzed; its absence is an alarm of its own.
    Violations (Monitor): not published if there was too little data to say none, so that an alarm
        does not take silence for health.
    DegradedRecords: records that were answered with less than usual.
    LabelMaturity (Monitor): share of the predictions that are old enough to be judged.
    What the analysis itself measured, as FeatureDrift (Feature).

Events of the source `fraudloop.monitor`: `Monitoring Violations Found`, or `Monitoring Passed` if
there was enough data and nothing is wrong with it. Missing data alone sends none: there is nothing
to retrain on, and nothing to be glad of.

Of a batch, `EndpointName` is the name of its pipeline, and the one event `Batch Violations Found`:
it may be of any time and of anybody, so that nothing is retrained for it.

An analysis that is run again says the same again; only its metrics have another time.
"""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pipeline_code.captures.chunks import Tally
from pipeline_code.contracts.events import BATCH_VIOLATIONS, MONITOR_SOURCE, PASSED, VIOLATIONS
from pipeline_code.contracts.metrics import Dimension, MetricName
from pipeline_code.monitor.analysis import Analysis
from pipeline_code.monitor.settings import AnalysisSettings

__all__ = ["publish"]

# PutMetricData takes this many metrics in one call.
METRICS_AT_ONCE = 1_000

Metric = dict[str, Any]


class PublishError(Exception):
    """EventBridge did not take the event; the job fails, so that an operator sees it."""


def publish(
    analysis: Analysis, tally: Tally, settings: AnalysisSettings, *, cloudwatch: Any, events: Any
) -> None:
    """Publishes the metrics, then the event; boto3 clients of cloudwatch and events.

    Raises:
        PublishError: EventBridge refused the event.
    """
    metrics = _metrics(analysis, tally, settings.endpoint_name)
    for first in range(0, len(metrics), METRICS_AT_ONCE):
        cloudwatch.put_metric_data(
            Namespace=settings.metric_namespace,
            MetricData=metrics[first : first + METRICS_AT_ONCE],
        )
    detail_type = _detail_type(analysis, settings)
    if detail_type is not None:
        _send(events, detail_type, _detail(analysis, settings))


def _metrics(analysis: Analysis, tally: Tally, endpoint_name: str) -> list[Metric]:
    monitor: dict[str, str] = {Dimension.MONITOR: analysis.kind.value}
    metrics = [
        _metric(
            endpoint_name, MetricName.MONITORED_RECORDS, analysis.records, monitor, unit="Count"
        ),
        _metric(endpoint_name, MetricName.DEGRADED_RECORDS, tally.degraded.total(), unit="Count"),
    ]
    if analysis.enough or analysis.broken:
        broken = len(analysis.broken)
        metrics.append(_metric(endpoint_name, MetricName.VIOLATIONS, broken, monitor, unit="Count"))
    if analysis.maturity is not None:
        metrics.append(
            _metric(endpoint_name, MetricName.LABEL_MATURITY, analysis.maturity, monitor)
        )
    metrics += [
        _metric(endpoint_name, each.metric, each.value, each.dimensions, unit=each.unit)
        for each in analysis.measures
    ]
    return metrics


def _metric(
    endpoint_name: str,
    name: str,
    value: float,
    dimensions: Mapping[str, str] = MappingProxyType({}),
    *,
    unit: str = "None",
) -> Metric:
    named = {Dimension.ENDPOINT: endpoint_name, **dimensions}
    return {
        "MetricName": name,
        "Dimensions": [{"Name": key, "Value": text} for key, text in named.items()],
        "Value": value,
        "Unit": unit,
    }


def _detail_type(analysis: Analysis, settings: AnalysisSettings) -> str | None:
    if analysis.broken:
        return BATCH_VIOLATIONS if settings.is_batch else VIOLATIONS
    return PASSED if analysis.enough and not settings.is_batch else None


def _detail(analysis: Analysis, settings: AnalysisSettings) -> dict[str, Any]:
    interval = settings.interval
    return {
        "endpoint_name": settings.endpoint_name,
        "monitor_kind": analysis.kind.value,
        "monitoring_schedule_name": settings.schedule_name,
        "model_version": settings.model_version,
        "violations": len(analysis.broken),
        "violations_uri": f"{settings.results_uri}/constraint_violations.json",
        "report_uri": f"{settings.results_uri}/report.html",
        "features": sorted({violation.subject for violation in analysis.broken}),
        "start_time": None if interval.start is None else interval.start.isoformat(),
        "end_time": None if interval.end is None else interval.end.isoformat(),
    }


def _send(events: Any, detail_type: str, detail: dict[str, Any]) -> None:
    entry = {"Source": MONITOR_SOURCE, "DetailType": detail_type, "Detail": json.dumps(detail)}
    answer = events.put_events(Entries=[entry])
    if answer["FailedEntryCount"]:
        refused = answer["Entries"][0]
        raise PublishError(
            f"event {detail_type} must be taken by EventBridge, got "
            f"{refused.get('ErrorCode')}: {refused.get('ErrorMessage')}"
        )
