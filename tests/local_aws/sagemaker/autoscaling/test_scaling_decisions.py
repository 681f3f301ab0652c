"""Which capacity Auto Scaling wants, from what CloudWatch says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_aws.sagemaker.autoscaling.alarms import TrackedMetric
from local_aws.sagemaker.autoscaling.decisions import (
    ScalingDecision,
    Situation,
    bounded,
    by_policies,
)

NOW = 1_800_000_000.0
TARGET_VALUE = 10.0
COUNTS = st.integers(1, 50)


@dataclass
class Said:
    """What CloudWatch says: alarms in ALARM, and the metric's value."""

    metric: float | None
    firing: set[str] = field(default_factory=set)

    def fires(self, alarm: str) -> bool:
        return alarm in self.firing

    def value(self, _metric: TrackedMetric) -> float | None:
        return self.metric


def policy(name: str = "p", *, low: bool = True, **config: Any) -> dict[str, Any]:
    sides = ["High", "Low"] if low else ["High"]
    customized = {"MetricName": "m", "Namespace": "n", "Statistic": "Average"}
    return {
        "PolicyName": name,
        "ResourceId": "endpoint/e/variant/v",
        "Alarms": [{"AlarmName": f"{name}-Alarm{side}-1"} for side in sides],
        "TargetTrackingScalingPolicyConfiguration": {
            "TargetValue": TARGET_VALUE,
            "CustomizedMetricSpecification": customized,
            **config,
        },
    }


def decide(
    said: Said,
    current: int,
    *policies: dict[str, Any],
    bounds: tuple[int, int] = (1, 50),
    **target: Any,
) -> ScalingDecision | None:
    known: Mapping[str, Any] = {"MinCapacity": bounds[0], "MaxCapacity": bounds[1], **target}
    return by_policies(Situation(known, policies or (policy(),), current, NOW), said)


@given(current=COUNTS, high=COUNTS, load=st.floats(0, 1000))
def test_scaling_out_brings_the_metric_to_its_target(current: int, high: int, load: float) -> None:
    decision = decide(Said(load, {"p-AlarmHigh-1"}), current, bounds=(1, high))
    if decision is None:
        assert load <= TARGET_VALUE or current >= high
        return
    assert current < decision.desired <= high
    # Spread over the new instances, the load is within the target, unless the bound forbids it.
    assert decision.desired == high or load * current / decision.desired <= TARGET_VALUE + 1e-9


@given(current=COUNTS, low=COUNTS, load=st.floats(0, 1000))
def test_scaling_in_keeps_the_metric_at_its_target(current: int, low: int, load: float) -> None:
    decision = decide(Said(load, {"p-AlarmLow-1"}), current, bounds=(low, 50))
    if decision is None:
        return
    assert low <= decision.desired < current
    assert load * current / decision.desired <= TARGET_VALUE + 1e-9 or decision.desired == low


@given(current=COUNTS, load=st.floats(0, 1000))
def test_without_an_alarm_nothing_happens(current: int, load: float) -> None:
    assert decide(Said(load), current) is None


@given(current=COUNTS, low=COUNTS, high=COUNTS)
def test_bounds_come_first(current: int, low: int, high: int) -> None:
    low, high = sorted((low, high))
    decision = bounded({"MinCapacity": low, "MaxCapacity": high}, current)
    if low <= current <= high:
        assert decision is None
    else:
        assert decision is not None
        assert decision.desired == min(max(current, low), high)


def test_the_policy_that_wants_most_decides() -> None:
    said = Said(40.0, {"a-AlarmHigh-1", "b-AlarmHigh-1"})
    lax = policy("a", TargetValue=20.0)
    decision = decide(said, 2, lax, policy("b"))
    assert decision is not None
    assert decision.desired == 8
    assert decision.cause == "monitor alarm b-AlarmHigh-1 in state ALARM triggered policy b"


@pytest.mark.parametrize(
    ("others", "desired"),
    [
        ([policy("b")], None),  # its low alarm does not fire
        ([policy("b", low=False)], 1),  # it never takes anything away
    ],
)
def test_all_policies_must_agree_to_scale_in(
    others: list[dict[str, Any]], desired: int | None
) -> None:
    decision = decide(Said(1.0, {"p-AlarmLow-1"}), 4, policy(), *others)
    assert (None if decision is None else decision.desired) == desired


@pytest.mark.parametrize(("ago", "desired"), [(299.0, None), (301.0, 1)])
def test_scaling_in_waits_for_its_cool_down(ago: float, desired: int | None) -> None:
    last = {"Time": NOW - ago, "From": 8}
    decision = decide(Said(1.0, {"p-AlarmLow-1"}), 4, LastIn=last)
    assert (None if decision is None else decision.desired) == desired


@pytest.mark.parametrize(
    ("ago", "load", "desired"),
    [
        (10.0, 20.0, None),  # as much as the two that there were needed: they have it already
        (10.0, 30.0, 6),  # more than that
        (301.0, 20.0, 8),  # the four that there are now need as much again
    ],
)
def test_what_was_added_counts_while_it_cools_down(
    ago: float, load: float, desired: int | None
) -> None:
    last = {"Time": NOW - ago, "From": 2}
    decision = decide(Said(load, {"p-AlarmHigh-1"}), 4, LastOut=last)
    assert (None if decision is None else decision.desired) == desired


@pytest.mark.parametrize(
    ("suspended", "side"),
    [("DynamicScalingOutSuspended", "High"), ("DynamicScalingInSuspended", "Low")],
)
def test_what_is_suspended_does_not_happen(suspended: str, side: str) -> None:
    said = Said(100.0 if side == "High" else 1.0, {f"p-Alarm{side}-1"})
    assert decide(said, 2) is not None
    assert decide(said, 2, SuspendedState={suspended: True}) is None


def test_a_metric_without_data_changes_nothing() -> None:
    assert decide(Said(None, {"p-AlarmHigh-1", "p-AlarmLow-1"}), 2) is None
