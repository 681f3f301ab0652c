"""The traffic shifting of an update: the steps that a DeploymentConfig asks for, its checks."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from local_aws.sagemaker.endpoints.plans import Plan
from local_aws.sagemaker.endpoints.routes import Route
from local_aws.sagemaker.errors import validation

WHOLE = 100.0
_MOST_PERCENT = 50.0
_BLUE_GREEN = "BlueGreenUpdatePolicy"
_ROLLING = "RollingUpdatePolicy"
_INTERVAL = "WaitIntervalInSeconds"
_TERMINATION = "TerminationWaitInSeconds"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficStep:
    """A stage of an update.

    Args:
        size: How much of the new fleet has traffic: CapacitySize's `Type` and `Value`.
        capacity: What descriptions call that: `canary`, `batch` or `full`.
        seconds: How long it is watched.
        wait: The member that says so.
    """

    size: Mapping[str, Any]
    capacity: str
    seconds: float
    wait: str = _INTERVAL

    def active(self, instances: int) -> int:
        """How many of a new fleet's instances take part."""
        value = float(self.size["Value"])
        wanted = value if self._counts else instances * value / WHOLE
        return min(instances, math.ceil(wanted))

    def percent(self, instances: int) -> float:
        """The new fleet's share of the traffic: its active instances' part of it.

        A fleet too small to be divided as a percentage asks for gets just that percentage.
        """
        if self._counts:
            return WHOLE * self.active(instances) / instances
        return min(WHOLE, float(self.size["Value"]))

    @property
    def _counts(self) -> bool:
        return bool(self.size["Type"] == "INSTANCE_COUNT")


_ALL = {"Type": "CAPACITY_PERCENT", "Value": WHOLE}


def steps(config: Mapping[str, Any], instances: int) -> Iterator[TrafficStep]:
    """The stages of an update, the last of them with all traffic on the new fleet.

    Args:
        config: The DeploymentConfig; an empty one moves all traffic at once, unwatched.
        instances: How many the new fleet has.
    """
    if _BLUE_GREEN in config:
        policy = config[_BLUE_GREEN]
        routing = policy["TrafficRoutingConfiguration"]
        wait = float(routing[_INTERVAL])
        if routing["Type"] == "CANARY":
            yield TrafficStep(size=routing["CanarySize"], capacity="canary", seconds=wait)
        elif routing["Type"] == "LINEAR":
            yield from _ladder(routing["LinearStepSize"], wait, instances)
        # The interval lies between steps; the whole fleet is watched while the old one waits.
        last = float(policy.get(_TERMINATION, 0))
        yield TrafficStep(size=_ALL, capacity="full", seconds=last, wait=_TERMINATION)
    elif _ROLLING in config:
        policy = config[_ROLLING]
        wait = float(policy[_INTERVAL])
        yield from _ladder(policy["MaximumBatchSize"], wait, instances)
        yield TrafficStep(size=_ALL, capacity="full", seconds=wait)
    else:
        yield TrafficStep(size=_ALL, capacity="full", seconds=0.0)


def _ladder(size: Mapping[str, Any], wait: float, instances: int) -> Iterator[TrafficStep]:
    for number in range(1, math.ceil(WHOLE / size["Value"]) + instances):
        risen = {**size, "Value": size["Value"] * number}
        step = TrafficStep(size=risen, capacity="batch", seconds=wait)
        if step.percent(instances) >= WHOLE:
            return
        yield step


def first_batch(config: Mapping[str, Any], new: Plan) -> int | None:
    """How many instances a rolling update launches at first; None of any other."""
    if _ROLLING not in config:
        return None
    (spec,) = new.variants
    return next(steps(config, spec.count)).active(spec.count)


def timeout(config: Mapping[str, Any]) -> float | None:
    """How long an update may take at most."""
    policy = config.get(_BLUE_GREEN, config.get(_ROLLING, {}))
    seconds = policy.get("MaximumExecutionTimeoutInSeconds")
    return None if seconds is None else float(seconds)


def alarm_names(config: Mapping[str, Any]) -> list[str]:
    """The alarms that roll an update back."""
    alarms = config.get("AutoRollbackConfiguration", {}).get("Alarms", ())
    return [alarm["AlarmName"] for alarm in alarms]


def check(config: Mapping[str, Any], old: Plan, new: Plan) -> None:
    """Refuse an update that SageMaker would.

    Raises:
        ServiceError: Naming the member.
    """
    if any(s.serverless for s in new.variants) and not any(s.serverless for s in old.variants):
        raise validation(
            "an endpoint of instances must stay one, got a ServerlessConfig; make a new endpoint"
        )
    if not config:
        return
    before, after = (sorted(s.variant for s in plan.variants) for plan in (old, new))
    if before != after:
        raise validation(
            f"a deployment with a DeploymentConfig must keep the variants' names {before}, "
            f"got {after}"
        )
    if _BLUE_GREEN in config and _ROLLING in config:
        raise validation(f"DeploymentConfig must have {_BLUE_GREEN} or {_ROLLING}, got both")
    counts = [spec.count for spec in new.variants]
    if _ROLLING in config:
        if len(counts) > 1 or any(spec.serverless for spec in new.variants):
            raise validation(f"{_ROLLING} must be for one variant of instances; use {_BLUE_GREEN}")
        _check_size(config[_ROLLING]["MaximumBatchSize"], "MaximumBatchSize", 5.0, counts)
        return
    routing = config.get(_BLUE_GREEN, {}).get("TrafficRoutingConfiguration", {})
    for kind, member, least in (("CANARY", "CanarySize", 0.0), ("LINEAR", "LinearStepSize", 10.0)):
        if routing.get("Type") != kind:
            continue
        if member not in routing:
            raise validation(f"{member} must be given for traffic routing of type {kind}")
        _check_size(routing[member], member, least, counts)


def _check_size(size: Mapping[str, Any], member: str, least: float, counts: Sequence[int]) -> None:
    for count in counts:
        is_count = size["Type"] == "INSTANCE_COUNT"
        percent = WHOLE * size["Value"] / count if is_count else float(size["Value"])
        if not least <= percent <= _MOST_PERCENT:
            raise validation(
                f"{member} must be at least {least:g} and at most {_MOST_PERCENT:g} percent of the "
                f"variant's {count} instances, got {size['Value']} ({size['Type']})"
            )


def mixed(old: Sequence[Route], new: Sequence[Route], step: TrafficStep) -> tuple[Route, ...]:
    """The routes of a stage: the old fleets beside the active part of the new ones."""
    instances = max((route.fleet.spec.count for route in new), default=1)
    percent = step.percent(instances)
    if not old or percent >= WHOLE:
        return tuple(new)
    remaining = [
        replace(route, weight=route.weight / (_sum(old) or 1.0) * (WHOLE - percent))
        for route in old
    ]
    begun = [
        replace(
            route,
            weight=route.weight / (_sum(new) or 1.0) * percent,
            active=step.active(route.fleet.spec.count),
        )
        for route in new
    ]
    return (*remaining, *begun)


def _sum(routes: Sequence[Route]) -> float:
    return sum(route.weight for route in routes)
