"""The alarms of an endpoint: what rolls a new version back, and what only operators are told of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from aws_cdk import CfnCondition, Duration, Fn, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from lifecycle.alarms.alarm_topic import AlarmTopic
from lifecycle.endpoint.chance import LEAST_FOR_PERCENTILE, beyond_chance, shift, slowdown
from lifecycle.endpoint.health import HealthConfig
from pipeline_code.contracts.alarms import VersionAlarm, alarm_name
from pipeline_code.contracts.metrics import Dimension, MetricName

__all__ = ["EndpointAlarms"]

MINUTE = Duration.minutes(1)
# What is of one version is counted over so long. "A sliding window, which advances each time the
# alarm is evaluated" (CloudFormation reference, AWS::CloudWatch::Alarm EvaluationWindow): what is
# plain within a minute is told after one.
WINDOW = Duration.minutes(5)
ABOVE = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD
BELOW = cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD


class EndpointAlarms(Construct):
    """Watches the endpoint for failed and slow requests, and one version for what it answers.

    SageMaker's own metrics are of old and new fleet together. The server's are of each version, so
    that an alarm on the approved version judges during a rollout exactly the one that is new.

    Guarantees:
        An endpoint without traffic is healthy; so is a version with too few answers to judge.
        Shares are judged, and only beyond chance: of few requests and of many.
        What rolls back are alarms of the version's own, which begin without a state.
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
        for alarm in self.rolling_back:
            self._name_of_version(alarm, model_version)
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
        share = config.max_failed_percent / 100
        alarms = [
            self._define_alarm(
                VersionAlarm.ERRORS,
                # Of both fleets: what the server does not live to count.
                metric=self._judged(
                    beyond_chance("failed", f"{share} * calls"),
                    {
                        "failed": self._sagemaker_metric("Invocation5XXErrors", "Sum"),
                        "calls": self._sagemaker_metric("Invocations", "Sum"),
                    },
                    MINUTE,
                ),
                description="More requests fail with a status of 500 or above than may",
            ),
            self._define_alarm(
                VersionAlarm.LATENCY,
                metric=self._judged(
                    f"IF(calls >= {LEAST_FOR_PERCENTILE}, slowest, 0)",
                    {
                        "slowest": self._sagemaker_metric("ModelLatency", "p99"),
                        "calls": self._sagemaker_metric("Invocations", "Sum"),
                    },
                    MINUTE,
                ),
                # SageMaker reports it in microseconds.
                threshold=config.max_latency_milliseconds * 1000,
                periods=3,
                breaching=2,
                description="The slowest hundredth of the requests is too slow",
            ),
            self._define_alarm(
                VersionAlarm.FAILED_ANSWERS,
                metric=self._judged(
                    beyond_chance("failed", f"{share} * requests"),
                    {
                        "failed": self._version_metric(MetricName.FAILED_ANSWERS),
                        "requests": self._version_metric(MetricName.REQUESTS),
                    },
                ),
                description="The approved version fails to answer more requests than may",
            ),
        ]
        if config.max_slowdown is not None:
            alarms.append(self._define_slowdown_alarm(config.max_slowdown))
        return alarms

    def _define_slowdown_alarm(self, limit: float) -> cloudwatch.Alarm:
        """Medians: a large batch now and then moves the mean of a fleet, and says nothing of it."""
        times = (
            MetricName.FEATURE_MILLISECONDS,
            MetricName.MODEL_MILLISECONDS,
            MetricName.REST_MILLISECONDS,
        )
        metrics = {
            f"{who}{number}": self._server_metric(name, "p50", dimensions)
            for number, name in enumerate(times)
            for who, dimensions in (("new", self._version), ("all", self._endpoint))
        }
        return self._define_alarm(
            VersionAlarm.SLOWER,
            metric=self._judged(
                slowdown(limit, parts=len(times)),
                {"requests": self._version_metric(MetricName.REQUESTS), **metrics},
            ),
            description="The approved version takes longer than the endpoint does as a whole",
        )

    def _define_score_alarms(self) -> list[cloudwatch.Alarm]:
        limits = self._config.scores
        alarms = []
        if limits.max_flagged_percent is not None:
            alarms.append(
                self._define_alarm(
                    VersionAlarm.FLAGGED,
                    metric=self._share(MetricName.FLAGGED, self._version),
                    threshold=limits.max_flagged_percent,
                    description="The approved version asks to review or decline too large a share "
                    "(percent) of the transactions",
                )
            )
        if limits.max_flagged_ratio is not None:
            alarms.append(self._define_shift_alarm(limits.max_flagged_ratio))
        # Each expression gives a harmless value while there are too few answers.
        for construct_id, limit, comparison, harmless in (
            (VersionAlarm.HIGH_SCORES, limits.max_mean, ABOVE, 0),
            (VersionAlarm.LOW_SCORES, limits.min_mean, BELOW, 1),
        ):
            if limit is not None:
                alarms.append(
                    self._define_alarm(
                        construct_id,
                        metric=self._judged(
                            f"IF(answers >= {limits.min_answers}, score, {harmless})",
                            {
                                "score": self._server_metric(
                                    MetricName.SCORE, "Average", self._version
                                ),
                                "answers": self._version_metric(MetricName.ANSWERS),
                            },
                        ),
                        threshold=limit,
                        comparison=comparison,
                        description="The mean score of the approved version is out of bounds",
                    )
                )
        return alarms

    def _define_shift_alarm(self, ratio: float) -> cloudwatch.Alarm:
        """The share that is flagged, beside what the old fleet flags in the same minutes.

        An attack is in both; so is a busy hour. Once all traffic is the new version's, there is
        nothing to compare it with, and nothing is said.
        """
        return self._define_alarm(
            VersionAlarm.SHIFTED,
            metric=self._judged(
                shift(ratio),
                {
                    "flagged": self._version_metric(MetricName.FLAGGED),
                    "answers": self._version_metric(MetricName.ANSWERS),
                    "all_flagged": self._server_metric(MetricName.FLAGGED, "Sum", self._endpoint),
                    "every": self._server_metric(MetricName.ANSWERS, "Sum", self._endpoint),
                },
            ),
            description="The approved version asks to review or decline many times as large a "
            "share of the transactions as the version before it",
        )

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
            metric=metric.with_(period=WINDOW),
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
            metric=self._judged(
                "IF(FILL(answers, 0) > 0, 0, invocations - FILL(refused, 0) - FILL(failed, 0))",
                metrics,
            ),
            periods=3,
            description="The server answers and none of its metrics arrive, so that no alarm on "
            "them can go off: see whether its log group has log streams of today",
        )

    def _name_of_version(self, alarm: cloudwatch.Alarm, model_version: str) -> None:
        """Give a version an alarm of its own, whose state begins new.

        "When this operation creates an alarm, the alarm state is immediately set to
        INSUFFICIENT_DATA. [...] When you update an existing alarm, its state is left unchanged"
        (API reference, PutMetricAlarm): by what it said of the version before, a rollout could be
        over before it began.
        """
        # Never too few parts, even of `none`: what is not used is resolved all the same.
        parts = Fn.split("/", Fn.join("", [model_version, "//"]))
        name = alarm_name(Stack.of(self).stack_name, alarm.node.id, Fn.select(2, parts))
        cast(cloudwatch.CfnAlarm, alarm.node.default_child).alarm_name = name

    def _share(self, name: str, dimensions: dict[str, str]) -> cloudwatch.MathExpression:
        """Percent of the responses that are of one kind, or 0 if there are too few."""
        least = self._config.scores.min_answers
        return self._judged(
            f"IF(answers >= {least}, 100 * FILL(kind, 0) / answers, 0)",
            {
                "kind": self._server_metric(name, "Sum", dimensions),
                "answers": self._server_metric(MetricName.ANSWERS, "Sum", dimensions),
            },
        )

    @staticmethod
    def _judged(
        expression: str, metrics: Mapping[str, cloudwatch.Metric], period: Duration = WINDOW
    ) -> cloudwatch.MathExpression:
        of_period = {name: metric.with_(period=period) for name, metric in metrics.items()}
        return cloudwatch.MathExpression(
            expression=expression, using_metrics=of_period, period=period
        )

    def _version_metric(self, name: str) -> cloudwatch.Metric:
        return self._server_metric(name, "Sum", self._version)

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
        description: str,
        threshold: float = 0,
        comparison: cloudwatch.ComparisonOperator = ABOVE,
        periods: int = 1,
        breaching: int | None = None,
    ) -> cloudwatch.Alarm:
        alarm = cloudwatch.Alarm(
            self,
            construct_id,
            metric=metric,
            threshold=threshold,
            comparison_operator=comparison,
            evaluation_periods=periods,
            datapoints_to_alarm=breaching,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            alarm_description=f"{self._endpoint[Dimension.ENDPOINT]}: {description}",
        )
        resource = cast(cloudwatch.CfnAlarm, alarm.node.default_child)
        resource.cfn_options.condition = self._condition
        return alarm
