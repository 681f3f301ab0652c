"""When an endpoint counts as unhealthy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from aws_cdk import CfnCondition, Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

__all__ = ["EndpointAlarms", "HealthConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthConfig:
    """What an endpoint may get wrong before its alarms go off.

    Attributes:
        max_errors_per_minute: More failed requests (status 5xx) in a minute are an alarm.
        max_latency_milliseconds: The slowest hundredth of the requests may take so long.
    """

    max_errors_per_minute: int = 0
    max_latency_milliseconds: int = 500

    def __post_init__(self) -> None:
        if self.max_errors_per_minute < 0:
            raise ValueError(
                f"max_errors_per_minute must be at least 0, got {self.max_errors_per_minute}; "
                "use 0 to tolerate none"
            )
        if self.max_latency_milliseconds < 1:
            raise ValueError(
                "max_latency_milliseconds must be at least 1, got "
                f"{self.max_latency_milliseconds}; give what callers can wait for"
            )


class EndpointAlarms(Construct):
    """Watches one variant for failed and for slow requests.

    Guarantees:
        An endpoint without traffic is healthy.

    Args:
        endpoint_name: The endpoint.
        variant_name: Its variant.
        condition: When there is an endpoint at all.
        config: The limits.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint_name: str,
        variant_name: str,
        condition: CfnCondition,
        config: HealthConfig,
    ) -> None:
        super().__init__(scope, construct_id)
        self._condition = condition
        self._dimensions = {"EndpointName": endpoint_name, "VariantName": variant_name}
        errors = self._define_alarm(
            "Errors",
            metric=self._metric("Invocation5XXErrors", "Sum"),
            threshold=config.max_errors_per_minute,
            description=f"Requests to {endpoint_name} fail with a status of 500 or above",
        )
        latency = self._define_alarm(
            "Latency",
            metric=self._metric("ModelLatency", "p99"),
            # SageMaker reports it in microseconds.
            threshold=config.max_latency_milliseconds * 1000,
            description=f"The slowest hundredth of the requests to {endpoint_name} is too slow",
        )
        self.alarms: tuple[cloudwatch.Alarm, ...] = (errors, latency)

    @property
    def names(self) -> list[str]:
        """The alarms' names, for a rollout to watch."""
        return [alarm.alarm_name for alarm in self.alarms]

    def _metric(self, name: str, statistic: str) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace="AWS/SageMaker",
            metric_name=name,
            dimensions_map=self._dimensions,
            statistic=statistic,
            period=Duration.minutes(1),
        )

    def _define_alarm(
        self, construct_id: str, *, metric: cloudwatch.Metric, threshold: int, description: str
    ) -> cloudwatch.Alarm:
        alarm = cloudwatch.Alarm(
            self,
            construct_id,
            metric=metric,
            threshold=threshold,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            evaluation_periods=1,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            alarm_description=description,
        )
        resource = cast(cloudwatch.CfnAlarm, alarm.node.default_child)
        resource.cfn_options.condition = self._condition
        return alarm
