"""What an endpoint cannot be told."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.endpoint.config import EndpointConfig, ServerConfig
from lifecycle.endpoint.health import HealthConfig, ScoreLimits
from lifecycle.endpoint.rollout import AllAtOnce, Canary, Linear, RolloutConfig, Strategy
from lifecycle.endpoint.scaling import ScalingConfig, ScheduledFloor
from lifecycle.endpoint.serverless import ServerlessConfig
from lifecycle.endpoint.shadow import ShadowConfig

FLOOR: dict[str, Any] = {"name": "day", "schedule": "rate(1 day)", "min_instances": 2}


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        (Canary, {"percent": 0}, "percent must be between 1 and 50, got 0; "),
        (Canary, {"percent": 51}, "percent must be between 1 and 50, got 51; "),
        (Canary, {"wait_seconds": -1}, "wait_seconds must be between 0 and 3600, got -1; "),
        (Linear, {"step_percent": 9}, "step_percent must be between 10 and 50, got 9; "),
        (Linear, {"step_percent": 51}, "step_percent must be between 10 and 50, got 51; "),
        (Linear, {"wait_seconds": 3601}, "wait_seconds must be between 0 and 3600, got 3601; "),
        (RolloutConfig, {"old_fleet_seconds": 3601}, "old_fleet_seconds must be between"),
        (RolloutConfig, {"timeout_seconds": 599}, "timeout_seconds must be between 600 and 28800"),
        (RolloutConfig, {"timeout_seconds": 28801}, "timeout_seconds must be between 600 and"),
        (
            RolloutConfig,
            {"strategy": Canary(wait_seconds=500), "timeout_seconds": 800},
            r"timeout_seconds must be more than all waits together \(800\), got 800; ",
        ),
        (
            RolloutConfig,
            {"strategy": Linear(step_percent=30, wait_seconds=1000), "timeout_seconds": 3300},
            r"timeout_seconds must be more than all waits together \(3300\), got 3300; ",
        ),
        (ScalingConfig, {"min_instances": 0}, "min_instances must be at least 1, got 0; "),
        (
            ScalingConfig,
            {"min_instances": 3, "max_instances": 2},
            r"max_instances must be at least min_instances \(3\), got 2; ",
        ),
        (ScalingConfig, {"invocations_per_minute": 0}, "invocations_per_minute must be at least 1"),
        (ScalingConfig, {"concurrent_requests": 0.5}, "concurrent_requests must be at least 1, "),
        (ScalingConfig, {"scale_in_seconds": -1}, "scale_in_seconds must be at least 0, got -1; "),
        (ScalingConfig, {"scale_out_seconds": -1}, "scale_out_seconds must be at least 0, got -1"),
        (
            ScalingConfig,
            {"floors": [ScheduledFloor(**FLOOR), ScheduledFloor(**FLOOR)]},
            "floors must have different names, got day, day; ",
        ),
        (ScheduledFloor, {**FLOOR, "name": " "}, "name must be a text, got ' '; "),
        (ScheduledFloor, {**FLOOR, "schedule": "0 7 * * *"}, r"schedule must be a cron\(...\), "),
        (ScheduledFloor, {**FLOOR, "timezone": "CET"}, "timezone must be UTC or a place of the"),
        (ScheduledFloor, {**FLOOR, "min_instances": 0}, "min_instances must be at least 1, got 0"),
        (ScheduledFloor, {**FLOOR, "max_instances": 1}, r"max_instances must be .* \(2\), got 1"),
        (HealthConfig, {"max_failed_percent": -1}, "max_failed_percent must be from 0 to less"),
        (HealthConfig, {"max_slowdown": 1.0}, "max_slowdown must be more than 1, got 1.0; "),
        (ScoreLimits, {"max_flagged_ratio": 0.5}, "max_flagged_ratio must be more than 1, got"),
        (HealthConfig, {"max_latency_milliseconds": 0}, "max_latency_milliseconds must be at"),
        (HealthConfig, {"max_degraded_percent": 100}, "max_degraded_percent must be from 0 to"),
        (ScoreLimits, {"min_answers": 0}, "min_answers must be at least 1, got 0; "),
        (ScoreLimits, {"max_flagged_percent": -1}, "max_flagged_percent must be from 0 to less"),
        (ScoreLimits, {"min_mean": -0.1}, "min_mean must be between 0 and 1, got -0.1; "),
        (ScoreLimits, {"max_mean": 1.1}, "max_mean must be between 0 and 1, got 1.1; "),
        (ScoreLimits, {"min_mean": 0.5, "max_mean": 0.5}, "min_mean must be below max_mean of 0.5"),
        (ServerConfig, {"workers": 0}, "workers must be at least 1, got 0; "),
        (ServerConfig, {"store_budget_milliseconds": 0}, "store_budget_milliseconds must be at"),
        (ServerConfig, {"state_cache_seconds": 3.1}, "state_cache_seconds must be between 0 and 3"),
        (ShadowConfig, {"percent": 0}, "percent must be between 1 and 100, got 0; "),
        (ShadowConfig, {"percent": 101}, "percent must be between 1 and 100, got 101; "),
        (ShadowConfig, {"instance_count": 0}, "instance_count must be at least 1, got 0; "),
        (
            ShadowConfig,
            {"instance_type": "c6i.large"},
            "instance_type must be a SageMaker instance",
        ),
        (
            ServerlessConfig,
            {"memory_mb": 1000},
            "memory_mb must be one of 1024, 2048, .*, got 1000",
        ),
        (ServerlessConfig, {"max_concurrency": 201}, "max_concurrency must be between 1 and 200, "),
        (
            ServerlessConfig,
            {"max_concurrency": 5, "provisioned_concurrency": 6},
            "provisioned_concurrency must be between 1 and max_concurrency of 5, got 6; ",
        ),
        (
            EndpointConfig,
            {"instance_type": "c6i.large"},
            "instance_type must be a SageMaker instan",
        ),
    ],
)
def test_what_cannot_be_is_refused(kind: Any, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        kind(**fields)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("instance_type", "ml.m5.large"),
        ("scaling", ScalingConfig(max_instances=5)),
        ("rollout", RolloutConfig(strategy=AllAtOnce())),
        ("shadow", ShadowConfig()),
    ],
)
def test_serverless_refuses_what_needs_instances_by_both_names(field: str, value: object) -> None:
    fields: dict[str, Any] = {field: value}
    with pytest.raises(ValueError, match=rf"^{field} must be left out with serverless, got .*; "):
        EndpointConfig(serverless=ServerlessConfig(), **fields)


STRATEGIES = (
    st.builds(Canary, percent=st.integers(1, 50))
    | st.builds(Linear, step_percent=st.integers(10, 50))
    | st.builds(AllAtOnce)
)


@given(strategy=STRATEGIES, fewest=st.integers(1, 120), floor=st.integers(1, 120))
def test_a_step_is_at_least_an_instance_at_any_time(
    strategy: Strategy, fewest: int, floor: int
) -> None:
    scaling = ScalingConfig(
        min_instances=fewest,
        max_instances=200,
        floors=[ScheduledFloor(name="night", schedule="rate(1 day)", min_instances=floor)],
    )
    match strategy:
        case Canary(percent=percent) | Linear(step_percent=percent):
            fits = min(fewest, floor) * percent >= 100
        case AllAtOnce():
            fits = True
    if fits:
        EndpointConfig(scaling=scaling, rollout=RolloutConfig(strategy=strategy))
        return
    with pytest.raises(ValueError, match=r"^scaling.min_instances must be at least \d+ with "):
        EndpointConfig(scaling=scaling, rollout=RolloutConfig(strategy=strategy))
