"""How traffic moves by a DeploymentConfig, as a matter of arithmetic."""

import threading
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_aws.sagemaker.endpoints.guard import AbandonedError, Guard, RollbackError
from local_aws.sagemaker.endpoints.models import ServingContainer
from local_aws.sagemaker.endpoints.plans import Plan
from local_aws.sagemaker.endpoints.servers import FleetSpec
from local_aws.sagemaker.endpoints.shifting import TrafficStep, check, steps
from local_aws.sagemaker.errors import ServiceError

COUNTS = st.integers(1, 40)


def percent(value: int) -> dict[str, Any]:
    return {"Type": "CAPACITY_PERCENT", "Value": value}


def instances(value: int) -> dict[str, Any]:
    return {"Type": "INSTANCE_COUNT", "Value": value}


def canary(size: dict[str, Any], wait: int = 60, last: int = 30) -> dict[str, Any]:
    routing = {"Type": "CANARY", "CanarySize": size, "WaitIntervalInSeconds": wait}
    return blue_green(routing, last)


def linear(size: dict[str, Any], wait: int = 60) -> dict[str, Any]:
    routing = {"Type": "LINEAR", "LinearStepSize": size, "WaitIntervalInSeconds": wait}
    return blue_green(routing, 0)


def blue_green(routing: dict[str, Any], last: int) -> dict[str, Any]:
    return {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": routing,
            "TerminationWaitInSeconds": last,
        }
    }


def rolling(size: dict[str, Any]) -> dict[str, Any]:
    return {"RollingUpdatePolicy": {"MaximumBatchSize": size, "WaitIntervalInSeconds": 60}}


def shares(found: list[TrafficStep], count: int) -> list[float]:
    return [step.percent(count) for step in found]


@given(count=COUNTS, size=st.integers(1, 50))
def test_a_canary_of_a_percentage_never_gets_more_than_it(count: int, size: int) -> None:
    first, last = steps(canary(percent(size)), count)
    assert first.percent(count) == size
    assert first.active(count) == -(-count * size // 100)
    assert (last.percent(count), last.active(count)) == (100.0, count)
    # SageMaker waits between steps; the whole fleet is watched while the old one is kept.
    assert (first.seconds, last.seconds) == (60.0, 30.0)


@given(count=st.integers(2, 40), data=st.data())
def test_a_canary_of_instances_gets_their_part(count: int, data: st.DataObject) -> None:
    size = data.draw(st.integers(1, count // 2))
    first, _ = steps(canary(instances(size)), count)
    assert (first.active(count), first.percent(count)) == (size, 100 * size / count)


@given(
    count=COUNTS,
    config=st.one_of(
        st.integers(10, 50).map(lambda value: linear(percent(value))),
        st.integers(1, 20).map(lambda value: linear(instances(value))),
        st.integers(5, 50).map(lambda value: rolling(percent(value))),
    ),
)
def test_steps_only_ever_rise_to_all(count: int, config: dict[str, Any]) -> None:
    found = list(steps(config, count))
    rising = shares(found, count)
    assert rising == sorted(set(rising))
    assert rising[-1] == 100.0
    assert [step.active(count) for step in found][-1] == count
    assert all(0 < step.active(count) <= count for step in found)
    assert {step.seconds for step in found[:-1]} <= {60.0}


def test_linear_steps_are_of_one_size() -> None:
    assert shares(list(steps(linear(instances(1)), 4)), 4) == [25.0, 50.0, 75.0, 100.0]
    assert shares(list(steps(linear(percent(33)), 3)), 3) == [33.0, 66.0, 99.0, 100.0]


def test_without_a_policy_all_moves_at_once() -> None:
    (only,) = steps({}, 3)
    assert (only.percent(3), only.seconds) == (100.0, 0.0)


def plan(*counts: int, name: str = "a", serverless: bool = False) -> Plan:
    container = ServingContainer(
        image="i", data=None, environment={}, role_arn="arn", isolated=False
    )
    variants = tuple(
        FleetSpec(
            name="e",
            variant=f"{name}{number}",
            container=container,
            count=count,
            log_group="g",
            serverless={"MaxConcurrency": 1} if serverless else None,
        )
        for number, count in enumerate(counts)
    )
    weights = {spec.variant: 1.0 for spec in variants}
    return Plan(config_name="c", capture=None, variants=variants, weights=weights)


@pytest.mark.parametrize(
    ("config", "new", "reason"),
    [
        (canary(percent(51)), plan(1), "CanarySize must be at least 0 and at most 50 percent"),
        (canary(instances(1)), plan(1), "variant's 1 instances, got 1"),
        (linear(percent(9)), plan(1), "LinearStepSize must be at least 10"),
        (rolling(percent(4)), plan(1), "MaximumBatchSize must be at least 5"),
        (rolling(percent(50)), plan(1, 1), "must be for one variant of instances"),
        (rolling(percent(50)), plan(1, serverless=True), "must be for one variant of instances"),
        (canary(percent(10)), plan(1, name="b"), "keep the variants' names"),
        (blue_green({"Type": "CANARY", "WaitIntervalInSeconds": 1}, 0), plan(1), "CanarySize"),
        ({**canary(percent(10)), **rolling(percent(10))}, plan(1), "got both"),
    ],
)
def test_what_sagemaker_does_not_shift_is_refused(
    config: dict[str, Any], new: Plan, reason: str
) -> None:
    serverless = any(spec.serverless for spec in new.variants)
    old = plan(*(spec.count for spec in new.variants), serverless=serverless)
    with pytest.raises(ServiceError, match=reason):
        check(config, old, new)


def test_instances_do_not_become_serverless() -> None:
    with pytest.raises(ServiceError, match="must stay one"):
        check({}, plan(1), plan(1, serverless=True))
    check({}, plan(1, serverless=True), plan(1, serverless=True))


def test_an_update_must_end_in_time() -> None:
    config = canary(percent(10))
    config["BlueGreenUpdatePolicy"]["MaximumExecutionTimeoutInSeconds"] = 0.2
    # Without alarms it needs nothing of the server.
    guard = Guard(cast(Any, None), config, "none", threading.Event())
    guard.check()
    with pytest.raises(RollbackError, match=r"MaximumExecutionTimeoutInSeconds of 0\.2"):
        guard.watch(30)


def test_an_update_can_be_given_up() -> None:
    stopping = threading.Event()
    guard = Guard(cast(Any, None), {}, "none", stopping)
    guard.watch(0)
    stopping.set()
    with pytest.raises(AbandonedError):
        guard.watch(30)
