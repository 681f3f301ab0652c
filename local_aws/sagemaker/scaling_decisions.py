"""What a variant's capacity should be, and why: bounds first, then its policies.

As target tracking documents it: the policy that wants the most decides; capacity goes only if
every policy that may take some away wants it to; what a scale-out added counts as there while its
cool-down lasts.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local_aws import adapter
from local_aws.adapter import alarms
from local_aws.sagemaker import scaling_alarms
from local_aws.sagemaker.context import Context

_COOL_DOWN_SECONDS = 300.0  # AWS's default for variants of endpoints


@dataclass(frozen=True, slots=True)
class Decision:
    """Another capacity, and its reason as activities tell it."""

    desired: int
    cause: str


def bounded(target: Mapping[str, Any], current: int) -> Decision | None:
    """What the target's bounds alone demand."""
    low, high = target["MinCapacity"], target["MaxCapacity"]
    if current < low:
        return Decision(low, f"minimum capacity was set to {low}")
    if current > high:
        return Decision(high, f"maximum capacity was set to {high}")
    return None


def tracked(
    context: Context,
    target: Mapping[str, Any],
    policies: Sequence[Mapping[str, Any]],
    current: int,
) -> Decision | None:
    """What the policies want, within the bounds and cool-downs.

    Args:
        context: Shared state.
        target: With `LastOut` and `LastIn`, when and from which capacity it was scaled last.
        policies: All of the target.
        current: The capacity that there is.
    """
    suspended = target.get("SuspendedState", {})
    with adapter.request_scope(context.account, context.region):
        out = None
        if not suspended.get("DynamicScalingOutSuspended", False):
            out = _out(target, policies, current)
        if out is not None or suspended.get("DynamicScalingInSuspended", False):
            return out
        return _in(target, policies, current)


def _out(
    target: Mapping[str, Any], policies: Sequence[Mapping[str, Any]], current: int
) -> Decision | None:
    wanted = []
    for policy in policies:
        name = scaling_alarms.alarm(policy, "High")
        if name is None or alarms.state_of(name) != "ALARM":
            continue
        last = target.get("LastOut", {})
        base = last["From"] if _cooling(policy, "ScaleOutCooldown", last) else current
        desired = min(_needed(policy, base), target["MaxCapacity"])
        wanted.append(Decision(desired, _cause(policy, name)))
    best = max(wanted, key=lambda decision: decision.desired, default=None)
    return best if best is not None and best.desired > current else None


def _in(
    target: Mapping[str, Any], policies: Sequence[Mapping[str, Any]], current: int
) -> Decision | None:
    wanted = []
    for policy in policies:
        name = scaling_alarms.alarm(policy, "Low")
        if name is None:  # this one takes nothing away, and does not keep others from it
            continue
        if alarms.state_of(name) != "ALARM":
            return None
        if _cooling(policy, "ScaleInCooldown", target.get("LastIn", {})):
            return None
        desired = max(_needed(policy, current), target["MinCapacity"])
        wanted.append(Decision(desired, _cause(policy, name)))
    best = max(wanted, key=lambda decision: decision.desired, default=None)
    return best if best is not None and best.desired < current else None


def _needed(policy: Mapping[str, Any], instances: int) -> int:
    """How many instances would bring the metric of the last period to its target."""
    metric = scaling_alarms.tracked(policy)
    points = alarms.datapoints(
        metric.namespace, metric.name, metric.dimensions, time.time() - metric.period
    )
    value = alarms.statistic(points, metric.statistic) if points else None
    return instances if value is None else math.ceil(instances * value / metric.target)


def _cooling(policy: Mapping[str, Any], member: str, last: Mapping[str, Any]) -> bool:
    if not last:
        return False
    config = policy["TargetTrackingScalingPolicyConfiguration"]
    seconds = float(config.get(member, _COOL_DOWN_SECONDS)) / scaling_alarms.SPEED
    return time.time() < float(last["Time"]) + seconds


def _cause(policy: Mapping[str, Any], alarm: str) -> str:
    return f"monitor alarm {alarm} in state ALARM triggered policy {policy['PolicyName']}"
