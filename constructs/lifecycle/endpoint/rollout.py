"""The rollout of a new version: how traffic moves to it, and what stops that."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from aws_cdk import aws_sagemaker as sagemaker

__all__ = ["AllAtOnce", "Canary", "Linear", "RolloutConfig", "Strategy", "deployment_config"]

# SageMaker's limits of a wait, and of a whole deployment.
LONGEST_WAIT = 3600
LONGEST_DEPLOYMENT = 28_800
SHORTEST_TIMEOUT = 600

_Endpoint = sagemaker.CfnEndpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """A part of the fleet first; the rest once that part has stayed healthy.

    Attributes:
        percent: Share of the fleet that the new version gets first.
        wait_seconds: How long it must stay healthy there before it gets the rest.
    """

    percent: int = 50
    wait_seconds: int = 300

    def __post_init__(self) -> None:
        _check_range("percent", self.percent, 1, 50, "SageMaker allows half the fleet at most")
        _check_range("wait_seconds", self.wait_seconds, 0, LONGEST_WAIT, "an hour at most")

    @property
    def waits(self) -> int:
        """How often it waits before all traffic has moved."""
        return 1

    @property
    def fewest_instances(self) -> int:
        """The smallest fleet of which the first part is an instance."""
        return math.ceil(100 / self.percent)

    def routing(self) -> sagemaker.CfnEndpoint.TrafficRoutingConfigProperty:
        """As CloudFormation wants it."""
        return _Endpoint.TrafficRoutingConfigProperty(
            type="CANARY",
            canary_size=_share(self.percent),
            wait_interval_in_seconds=self.wait_seconds,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear:
    """Equal parts of the fleet one after the other, each once the last has stayed healthy.

    Attributes:
        step_percent: Share of the fleet in each step.
        wait_seconds: How long alarms are watched after a step before the next.
    """

    step_percent: int = 25
    wait_seconds: int = 120

    def __post_init__(self) -> None:
        _check_range("step_percent", self.step_percent, 10, 50, "SageMaker's limits of a step")
        _check_range("wait_seconds", self.wait_seconds, 0, LONGEST_WAIT, "an hour at most")

    @property
    def waits(self) -> int:
        """How often it waits before all traffic has moved."""
        return math.ceil(100 / self.step_percent) - 1

    @property
    def fewest_instances(self) -> int:
        """The smallest fleet of which every step is an instance."""
        return math.ceil(100 / self.step_percent)

    def routing(self) -> sagemaker.CfnEndpoint.TrafficRoutingConfigProperty:
        """As CloudFormation wants it."""
        return _Endpoint.TrafficRoutingConfigProperty(
            type="LINEAR",
            linear_step_size=_share(self.step_percent),
            wait_interval_in_seconds=self.wait_seconds,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AllAtOnce:
    """Everything in one step: alarms are watched only while the old fleet is kept after it."""

    wait_seconds: int = field(default=0, init=False)

    @property
    def waits(self) -> int:
        """How often it waits before all traffic has moved."""
        return 0

    @property
    def fewest_instances(self) -> int:
        """One is enough."""
        return 1

    def routing(self) -> sagemaker.CfnEndpoint.TrafficRoutingConfigProperty:
        """As CloudFormation wants it; SageMaker demands a wait that it has no use for."""
        return _Endpoint.TrafficRoutingConfigProperty(
            type="ALL_AT_ONCE", wait_interval_in_seconds=self.wait_seconds
        )


Strategy = Canary | Linear | AllAtOnce


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutConfig:
    """How a new version gets its traffic. An alarm on the way gives all of it back to the old one.

    RolloutConfig(strategy=Linear(step_percent=25, wait_seconds=120))

    Attributes:
        strategy: In which steps.
        old_fleet_seconds: How long the old fleet is kept after the last step, for a fast way back.
        timeout_seconds: A rollout that takes longer is rolled back.
    """

    strategy: Strategy = field(default_factory=Canary)
    old_fleet_seconds: int = 300
    timeout_seconds: int = 3600

    def __post_init__(self) -> None:
        _check_range(
            "old_fleet_seconds", self.old_fleet_seconds, 0, LONGEST_WAIT, "an hour at most"
        )
        _check_range(
            "timeout_seconds",
            self.timeout_seconds,
            SHORTEST_TIMEOUT,
            LONGEST_DEPLOYMENT,
            "10 minutes to 8 hours",
        )
        waiting = self.strategy.waits * self.strategy.wait_seconds + self.old_fleet_seconds
        if self.timeout_seconds <= waiting:
            raise ValueError(
                f"timeout_seconds must be more than all waits together ({waiting}), got "
                f"{self.timeout_seconds}; raise it, or wait less between the steps"
            )


def deployment_config(
    rollout: RolloutConfig, alarm_names: Sequence[str]
) -> sagemaker.CfnEndpoint.DeploymentConfigProperty:
    """The endpoint's deployment: blue/green, and back as soon as one of the alarms goes off."""
    return _Endpoint.DeploymentConfigProperty(
        auto_rollback_configuration=_Endpoint.AutoRollbackConfigProperty(
            alarms=[_Endpoint.AlarmProperty(alarm_name=name) for name in alarm_names]
        ),
        blue_green_update_policy=_Endpoint.BlueGreenUpdatePolicyProperty(
            traffic_routing_configuration=rollout.strategy.routing(),
            termination_wait_in_seconds=rollout.old_fleet_seconds,
            maximum_execution_timeout_in_seconds=rollout.timeout_seconds,
        ),
    )


def _share(percent: int) -> sagemaker.CfnEndpoint.CapacitySizeProperty:
    return _Endpoint.CapacitySizeProperty(type="CAPACITY_PERCENT", value=percent)


def _check_range(name: str, value: int, low: int, high: int, advice: str) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} must be between {low} and {high}, got {value}; {advice}")
