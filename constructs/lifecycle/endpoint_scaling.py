"""How an endpoint's fleet grows and shrinks with its load."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import CfnCondition
from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

__all__ = ["EndpointScaling", "ScalingConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingConfig:
    """Between how many instances the fleet moves, and on what load.

    Attributes:
        min_instances: Never fewer; two at least, because a canary is half the fleet at most.
        max_instances: Never more.
        invocations_per_minute: Load of one instance that scaling aims at.
        scale_in_seconds: Pause after instances were removed.
        scale_out_seconds: Pause after instances were added.
    """

    min_instances: int = 2
    max_instances: int = 4
    invocations_per_minute: int = 3000
    scale_in_seconds: int = 300
    scale_out_seconds: int = 60

    def __post_init__(self) -> None:
        smallest_with_canary = 2
        if self.min_instances < smallest_with_canary:
            raise ValueError(
                f"min_instances must be at least {smallest_with_canary}, got "
                f"{self.min_instances}; a canary is half the fleet at most"
            )
        if self.max_instances < self.min_instances:
            raise ValueError(
                f"max_instances must be at least min_instances ({self.min_instances}), got "
                f"{self.max_instances}; raise it, or lower min_instances"
            )
        if self.invocations_per_minute < 1:
            raise ValueError(
                f"invocations_per_minute must be at least 1, got {self.invocations_per_minute}; "
                "measure what one instance can bear"
            )
        for name in ("scale_in_seconds", "scale_out_seconds"):
            value = getattr(self, name)
            if value < 0:
                raise ValueError(f"{name} must be at least 0, got {value}; use 0 for no pause")


class EndpointScaling(Construct):
    """Keeps the load of each instance of one variant near a target.

    Args:
        endpoint: The endpoint; scaling is registered once it exists.
        variant_name: Its variant.
        condition: When there is an endpoint at all.
        config: Limits and target.
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
        dimension = "sagemaker:variant:DesiredInstanceCount"
        # No role: Application Auto Scaling uses its service-linked one.
        target = scaling.CfnScalableTarget(
            self,
            "Target",
            service_namespace="sagemaker",
            scalable_dimension=dimension,
            resource_id=f"endpoint/{endpoint.attr_endpoint_name}/variant/{variant_name}",
            min_capacity=config.min_instances,
            max_capacity=config.max_instances,
        )
        target.cfn_options.condition = condition
        policy = scaling.CfnScalingPolicy(
            self,
            "Policy",
            policy_name="invocations-per-instance",
            policy_type="TargetTrackingScaling",
            scaling_target_id=target.attr_id,
            target_tracking_scaling_policy_configuration=_track_invocations(config),
        )
        policy.cfn_options.condition = condition


def _track_invocations(
    config: ScalingConfig,
) -> scaling.CfnScalingPolicy.TargetTrackingScalingPolicyConfigurationProperty:
    return scaling.CfnScalingPolicy.TargetTrackingScalingPolicyConfigurationProperty(
        target_value=config.invocations_per_minute,
        predefined_metric_specification=(
            scaling.CfnScalingPolicy.PredefinedMetricSpecificationProperty(
                predefined_metric_type="SageMakerVariantInvocationsPerInstance"
            )
        ),
        scale_in_cooldown=config.scale_in_seconds,
        scale_out_cooldown=config.scale_out_seconds,
    )
