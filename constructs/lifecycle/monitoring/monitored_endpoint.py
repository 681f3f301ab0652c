"""The endpoint that the monitors watch, and its metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch

from pipeline_code.contracts.metrics import Dimension
from pipeline_code.contracts.monitoring import MonitorKind

__all__ = ["DAY", "HOUR", "MonitoredEndpoint"]

HOUR = Duration.hours(1)
DAY = Duration.days(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitoredEndpoint:
    """What is watched, and by whom: what runbooks name.

    Attributes:
        endpoint_name: The endpoint, a dimension of the metrics.
        metric_namespace: Where they are published.
        monitor_names: Schedules or pipelines by kind.
        labels_name: The pipeline that brings labels.
        retry_function_name: The function that repeats failed analyses; a deploy-time value.
    """

    endpoint_name: str
    metric_namespace: str
    monitor_names: Mapping[MonitorKind, str]
    labels_name: str
    retry_function_name: str

    def metric(
        self,
        name: str,
        statistic: str,
        *,
        monitor: str | None = None,
        period: Duration = HOUR,
        label: str | None = None,
    ) -> cloudwatch.Metric:
        """A metric of the endpoint, of one monitor if it is told which, hour by hour."""
        return cloudwatch.Metric(
            namespace=self.metric_namespace,
            metric_name=name,
            dimensions_map={
                Dimension.ENDPOINT: self.endpoint_name,
                **({} if monitor is None else {Dimension.MONITOR: monitor}),
            },
            statistic=statistic,
            period=period,
            label=label,
        )

    def by_monitor(self, name: str, statistic: str) -> list[cloudwatch.Metric]:
        """A line for each kind of monitor."""
        return [
            self.metric(name, statistic, monitor=kind.value, label=kind.value)
            for kind in MonitorKind
        ]
