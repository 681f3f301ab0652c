from dataclasses import asdict
from typing import Any

import pytest

from lifecycle.training.model_gate import GateConfig
from pipeline_code.evaluate.gate import Limits


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"average_precision_floor": 1.1},
            "average_precision_floor must be between 0 and 1, got 1.1; use 0 for no limit",
        ),
        (
            {"champion_tolerance": -0.1},
            "champion_tolerance must be between 0 and 1, got -0.1; use 1 for no limit",
        ),
        ({"bias_limit": 2}, "bias_limit must be between 0 and 1, got 2; use 1 for no limit"),
        ({"calibration_limit": float("nan")}, "calibration_limit must be between 0 and 1, got nan"),
        ({"latency_limit_milliseconds": 0}, "latency_limit_milliseconds must be above 0, got 0; "),
        ({"size_limit_mib": float("inf")}, "size_limit_mib must be above 0, got inf; use a large"),
        ({"reviews_per_day": 0}, "reviews_per_day must be at least 1, got 0; give the number"),
        ({"decline_precision": 0}, "decline_precision must be above 0 and at most 1, got 0; use 1"),
        ({"decline_precision": 1.1}, "decline_precision must be above 0 and at most 1, got 1.1; "),
    ],
)
def test_limits_that_make_no_sense_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        GateConfig(**values)


def test_every_check_can_be_switched_off() -> None:
    off = GateConfig(
        average_precision_floor=0,
        champion_tolerance=1,
        bias_limit=1,
        calibration_limit=1,
        latency_limit_milliseconds=1e9,
        size_limit_mib=1e9,
    )
    assert asdict(off)["average_precision_floor"] == 0


def test_the_defaults_are_those_of_the_evaluation() -> None:
    gate, limits = GateConfig(), Limits()
    assert (gate.average_precision_floor, gate.champion_tolerance) == (
        limits.floor,
        limits.champion_tolerance,
    )
    assert (gate.bias_limit, gate.calibration_limit) == (limits.bias, limits.calibration)
    assert (gate.latency_limit_milliseconds, gate.size_limit_mib) == (limits.latency, limits.size)
