"""One page that shows how the endpoint and its traffic are doing."""

from __future__ import annotations

from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from lifecycle.monitoring.alarms import MonitoringAlarms
from lifecycle.monitoring.costs import CostConfig, cost_widgets
from lifecycle.monitoring.graphs import FULL, MonitoringGraphs, graph
from lifecycle.monitoring.monitored_endpoint import MonitoredEndpoint
from lifecycle.parity.alarms import ParityAlarms
from pipeline_code.contracts.metrics import MetricName

__all__ = ["MonitoringDashboard"]


class MonitoringDashboard(Construct):
    """Shows at a glance what is wrong, what is asked and answered, and what it costs.

    From top to bottom: alarms; the deployed model's age, quality and maturity of labels; traffic,
    latency and scores; what the monitors found; retraining; cost by day.

    Args:
        dashboard_name: Physical name; operators look for it.
        watched: What is watched, and where its metrics are.
        variant_name: The endpoint's production variant.
        alarms: The alarms to show.
        costs: What instances cost.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        dashboard_name: str,
        watched: MonitoredEndpoint,
        variant_name: str,
        alarms: MonitoringAlarms,
        costs: CostConfig,
    ) -> None:
        super().__init__(scope, construct_id)
        dashboard = cloudwatch.Dashboard(self, "Dashboard", dashboard_name=dashboard_name)
        self._dashboard = dashboard
        dashboard.add_widgets(
            cloudwatch.AlarmStatusWidget(title="Alarms", width=FULL, alarms=alarms.all)
        )
        for row in MonitoringGraphs(watched=watched, variant_name=variant_name).rows():
            dashboard.add_widgets(*row)
        dashboard.add_widgets(*cost_widgets(watched.endpoint_name, variant_name, costs))
        self.dashboard_name = dashboard_name

    def add_parity(self, parity: ParityAlarms) -> None:
        """Also shows whether the endpoint answers with training's features."""
        rate = parity.metric(MetricName.PARITY_MISMATCH_RATE, "Maximum")
        counts = (MetricName.PARITY_DEFECTS, MetricName.PARITY_LATE, MetricName.PARITY_DEGRADED)
        self._dashboard.add_widgets(
            cloudwatch.AlarmStatusWidget(
                title="Parity of features", width=FULL, alarms=list(parity.alarms)
            )
        )
        self._dashboard.add_widgets(
            graph("Answers that differ from batch (%)", [rate]),
            graph("Causes", [parity.metric(name, "Maximum") for name in counts]),
        )
