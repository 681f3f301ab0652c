"""The scaling decision on a variant's capacity: bounds first, then its policies.

As target tracking documents it: the policy that wants the most decides; capacity goes only if
every policy that may take some away wants it to; what a scale-out added counts as there while its
cool-down lasts.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from local_aws.sagemaker.autoscaling import alarms as scaling_alarms
from local_aws.sagemaker.autoscaling.alarms import TrackedMetric

_COOL_DOWN_SECONDS = 300.0  # AWS's default for variants of endpoints


@dataclass(frozen=True, slots=True)
class ScalingDecision:
    """Another capacity, and its reason as activities tell it."""

    desired: int
    cause: str


def bounded(target: Mapping[str, Any], current: int) -> ScalingDecision | None:
    """What the target's bounds alone demand."""
    low, high = target["MinCapacity"], target["MaxCapacity"]
    if current < low:
        return ScalingDecision(low, f"minimum capacity was set to {low}")
    if current > high:
        return ScalingDecision(high, f"maximum capacity was set to {high}")
    return None


class Readings(Protocol):
    """What CloudWatch knows."""

    def fires(self, alarm: str) -> bool:
        """Whether an alarm is in ALARM."""

    def value(self, metric: TrackedMetric) -> float | None:
        """A metric's statistic over the last period; None if it has no data."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What there is to decide about.

    Args:
        target: With `LastOut` and `LastIn`, when and from which capacity it was scaled last.
        policies: All of the target.
        current: The capacity that there is.
        now: Seconds since the epoch.
    """

    target: Mapping[str, Any]
    policies: Sequence[Mapping[str, Any]]
    current: int
    now: float


def by_policies(situation: Situation, readings: Readings) -> ScalingDecision | None:
    """What the policies want, within the bounds and cool-downs."""
    suspended = situation.target.get("SuspendedState", {})
    out = None
    if not suspended.get("DynamicScalingOutSuspended", False):
        out = _out(situation, readings)
    if out is not None or suspended.get("DynamicScalingInSuspended", False):
        return out
    return _in(situation, readings)


def _out(situation: Situation, readings: Readings) -> ScalingDecision | None:
    target, wanted = situation.target, []
    for policy in situation.policies:
        name = scaling_alarms.alarm(policy, "High")
        if name is None or not readings.fires(name):
            continue
        last = target.get("LastOut", {})
        cooling = _cooling(policy, "ScaleOutCooldown", last, situation.now)
        base = last["From"] if cooling else situation.current
        desired = min(_needed(policy, base, readings), target["MaxCapacity"])
        wanted.append(ScalingDecision(desired, _cause(policy, name)))
    best = max(wanted, key=lambda decision: decision.desired, default=None)
    return best if best is not None and best.desired > situation.current else None


def _in(situation: Situation, readings: Readings) -> ScalingDecision | None:
    target, current, wanted = situation.target, situation.current, []
    for policy in situation.policies:
        name = scaling_alarms.alarm(policy, "Low")
        if name is None:  # this one takes nothing away, and does not keep others from it
            continue
        last = target.get("LastIn", {})
        if not readings.fires(name) or _cooling(policy, "ScaleInCooldown", last, situation.now):
            return None
        desired = max(_needed(policy, current, readings), target["MinCapacity"])
        wanted.append(ScalingDecision(desired, _cause(policy, name)))
    best = max(wanted, key=lambda decision: decision.desired, default=None)
    return best if best is not None and best.desired < current else None


def _needed(policy: Mapping[str, Any], instances: int, readings: Readings) -> int:
    """How many instances would bring the metric of the last period to its target."""
    metric = scaling_alarms.tracked(policy)
    value = readings.value(metric)
    return instances if value is None else math.ceil(instances * value / metric.target)


def _cooling(policy: Mapping[str, Any], member: str, last: Mapping[str, Any], now: float) -> bool:
    if not last:
        return False
    config = policy["TargetTrackingScalingPolicyConfiguration"]
    seconds = float(config.get(member, _COOL_DOWN_SECONDS)) / scaling_alarms.SPEED
    return now < float(last["Time"]) + seconds


def _cause(policy: Mapping[str, Any], alarm: str) -> str:
    return f"monitor alarm {alarm} in state ALARM triggered policy {policy['PolicyName']}"
