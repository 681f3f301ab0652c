"""The scaling of an endpoint's fleet, with its load and with the time of day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import CfnCondition
from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

__all__ = ["EndpointScaling", "ScalingConfig", "ScheduledFloor"]

EXPRESSIONS = ("cron(", "rate(", "at(")

_Policy = scaling.CfnScalingPolicy
_Target = scaling.CfnScalableTarget


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledFloor:
    """From a time on, the fleet moves between other limits.

    ScheduledFloor(
        name="morning", schedule="cron(0 7 * * ? *)", timezone="Europe/Berlin", min_instances=6
    )

    It holds until another one takes over: a day with a busy part takes two of them.

    Attributes:
        name: Tells it from the others.
        schedule: A cron(...), rate(...) or at(...) expression of Application Auto Scaling.
        min_instances: Never fewer from then on.
        max_instances: Never more from then on. If omitted, the limit that was there stays.
        timezone: Where the schedule's clock hangs.
    """

    name: str
    schedule: str
    min_instances: int
    max_instances: int | None = None
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise ValueError(f"name must be a text, got {self.name!r}; say what the floor is for")
        if not (self.schedule.startswith(EXPRESSIONS) and self.schedule.endswith(")")):
            raise ValueError(
                f"schedule must be a cron(...), rate(...) or at(...) expression, got "
                f"{self.schedule}; use one like cron(0 7 * * ? *)"
            )
        if self.timezone != "UTC" and "/" not in self.timezone:
            raise ValueError(
                f"timezone must be UTC or a place of the tz database, got {self.timezone}; use "
                "one like Europe/Berlin, which knows summer time"
            )
        _check_limits(self.min_instances, self.max_instances)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingConfig:
    """Between how many instances the fleet moves, on what load, and at what times.

    Each target asks for a number of instances, and the largest number is what the fleet gets.

    Attributes:
        min_instances: Never fewer. The rollout's first step has to be an instance at least.
        max_instances: Never more.
        invocations_per_minute: Load of one instance that scaling aims at. If None, it does not.
        concurrent_requests: Requests that one instance has at a time, which scaling aims at too:
            within seconds it sees a burst, and slowness that comes without more requests. If None,
            it does not.
        scale_in_seconds: Pause after instances were removed. If None, none is ever removed.
        scale_out_seconds: Pause after instances were added.
        floors: Other limits at other times.
    """

    min_instances: int = 2
    max_instances: int = 4
    invocations_per_minute: int | None = 3000
    concurrent_requests: float | None = 8.0
    scale_in_seconds: int | None = 300
    scale_out_seconds: int = 60
    floors: Sequence[ScheduledFloor] = ()

    def __post_init__(self) -> None:
        _check_limits(self.min_instances, self.max_instances)
        for name in ("invocations_per_minute", "concurrent_requests"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(
                    f"{name} must be at least 1, got {value}; measure what one instance can bear, "
                    "or use None"
                )
        for name in ("scale_in_seconds", "scale_out_seconds"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise ValueError(f"{name} must be at least 0, got {value}; use 0 for no pause")
        names = [floor.name for floor in self.floors]
        if len(set(names)) < len(names):
            raise ValueError(
                f"floors must have different names, got {', '.join(names)}; one of the same name "
                "would take the other's place"
            )

    @property
    def fewest_instances(self) -> int:
        """Never fewer, at any time."""
        return min([self.min_instances, *(floor.min_instances for floor in self.floors)])


def _check_limits(least: int, most: int | None) -> None:
    if least < 1:
        raise ValueError(
            f"min_instances must be at least 1, got {least}; an endpoint without an instance "
            "answers nobody"
        )
    if most is not None and most < least:
        raise ValueError(
            f"max_instances must be at least min_instances ({least}), got {most}; raise it, or "
            "lower min_instances"
        )


class EndpointScaling(Construct):
    """Keeps the load of each instance of one variant near its targets.

    Args:
        endpoint: The endpoint; scaling is registered once it exists.
        variant_name: Its variant.
        condition: When there is an endpoint at all.
        config: Limits, targets and times.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint: sagemaker.CfnEndpoint,
        variant_name: str,
        condition: CfnCondition,
        config: ScalingConfig,
    ) -> None:
        super().__init__(scope, construct_id)
        self._config = config
        self._condition = condition
        # No role: Application Auto Scaling uses its service-linked one.
        target = _Target(
            self,
            "Target",
            service_namespace="sagemaker",
            scalable_dimension="sagemaker:variant:DesiredInstanceCount",
            resource_id=f"endpoint/{endpoint.attr_endpoint_name}/variant/{variant_name}",
            min_capacity=config.min_instances,
            max_capacity=config.max_instances,
            scheduled_actions=[_scheduled(floor) for floor in config.floors] or None,
        )
        target.cfn_options.condition = condition
        self._follow(
            "Policy",
            target,
            policy_name="invocations-per-instance",
            metric="SageMakerVariantInvocationsPerInstance",
            value=config.invocations_per_minute,
        )
        self._follow(
            "Concurrency",
            target,
            policy_name="concurrent-requests",
            metric="SageMakerVariantConcurrentRequestsPerModelHighResolution",
            value=config.concurrent_requests,
        )

    def _follow(
        self,
        construct_id: str,
        target: scaling.CfnScalableTarget,
        *,
        policy_name: str,
        metric: str,
        value: float | None,
    ) -> None:
        if value is None:
            return
        policy = _Policy(
            self,
            construct_id,
            policy_name=policy_name,
            policy_type="TargetTrackingScaling",
            scaling_target_id=target.attr_id,
            target_tracking_scaling_policy_configuration=_track(metric, value, self._config),
        )
        policy.cfn_options.condition = self._condition


def _track(
    metric: str, value: float, config: ScalingConfig
) -> scaling.CfnScalingPolicy.TargetTrackingScalingPolicyConfigurationProperty:
    return _Policy.TargetTrackingScalingPolicyConfigurationProperty(
        target_value=value,
        predefined_metric_specification=_Policy.PredefinedMetricSpecificationProperty(
            predefined_metric_type=metric
        ),
        disable_scale_in=True if config.scale_in_seconds is None else None,
        scale_in_cooldown=config.scale_in_seconds,
        scale_out_cooldown=config.scale_out_seconds,
    )


def _scheduled(floor: ScheduledFloor) -> scaling.CfnScalableTarget.ScheduledActionProperty:
    return _Target.ScheduledActionProperty(
        scheduled_action_name=floor.name,
        schedule=floor.schedule,
        timezone=floor.timezone,
        scalable_target_action=_Target.ScalableTargetActionProperty(
            min_capacity=floor.min_instances, max_capacity=floor.max_instances
        ),
    )
