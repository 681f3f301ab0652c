"""The gate's decision, its checks, and its reason in words."""

import pytest

from pipeline_code.evaluate.gate import Candidate, Champion, Limits, decide

LIMITS = Limits(
    floor=0.3, champion_tolerance=0.01, bias=0.2, calibration=0.05, latency=10.0, size=50.0
)


def candidate(**changes: float) -> Candidate:
    measured = {
        "average_precision": 0.5,
        "bias": 0.1,
        "calibration": 0.01,
        "latency": 0.25,
        "size": 0.5,
    }
    return Candidate(**measured | changes)


def test_the_first_model_needs_no_champion() -> None:
    gate = decide(candidate(), None, LIMITS)
    assert gate["passed"] is True
    assert gate["champion"] == "none"
    assert gate["champion_average_precision"] == 0.0
    assert gate["champion_margin"] == 1.0
    assert gate["reason"] == (
        "passed: average precision 0.5000 reaches the floor 0.3000; there is no champion yet"
    )


def test_every_check_tells_its_value_and_its_limit() -> None:
    champion = Champion(arn="a", average_precision=0.25)
    assert decide(candidate(), champion, LIMITS)["checks"] == {
        "floor": {"value": 0.5, "limit": 0.3, "passed": True},
        "champion": {"value": 0.25, "limit": -0.01, "passed": True},
        "bias": {"value": 0.1, "limit": 0.2, "passed": True},
        "calibration": {"value": 0.01, "limit": 0.05, "passed": True},
        "latency": {"value": 0.25, "limit": 10.0, "passed": True},
        "size": {"value": 0.5, "limit": 50.0, "passed": True},
    }


@pytest.mark.parametrize(
    ("check", "changes", "reason"),
    [
        (
            "floor",
            {"average_precision": 0.25},
            "average precision 0.2500 is 0.0500 below the floor 0.3000",
        ),
        (
            "bias",
            {"bias": 0.25},
            "difference in recall between customer segments 0.2500 is 0.0500 above "
            "the limit 0.2000",
        ),
        (
            "calibration",
            {"calibration": 0.06},
            "expected calibration error 0.0600 is 0.0100 above the limit 0.0500",
        ),
        (
            "latency",
            {"latency": 12.5},
            "latency 12.5000 ms is 2.5000 ms above the limit 10.0000 ms",
        ),
        (
            "size",
            {"size": 51.0},
            "size of the model 51.0000 MiB is 1.0000 MiB above the limit 50.0000 MiB",
        ),
    ],
)
def test_a_missed_limit_is_named_and_by_how_much(
    check: str, changes: dict[str, float], reason: str
) -> None:
    gate = decide(candidate(**changes), None, LIMITS)
    assert gate["passed"] is False
    assert gate["reason"] == reason
    assert [name for name, each in gate["checks"].items() if not each["passed"]] == [check]


def test_losing_to_the_champion_fails_and_says_by_how_much() -> None:
    gate = decide(candidate(), Champion(arn="arn:7", average_precision=0.55), LIMITS)
    assert gate["passed"] is False
    assert gate["champion"] == "arn:7"
    assert gate["champion_average_precision"] == 0.55
    assert gate["champion_margin"] == pytest.approx(-0.05)
    assert gate["checks"]["champion"]["passed"] is False
    assert gate["reason"] == (
        "average precision 0.5000 is 0.0500 below the champion's 0.5500, "
        "more than the tolerance 0.0100"
    )


def test_every_missed_limit_is_named() -> None:
    worse = candidate(average_precision=0.2, bias=0.9, calibration=0.9, latency=99.0, size=99.0)
    gate = decide(worse, Champion(arn="a", average_precision=0.5), LIMITS)
    assert not any(check["passed"] for check in gate["checks"].values())
    parts = str(gate["reason"]).split("; ")
    names = ["floor", "champion", "segments", "calibration", "latency", "size"]
    assert len(parts) == 6
    assert all(name in part for name, part in zip(names, parts, strict=True))


@pytest.mark.parametrize("champion", [0.4, 0.5, 0.505])
def test_beating_or_nearly_matching_the_champion_passes(champion: float) -> None:
    gate = decide(candidate(), Champion(arn="a", average_precision=champion), LIMITS)
    assert gate["passed"] is True
    assert f"champion's {champion:.4f}" in str(gate["reason"])


def test_every_limit_may_be_met_exactly() -> None:
    limits = Limits(
        floor=0.5, champion_tolerance=0.25, bias=0.1, calibration=0.01, latency=0.25, size=0.5
    )
    champion = Champion(arn="a", average_precision=0.75)
    assert decide(candidate(), champion, limits)["passed"] is True


def test_a_champion_of_another_schema_is_not_compared_and_it_is_said() -> None:
    champion = Champion(arn="arn:7", average_precision=None, remark="other features")
    gate = decide(candidate(), champion, LIMITS)
    assert gate["passed"] is True
    assert gate["champion"] == "arn:7"
    assert gate["champion_margin"] == gate["checks"]["champion"]["value"] == 1.0
    assert str(gate["reason"]).endswith("the champion was not compared: other features")


@pytest.mark.parametrize("name", ["floor", "champion_tolerance", "bias", "calibration"])
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_a_limit_outside_its_range_is_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} must be between 0 and 1, got .*for no limit"):
        Limits(**{name: value})


@pytest.mark.parametrize("name", ["latency", "size"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_a_limit_that_nothing_could_meet_is_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} must be above 0, got"):
        Limits(**{name: value})
