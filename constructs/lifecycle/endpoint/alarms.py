"""The alarms of an endpoint: what rolls a new version back, and what only operators are told of."""

from __future__ import annotations

from typing import cast

from aws_cdk import CfnCondition, Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from lifecycle.alarms.alarm_topic import AlarmTopic
from lifecycle.endpoint.health import HealthConfig
from pipeline_code.contracts.metrics import Dimension, MetricName

__all__ = ["EndpointAlarms"]

MINUTE, FIVE_MINUTES = Duration.minutes(1), Duration.minutes(5)
ABOVE = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD
BELOW = cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD


class EndpointAlarms(Construct):
    """Watches the endpoint for failed and slow requests, and one version for what it answers.

    SageMaker's own metrics are of old and new fleet together. The server's are of each version, so
    that an alarm on the approved version judges during a rollout exactly the one that is new.

    Guarantees:
        An endpoint without traffic is healthy; so is a version with too few answers to judge.
        Every alarm notifies the topic.

    Args:
        endpoint_name: The endpoint.
        variant_name: Its production variant.
        model_version: The approved package, a dimension of the server's metrics.
        metric_namespace: Where the server publishes them.
        condition: When there is an endpoint at all.
        topic: Who is told.
        config: The limits.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint_name: str,
        variant_name: str,
        model_version: str,
        metric_namespace: str,
        condition: CfnCondition,
        topic: AlarmTopic,
        config: HealthConfig,
    ) -> None:
        super().__init__(scope, construct_id)
        self._condition = condition
        self._config = config
        self._namespace = metric_namespace
        self._endpoint: dict[str, str] = {Dimension.ENDPOINT: endpoint_name}
        self._variant = {**self._endpoint, "VariantName": variant_name}
        self._version = {**self._endpoint, Dimension.MODEL_VERSION: model_version}
        self.rolling_back: tuple[cloudwatch.Alarm, ...] = (
            *self._define_request_alarms(),
            *self._define_score_alarms(),
        )
        self.notifying: tuple[cloudwatch.Alarm, ...] = (
            *self._define_degraded_alarm(),
            self._define_throttled_alarm(),
            self._define_unmeasured_alarm(),
        )
        topic.notify_of(*self.rolling_back, *self.notifying)

    @property
    def names(self) -> list[str]:
        """The names of the alarms that a rollout watches."""
        return [alarm.alarm_name for alarm in self.rolling_back]

    def _define_request_alarms(self) -> list[cloudwatch.Alarm]:
        config = self._config
        return [
            self._define_alarm(
                "Errors",
                metric=self._sagemaker_metric("Invocation5XXErrors", "Sum"),
                threshold=config.max_errors_per_minute,
                description="Requests fail with a status of 500 or above",
            ),
            self._define_alarm(
                "Latency",
                metric=self._sagemaker_metric("ModelLatency", "p99"),
                # SageMaker reports it in microseconds.
                threshold=config.max_latency_milliseconds * 1000,
                description="The slowest hundredth of the requests is too slow",
            ),
            self._define_alarm(
                "FailedAnswers",
                metric=self._server_metric(MetricName.FAILED_ANSWERS, "Sum", self._version),
                threshold=config.max_errors_per_minute,
                description="The approved version fails to answer",
            ),
        ]

    def _define_score_alarms(self) -> list[cloudwatch.Alarm]:
        limits = self._config.scores
        alarms = []
        if limits.max_flagged_percent is not None:
            alarms.append(
                self._define_alarm(
                    "Flagged",
                    metric=self._share(MetricName.FLAGGED, self._version),
                    threshold=limits.max_flagged_percent,
                    description="The approved version asks to review or decline too large a share "
                    "(percent) of the transactions",
                )
            )
        # Each expression gives a harmless value while there are too few answers.
        for construct_id, limit, comparison, harmless in (
            ("HighScores", limits.max_mean, ABOVE, 0),
            ("LowScores", limits.min_mean, BELOW, 1),
        ):
            if limit is not None:
                alarms.append(
                    self._define_alarm(
                        construct_id,
                        metric=self._judged(
                            f"IF(answers >= {limits.min_answers}, score, {harmless})",
                            score=self._server_metric(MetricName.SCORE, "Average", self._version),
                            answers=self._server_metric(MetricName.ANSWERS, "Sum", self._version),
                        ),
                        threshold=limit,
                        comparison=comparison,
                        description="The mean score of the approved version is out of bounds",
                    )
                )
        return alarms

    def _define_degraded_alarm(self) -> list[cloudwatch.Alarm]:
        limit = self._config.max_degraded_percent
        if limit is None:
            return []
        return [
            self._define_alarm(
                "Degraded",
                metric=self._share(MetricName.DEGRADED, self._endpoint),
                threshold=limit,
                description="Too large a share (percent) of the answers lacks the online store's "
                "features: see the reasons in the server's log",
            )
        ]

    def _define_throttled_alarm(self) -> cloudwatch.Alarm:
        metric = self._server_metric(MetricName.STORE_THROTTLES, "Sum", self._endpoint)
        return self._define_alarm(
            "Throttled",
            metric=metric.with_(period=FIVE_MINUTES),
            threshold=0,
            description="Feature Store throttles the server's reads: what is refused twice gets a "
            "degraded answer. See docs/capacity.md: ask AWS for more calls",
        )

    def _define_unmeasured_alarm(self) -> cloudwatch.Alarm:
        """Without the server's log, the alarms on its metrics sleep and nobody is told."""
        metrics = {
            "answers": self._server_metric(MetricName.ANSWERS, "Sum", self._endpoint),
            "invocations": self._sagemaker_metric("Invocations", "Sum"),
            "refused": self._sagemaker_metric("Invocation4XXErrors", "Sum"),
            "failed": self._sagemaker_metric("Invocation5XXErrors", "Sum"),
        }
        return self._define_alarm(
            "Unmeasured",
            metric=cloudwatch.MathExpression(
                expression="IF(FILL(answers, 0) > 0, 0, "
                "invocations - FILL(refused, 0) - FILL(failed, 0))",
                using_metrics={
                    name: metric.with_(period=FIVE_MINUTES) for name, metric in metrics.items()
                },
                period=FIVE_MINUTES,
            ),
            threshold=0,
            periods=3,
            description="The server answers and none of its metrics arrive, so that no alarm on "
            "them can go off: see whether its log group has log streams of today",
        )

    def _share(self, name: str, dimensions: dict[str, str]) -> cloudwatch.MathExpression:
        """Percent of the responses that are of one kind, or 0 if there are too few."""
        least = self._config.scores.min_answers
        return self._judged(
            f"IF(answers >= {least}, 100 * FILL(kind, 0) / answers, 0)",
            kind=self._server_metric(name, "Sum", dimensions),
            answers=self._server_metric(MetricName.ANSWERS, "Sum", dimensions),
        )

    def _judged(self, expression: str, **metrics: cloudwatch.IMetric) -> cloudwatch.MathExpression:
        return cloudwatch.MathExpression(
            expression=expression, using_metrics=metrics, period=MINUTE
        )

    def _sagemaker_metric(self, name: str, statistic: str) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace="AWS/SageMaker",
            metric_name=name,
            dimensions_map=self._variant,
            statistic=statistic,
            period=MINUTE,
        )

    def _server_metric(
        self, name: str, statistic: str, dimensions: dict[str, str]
    ) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace=self._namespace,
            metric_name=name,
            dimensions_map=dimensions,
            statistic=statistic,
            period=MINUTE,
        )

    def _define_alarm(
        self,
        construct_id: str,
        *,
        metric: cloudwatch.IMetric,
        threshold: float,
        description: str,
        comparison: cloudwatch.ComparisonOperator = ABOVE,
        periods: int = 1,
    ) -> cloudwatch.Alarm:
        alarm = cloudwatch.Alarm(
            self,
            construct_id,
            metric=metric,
            threshold=threshold,
            comparison_operator=comparison,
            evaluation_periods=periods,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            alarm_description=f"{self._endpoint[Dimension.ENDPOINT]}: {description}",
        )
        resource = cast(cloudwatch.CfnAlarm, alarm.node.default_child)
        resource.cfn_options.condition = self._condition
        return alarm
