"""The graphs of the monitors' dashboard, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch

from lifecycle.monitoring.monitored_endpoint import DAY, HOUR, MonitoredEndpoint
from pipeline_code.contracts.metrics import Dimension, MetricName
from pipeline_code.contracts.monitoring import LABELS, MonitorKind

__all__ = ["FULL", "HALF", "MonitoringGraphs", "graph"]

HALF = 12
FULL = 24
MINUTES = Duration.minutes(5)
SHARE = cloudwatch.YAxisProps(min=0, max=1)

Widgets = list[cloudwatch.IWidget]


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitoringGraphs:
    """What can be seen of an endpoint and of what watches it.

    Attributes:
        watched: What is watched, and where its metrics are.
        variant_name: The endpoint's production variant.
    """

    watched: MonitoredEndpoint
    variant_name: str

    def rows(self) -> list[Widgets]:
        """From what answers callers to what keeps it good."""
        return [
            self._now(),
            self._traffic(),
            self._scores(),
            self._found(),
            [
                self._by(
                    "Drift by feature (PSI)",
                    MetricName.FEATURE_DRIFT,
                    Dimension.FEATURE,
                    HOUR,
                    width=FULL,
                )
            ],
            self._quality(),
            self._attribution(),
            self._retraining(),
        ]

    def _now(self) -> Widgets:
        return [
            cloudwatch.SingleValueWidget(
                title="The model that answers",
                width=FULL,
                metrics=[
                    self._watched(MetricName.CHAMPION_AGE_DAYS, "Maximum", label="Age in days"),
                    self._quality_metric("AveragePrecision"),
                    self.watched.metric(
                        MetricName.LABEL_MATURITY,
                        "Maximum",
                        monitor=LABELS,
                        period=DAY,
                        label="Share of predictions that are judged",
                    ),
                    self._watched(
                        MetricName.RETRAININGS_STARTED, "Sum", label="Retrainings of the day"
                    ),
                ],
            )
        ]

    def _traffic(self) -> Widgets:
        metric = self._of_sagemaker
        errors = [metric(f"Invocation{kind}Errors", "Sum") for kind in ("4XX", "5XX")]
        latency = [metric("ModelLatency", each) for each in ("p50", "p90", "p99")]
        return [
            graph("Requests and errors", [metric("Invocations", "Sum"), *errors]),
            graph("Latency (microseconds)", [*latency, metric("OverheadLatency", "p99")]),
        ]

    def _scores(self) -> Widgets:
        answers, flagged = (
            self._of_server(name, "Sum") for name in (MetricName.ANSWERS, MetricName.FLAGGED)
        )
        share = cloudwatch.MathExpression(
            expression="100 * flagged / answers",
            using_metrics={"flagged": flagged, "answers": answers},
            label="Flagged (%)",
            period=MINUTES,
        )
        percentiles = [
            self._of_server(MetricName.SCORE, each) for each in ("p10", "p50", "p90", "p99")
        ]
        return [
            cloudwatch.GraphWidget(
                title="Score distribution", width=HALF, left=percentiles, left_y_axis=SHARE
            ),
            graph("Flagged for review or declined (%)", [share]),
        ]

    def _found(self) -> Widgets:
        by_monitor = self.watched.by_monitor
        return [
            graph("Violations", by_monitor(MetricName.VIOLATIONS, "Maximum")),
            graph("Analyzed records", by_monitor(MetricName.MONITORED_RECORDS, "Sum")),
        ]

    def _quality(self) -> Widgets:
        figures = ("AveragePrecision", "AucRoc", "CardPrecision", "CalibrationError")
        maturity = [
            self.watched.metric(
                MetricName.LABEL_MATURITY,
                "Maximum",
                monitor=kind.value,
                period=DAY,
                label=f"{kind}: judged",
            )
            for kind in MonitorKind
            if kind.needs_labels
        ]
        return [
            cloudwatch.GraphWidget(
                title="Model quality, and the share of predictions that it is judged by",
                width=HALF,
                left=[self._quality_metric(name) for name in figures],
                left_y_axis=SHARE,
                right=maturity,
                right_y_axis=SHARE,
            ),
            self._by(
                "Difference between segments", MetricName.BIAS_DIFFERENCE, Dimension.SEGMENT, DAY
            ),
        ]

    def _attribution(self) -> Widgets:
        lines = [
            self._watched(
                MetricName.ATTRIBUTION_RANK, "Minimum", label="Agreement of the ranks (NDCG)"
            ),
            self._watched(MetricName.ATTRIBUTION_SHIFT, "Maximum", label="Shift of the shares"),
        ]
        age = self._watched(
            MetricName.CHAMPION_AGE_DAYS, "Maximum", label="Days since it was registered"
        )
        return [graph("Feature attribution", lines), graph("Champion's age", [age])]

    def _retraining(self) -> Widgets:
        counts = (
            MetricName.RETRAININGS_STARTED,
            MetricName.RETRAININGS_DECLINED,
            MetricName.RETRAININGS_FAILED,
        )
        uncured = self._watched(MetricName.UNCURED_DRIFTS, "Maximum")
        failed = self.watched.by_monitor(MetricName.ANALYSES_FAILED, "Sum")
        return [
            graph("Retraining", [*(self._watched(name, "Sum") for name in counts), uncured]),
            graph("Analyses that failed", failed),
        ]

    def _by(
        self, title: str, metric: str, dimension: str, period: Duration, *, width: int = HALF
    ) -> cloudwatch.IWidget:
        """A line for each value of a dimension that there is by then; the stack knows none."""
        search = (
            f"{{{self.watched.metric_namespace},{Dimension.ENDPOINT},{dimension}}} "
            f'MetricName="{metric}" {Dimension.ENDPOINT}="{self.watched.endpoint_name}"'
        )
        found = cloudwatch.MathExpression(
            expression=f"SEARCH('{search}', 'Maximum', {period.to_seconds()})",
            using_metrics={},
            label="",
            period=period,
        )
        return cloudwatch.GraphWidget(title=title, width=width, left=[found])

    def _watched(self, name: str, statistic: str, label: str | None = None) -> cloudwatch.Metric:
        return self.watched.metric(name, statistic, period=DAY, label=label or name)

    def _quality_metric(self, name: str) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace=self.watched.metric_namespace,
            metric_name=MetricName.MODEL_QUALITY,
            dimensions_map={
                Dimension.ENDPOINT: self.watched.endpoint_name,
                Dimension.FIGURE: name,
            },
            statistic="Average",
            label=name,
            period=DAY,
        )

    def _of_sagemaker(self, name: str, statistic: str) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace="AWS/SageMaker",
            metric_name=name,
            dimensions_map={
                "EndpointName": self.watched.endpoint_name,
                "VariantName": self.variant_name,
            },
            statistic=statistic,
            label=f"{name} {statistic}",
            period=MINUTES,
        )

    def _of_server(self, name: str, statistic: str) -> cloudwatch.Metric:
        """What the server itself says; SageMaker knows of no scores."""
        return cloudwatch.Metric(
            namespace=self.watched.metric_namespace,
            metric_name=name,
            dimensions_map={Dimension.ENDPOINT: self.watched.endpoint_name},
            statistic=statistic,
            label=f"{name} {statistic}",
            period=MINUTES,
        )


def graph(title: str, metrics: Sequence[cloudwatch.IMetric]) -> cloudwatch.GraphWidget:
    """A graph that takes half of a row."""
    return cloudwatch.GraphWidget(title=title, width=HALF, left=list(metrics))
