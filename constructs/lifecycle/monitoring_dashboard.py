"""One page that shows how the endpoint and its traffic are doing."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from lifecycle.monitoring_alarms import MonitoringAlarms, Watched
from lifecycle.parity_alarms import ParityAlarms

__all__ = ["MonitoringDashboard"]

HALF = 12
FULL = 24


class MonitoringDashboard(Construct):
    """Shows alarms, drift by feature, analyzed records, and the endpoint's load and latency.

    Args:
        dashboard_name: Physical name; people look for it.
        watched: What is watched, and where its metrics are.
        variant_name: The endpoint's production variant.
        alarms: The alarms to show.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        dashboard_name: str,
        watched: Watched,
        variant_name: str,
        alarms: MonitoringAlarms,
    ) -> None:
        super().__init__(scope, construct_id)
        self._dimensions = {"EndpointName": watched.endpoint_name, "VariantName": variant_name}
        dashboard = cloudwatch.Dashboard(self, "Dashboard", dashboard_name=dashboard_name)
        self._dashboard = dashboard
        dashboard.add_widgets(
            cloudwatch.AlarmStatusWidget(
                title="Alarms",
                width=FULL,
                alarms=alarms.all,
            )
        )
        dashboard.add_widgets(
            _graph("Violations", watched.by_monitor("Violations", "Maximum")),
            _graph("Analyzed records", watched.by_monitor("MonitoredRecords", "Sum")),
        )
        dashboard.add_widgets(
            cloudwatch.GraphWidget(
                title="Drift by feature",
                width=FULL,
                left=[_drift_by_feature(watched.metric_namespace, watched.endpoint_name)],
            )
        )
        dashboard.add_widgets(*self._endpoint_graphs())
        self.dashboard_name = dashboard_name

    def add_parity(self, parity: ParityAlarms) -> None:
        """Also shows whether the endpoint answers with training's features."""
        rate = parity.metric("ParityMismatchRate", "Maximum")
        counts = ("ParityDefects", "ParityLate", "ParityDegraded")
        self._dashboard.add_widgets(
            cloudwatch.AlarmStatusWidget(
                title="Parity of features", width=FULL, alarms=list(parity.alarms)
            )
        )
        self._dashboard.add_widgets(
            _graph("Answers that differ from batch (%)", [rate]),
            _graph("Causes", [parity.metric(name, "Maximum") for name in counts]),
        )

    def _endpoint_graphs(self) -> list[cloudwatch.IWidget]:
        metric = self._endpoint_metric
        errors = [metric(f"Invocation{kind}Errors", "Sum") for kind in ("4XX", "5XX")]
        latency = [metric("ModelLatency", "p50"), metric("ModelLatency", "p99")]
        return [
            _graph("Requests and errors", [metric("Invocations", "Sum"), *errors]),
            _graph("Latency (microseconds)", [*latency, metric("OverheadLatency", "p99")]),
        ]

    def _endpoint_metric(self, name: str, statistic: str) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace="AWS/SageMaker",
            metric_name=name,
            dimensions_map=self._dimensions,
            statistic=statistic,
            label=f"{name} {statistic}",
            period=Duration.minutes(5),
        )


def _graph(title: str, metrics: list[cloudwatch.Metric]) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(title=title, width=HALF, left=metrics)


def _drift_by_feature(namespace: str, endpoint_name: str) -> cloudwatch.MathExpression:
    """Every feature there is by then; the stack need not know their names."""
    search = (
        f'{{{namespace},Endpoint,Feature}} MetricName="FeatureDrift" Endpoint="{endpoint_name}"'
    )
    return cloudwatch.MathExpression(
        expression=f"SEARCH('{search}', 'Maximum', 3600)",
        using_metrics={},
        label="",
        period=Duration.hours(1),
    )
