"""The CloudWatch alarms of target tracking: when a variant has too much or too little to do."""

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local_aws import adapter
from local_aws.adapter import alarms
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.errors import unsupported, validation
from local_aws.settings import SCALING_PERIOD_SECONDS

AWS_PERIOD_SECONDS = 60
# How much quicker than on AWS everything goes that is measured in periods.
SPEED = AWS_PERIOD_SECONDS / SCALING_PERIOD_SECONDS
_HIGH_RESOLUTION = 6  # periods of 10 seconds in a minute
_PERIODS_HIGH = 3
_PERIODS_LOW = 15
_LOW_SHARE = 0.9  # AWS lets capacity go only well below the target
_NAMESPACE = "AWS/SageMaker"
_INVOCATIONS = "SageMakerVariantInvocationsPerInstance"
_CONCURRENCY = "SageMakerVariantConcurrentRequestsPerModelHighResolution"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedMetric:
    """The metric that a policy keeps at its target.

    Args:
        namespace: Its namespace.
        name: Its name.
        dimensions: Its dimensions.
        statistic: What is compared with the target.
        period: Seconds of a datapoint.
        target: What it is compared with; a sum's target is that of a period.
        periods_low: For how many periods it must be low.
    """

    namespace: str
    name: str
    dimensions: dict[str, str]
    statistic: str
    period: int
    target: float
    periods_low: int = _PERIODS_LOW


def tracked(policy: Mapping[str, Any]) -> TrackedMetric:
    """What a target tracking policy looks at.

    Raises:
        ServiceError: If it is none that is implemented.
    """
    config = policy["TargetTrackingScalingPolicyConfiguration"]
    target = float(config["TargetValue"])
    if "CustomizedMetricSpecification" in config:
        return _customized(config["CustomizedMetricSpecification"], target)
    if "PredefinedMetricSpecification" not in config:
        raise validation("a policy must have a PredefinedMetricSpecification or a customized one")
    kind = config["PredefinedMetricSpecification"]["PredefinedMetricType"]
    _, endpoint, _, variant = policy["ResourceId"].split("/")
    dimensions = {"EndpointName": endpoint, "VariantName": variant}
    if kind == _INVOCATIONS:
        return TrackedMetric(
            namespace=_NAMESPACE,
            dimensions=dimensions,
            name="InvocationsPerInstance",
            statistic="Sum",
            period=SCALING_PERIOD_SECONDS,
            target=target / SPEED,
        )
    if kind == _CONCURRENCY:
        return TrackedMetric(
            namespace=_NAMESPACE,
            dimensions=dimensions,
            name="ConcurrentRequestsPerModel",
            statistic="Average",
            period=max(1, SCALING_PERIOD_SECONDS // _HIGH_RESOLUTION),
            target=target,
            periods_low=_PERIODS_LOW * _HIGH_RESOLUTION,
        )
    raise unsupported(f"the metric {kind}", f"use {_INVOCATIONS} or {_CONCURRENCY}")


def _customized(spec: Mapping[str, Any], target: float) -> TrackedMetric:
    if "Metrics" in spec:
        raise unsupported("metric math in a scaling policy", "name one metric")
    statistic = spec["Statistic"]
    return TrackedMetric(
        namespace=spec["Namespace"],
        name=spec["MetricName"],
        dimensions={item["Name"]: item["Value"] for item in spec.get("Dimensions", ())},
        statistic=statistic,
        period=SCALING_PERIOD_SECONDS,
        target=target / SPEED if statistic in {"Sum", "SampleCount"} else target,
    )


def put(context: Context, policy: Mapping[str, Any]) -> list[dict[str, str]]:
    """Make or change a policy's alarms; their names and ARNs, the high one first."""
    metric = tracked(policy)
    low = _LOW_SHARE * metric.target
    sides = [("High", "GreaterThanThreshold", metric.target, _PERIODS_HIGH)]
    if not policy["TargetTrackingScalingPolicyConfiguration"].get("DisableScaleIn", False):
        sides.append(("Low", "LessThanThreshold", low, metric.periods_low))
    client = context.admin_client("cloudwatch")
    made = []
    for side, comparison, threshold, periods in sides:
        name = _known(policy, side) or (
            f"TargetTracking-{policy['ResourceId']}-Alarm{side}-{uuid.uuid4()}"
        )
        client.put_metric_alarm(
            AlarmName=name,
            AlarmDescription=f"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy "
            f"{policy['PolicyARN']}.",
            AlarmActions=[policy["PolicyARN"]],
            Namespace=metric.namespace,
            MetricName=metric.name,
            Dimensions=[{"Name": k, "Value": v} for k, v in metric.dimensions.items()],
            Statistic=metric.statistic,
            Period=metric.period,
            EvaluationPeriods=periods,
            Threshold=threshold,
            ComparisonOperator=comparison,
            # Only what is known to be high or low for all periods counts.
            TreatMissingData="notBreaching",
        )
        arn = f"arn:aws:cloudwatch:{context.region}:{context.account}:alarm:{name}"
        made.append({"AlarmName": name, "AlarmARN": arn})
    if gone := [a["AlarmName"] for a in policy.get("Alarms", ()) if a not in made]:
        client.delete_alarms(AlarmNames=gone)
    return made


def delete(context: Context, policy: Mapping[str, Any]) -> None:
    """Delete a policy's alarms."""
    if names := [alarm["AlarmName"] for alarm in policy.get("Alarms", ())]:
        context.admin_client("cloudwatch").delete_alarms(AlarmNames=names)


class Readings:
    """What the embedded CloudWatch knows, in one account and region."""

    def __init__(self, context: Context) -> None:
        self._scope = (context.account, context.region)

    def exists(self, alarm: str) -> bool:
        """Whether there is an alarm of this name."""
        with adapter.request_scope(*self._scope):
            return alarms.state_of(alarm) is not None

    def fires(self, alarm: str) -> bool:
        """Whether an alarm is in ALARM."""
        with adapter.request_scope(*self._scope):
            return alarms.state_of(alarm) == "ALARM"

    def value(self, metric: TrackedMetric) -> float | None:
        """A metric's statistic over the last period; None if it has no data."""
        since = time.time() - metric.period
        with adapter.request_scope(*self._scope):
            points = alarms.datapoints(metric.namespace, metric.name, metric.dimensions, since)
        return alarms.statistic(points, metric.statistic) if points else None


def alarm(policy: Mapping[str, Any], side: str) -> str | None:
    """The name of a policy's alarm: `High`, or `Low` unless scaling in is disabled."""
    return _known(policy, side)


def _known(policy: Mapping[str, Any], side: str) -> str | None:
    names = [item["AlarmName"] for item in policy.get("Alarms", ())]
    return next((name for name in names if f"-Alarm{side}-" in name), None)
