"""The gate's decision, its margins, and its reason in words."""

import pytest

from pipeline_code.evaluate.gate import Champion, Limits, decide

LIMITS = Limits(floor=0.3, champion_tolerance=0.01)


def test_the_first_model_needs_the_floor_only() -> None:
    gate = decide(0.5, None, LIMITS)
    assert gate["passed"] is True
    assert gate["champion"] == "none"
    assert gate["champion_average_precision"] == 0.0
    assert gate["champion_margin"] == 1.0
    assert gate["reason"] == (
        "passed: average precision 0.5000 reaches the floor 0.3000; there is no champion yet"
    )


def test_below_the_floor_fails_and_says_by_how_much() -> None:
    gate = decide(0.25, None, LIMITS)
    assert gate["passed"] is False
    assert gate["reason"] == "average precision 0.2500 is 0.0500 below the floor 0.3000"


def test_losing_to_the_champion_fails_and_says_by_how_much() -> None:
    gate = decide(0.5, Champion(arn="arn:7", average_precision=0.55), LIMITS)
    assert gate["passed"] is False
    assert gate["champion"] == "arn:7"
    assert gate["champion_average_precision"] == 0.55
    assert gate["champion_margin"] == pytest.approx(-0.05)
    assert gate["reason"] == (
        "average precision 0.5000 is 0.0500 below the champion's 0.5500, "
        "more than the tolerance 0.0100"
    )


def test_both_limits_are_named() -> None:
    reason = str(decide(0.2, Champion(arn="a", average_precision=0.5), LIMITS)["reason"])
    assert "below the floor" in reason
    assert "below the champion's" in reason


@pytest.mark.parametrize("champion", [0.4, 0.5, 0.505])
def test_beating_or_nearly_matching_the_champion_passes(champion: float) -> None:
    gate = decide(0.5, Champion(arn="a", average_precision=champion), LIMITS)
    assert gate["passed"] is True
    assert f"champion's {champion:.4f}" in str(gate["reason"])


def test_both_limits_may_be_met_exactly() -> None:
    limits = Limits(floor=0.5, champion_tolerance=0.25)
    assert decide(0.5, Champion(arn="a", average_precision=0.75), limits)["passed"] is True


def test_a_champion_of_another_schema_is_not_compared_and_it_is_said() -> None:
    champion = Champion(arn="arn:7", average_precision=None, remark="other features")
    gate = decide(0.5, champion, LIMITS)
    assert gate["passed"] is True
    assert gate["champion"] == "arn:7"
    assert gate["champion_margin"] == 1.0
    assert str(gate["reason"]).endswith("the champion was not compared: other features")


@pytest.mark.parametrize("name", ["floor", "champion_tolerance"])
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_a_limit_outside_its_range_is_refused(name: str, value: float) -> None:
    limits = {"floor": 0.3, "champion_tolerance": 0.01} | {name: value}
    with pytest.raises(ValueError, match=f"{name} must be between 0 and 1"):
        Limits(**limits)
