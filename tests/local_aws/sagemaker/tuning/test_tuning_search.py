"""Spaces and strategies of tuning jobs, without any job."""

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local_aws.sagemaker.errors import ServiceError
from local_aws.sagemaker.tuning.search import (
    BayesianSearch,
    GridSearch,
    History,
    Observation,
    RandomSearch,
    Search,
    is_behind,
)
from local_aws.sagemaker.tuning.space import Number, Space, Values

UNITS = st.floats(0, 1)
SCALED = {
    "Linear": st.floats(-1e6, 1e6),
    "Logarithmic": st.floats(1e-9, 1e9),
    "ReverseLogarithmic": st.floats(0, 0.999999),
}


@st.composite
def numbers(draw: st.DrawFn) -> Number:
    if draw(st.booleans()):
        ends = sorted(draw(st.tuples(st.integers(1, 10**6), st.integers(1, 10**6))))
        scaling = draw(st.sampled_from(["Linear", "Logarithmic"]))
        return Number(name="n", low=ends[0], high=ends[1], integer=True, scaling=scaling)
    scaling = draw(st.sampled_from(sorted(SCALED)))
    low, high = sorted(draw(st.tuples(SCALED[scaling], SCALED[scaling])))
    return Number(name="x", low=low, high=high, integer=False, scaling=scaling)


@given(numbers(), UNITS)
def test_every_place_is_a_value_of_the_range(number: Number, unit: float) -> None:
    text = number.at(unit)
    assert number.low <= float(text) <= number.high
    assert not number.integer or text == str(int(text))
    place = number.encode(text)
    assert place is not None
    assert -1e-9 <= place[0] <= 1 + 1e-9
    if not number.integer and number.low < number.high:
        # The way back ends where it began, to within a step between two floats.
        assert float(number.at(place[0])) == pytest.approx(float(text), rel=1e-6, abs=1e-6)


@given(numbers(), st.tuples(UNITS, UNITS))
def test_places_keep_the_order_of_values(number: Number, units: tuple[float, float]) -> None:
    low, high = sorted(units)
    assert float(number.at(low)) <= float(number.at(high))


def test_ends_of_integer_ranges_are_as_likely_as_others() -> None:
    number = Number(name="n", low=1, high=4, integer=True, scaling="Linear")
    drawn = [number.at((i + 0.5) / 1000) for i in range(1000)]
    assert {text: drawn.count(text) for text in "1234"} == dict.fromkeys("1234", 250)


def test_logarithmic_ranges_give_each_order_its_share() -> None:
    number = Number(name="x", low=0.001, high=1, integer=False, scaling="Logarithmic")
    assert float(number.at(1 / 3)) == pytest.approx(0.01)
    reverse = Number(name="x", low=0.9, high=0.999, integer=False, scaling="ReverseLogarithmic")
    assert float(reverse.at(0.5)) == pytest.approx(0.99)


def test_auto_takes_orders_of_magnitude_for_logarithmic() -> None:
    ranges = [
        {"Name": "wide", "MinValue": "0.001", "MaxValue": "1"},
        {"Name": "narrow", "MinValue": "1", "MaxValue": "10"},
        {"Name": "zero", "MinValue": "0", "MaxValue": "1000"},
    ]
    space = Space.parse({"ContinuousParameterRanges": ranges})
    assert [item.scaling for item in space.ranges if isinstance(item, Number)] == [
        *("Logarithmic", "Linear", "Linear")
    ]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "ParameterRanges must hold a range"),
        ({"AutoParameters": [{}]}, "does not support AutoParameters"),
        ({"IntegerParameterRanges": [("n", "1", "2.5")]}, "range 'n' must be whole numbers"),
        ({"ContinuousParameterRanges": [("x", "2", "1")]}, "'x' must be at most MaxValue"),
        ({"ContinuousParameterRanges": [("x", "nan", "1")]}, "'x' must be at most MaxValue"),
        (
            {"ContinuousParameterRanges": [("x", "0", "1", "Logarithmic")]},
            "'x' must be greater than 0 for Logarithmic",
        ),
        (
            {"ContinuousParameterRanges": [("x", "0", "1", "ReverseLogarithmic")]},
            "within 0 <= x < 1",
        ),
        (
            {"IntegerParameterRanges": [("n", "0", "0", "ReverseLogarithmic")]},
            "'n' must be continuous",
        ),
        (
            {
                "IntegerParameterRanges": [("n", "1", "2")],
                "ContinuousParameterRanges": [("n", "1", "2")],
            },
            "must be unique, got 'n' twice",
        ),
        (
            {"CategoricalParameterRanges": [{"Name": "c", "Values": ["a", "a"]}]},
            "the values of 'c' must be unique",
        ),
    ],
)
def test_what_cannot_be_searched_is_refused(document: dict[str, Any], message: str) -> None:
    members = ("Name", "MinValue", "MaxValue", "ScalingType")
    ranges = {
        kind: [
            dict(zip(members, item, strict=False)) if isinstance(item, tuple) else item
            for item in items
        ]
        for kind, items in document.items()
    }
    with pytest.raises(ServiceError, match=message):
        Space.parse(ranges)


SPACE = Space.parse(
    {
        "ContinuousParameterRanges": [{"Name": "x", "MinValue": "0.001", "MaxValue": "10"}],
        "IntegerParameterRanges": [{"Name": "n", "MinValue": "1", "MaxValue": "20"}],
        "CategoricalParameterRanges": [{"Name": "c", "Values": ["a", "b"]}],
    }
)


def loss(values: Values) -> float:
    """Least, 0, at x = 0.3, n = 7, c = b."""
    return (
        (math.log10(float(values["x"]) / 0.3)) ** 2
        + ((int(values["n"]) - 7) / 5) ** 2
        + 0.5 * (values["c"] == "a")
    )


def run(search: Search, count: int, objective: Callable[[Values], float] = loss) -> list[Values]:
    tried: list[Values] = []
    observed: list[Observation] = []
    for _ in range(count):
        values = search.propose(History(tried=tried, observed=observed, pending=[]))
        if values is None:
            break
        tried.append(values)
        observed.append(Observation(values, objective(values)))
    return tried


@given(st.integers(0, 2**31 - 1))
@settings(max_examples=5, deadline=None)
def test_one_seed_gives_one_search(seed: int) -> None:
    for kind in (RandomSearch, BayesianSearch):
        first, second = run(kind(SPACE, seed), 10), run(kind(SPACE, seed), 10)
        assert first == second
        assert all(SPACE.encode(values) is not None for values in first)
        assert len({str(values) for values in first}) == 10


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_bayesian_search_finds_what_chance_does_not(seed: int) -> None:
    by_chance = min(map(loss, run(RandomSearch(SPACE, seed), 20)))
    by_model = min(map(loss, run(BayesianSearch(SPACE, seed), 20)))
    assert by_model < 0.02 < by_chance


def test_combinations_that_run_are_not_tried_at_once_again() -> None:
    search = BayesianSearch(SPACE, 7)
    tried = run(search, 12)
    observed = [Observation(values, loss(values)) for values in tried]
    pending: list[Values] = []
    for _ in range(4):
        values = search.propose(
            History(tried=[*tried, *pending], observed=observed, pending=pending)
        )
        assert values is not None
        assert values not in tried + pending
        pending.append(values)


def test_earlier_observations_replace_the_first_points() -> None:
    known = [Observation(values, loss(values)) for values in run(RandomSearch(SPACE, 5), 30)]
    outside = Observation({"x": "100", "n": "7", "c": "b"}, -10.0)
    found = BayesianSearch(SPACE, 5).propose(
        History(tried=[], observed=[*known, outside], pending=[])
    )
    assert found is not None
    assert loss(found) < sum(item.loss for item in known) / len(known) / 4


@given(st.lists(st.integers(1, 4), min_size=1, max_size=3))
def test_a_grid_is_tried_once_as_a_whole(sizes: list[int]) -> None:
    ranges = [
        {"Name": f"c{i}", "Values": [f"v{j}" for j in range(size)]} for i, size in enumerate(sizes)
    ]
    space = Space.parse({"CategoricalParameterRanges": ranges})
    tried = run(GridSearch(space), 100, lambda _: 0.0)
    assert len(tried) == len({str(values) for values in tried}) == space.count == math.prod(sizes)


def test_a_space_that_is_used_up_may_repeat() -> None:
    space = Space.parse({"CategoricalParameterRanges": [{"Name": "c", "Values": ["a", "b"]}]})
    tried = run(RandomSearch(space, 1), 4, lambda _: 0.0)
    assert {values["c"] for values in tried[:2]} == {"a", "b"}
    assert len(tried) == 4
    assert len(run(BayesianSearch(space, 1), 8, lambda _: 0.0)) == 8


CURVES = [[0.1, 0.2, 0.3, 0.4], [0.2, 0.4, 0.6, 0.8], [0.3, 0.5, 0.7, 0.9]]


@pytest.mark.parametrize(
    ("values", "behind"),
    [
        ([], False),
        ([0.2], False),  # the median of 0.1, 0.2 and 0.3
        ([0.19], True),
        ([0.5, 0.29], True),  # the median of 0.15, 0.3 and 0.4
        ([0.0, 0.31], False),
        ([0.0, 0.0, 0.0, 0.0, 0.0], False),  # nobody got that far
    ],
)
def test_the_median_rule(values: list[float], behind: bool) -> None:
    assert is_behind(values, CURVES, maximize=True) is behind
    losses = [[-value for value in curve] for curve in CURVES]
    assert is_behind([-value for value in values], losses, maximize=False) is behind
    assert not is_behind(values, CURVES[:2], maximize=True)
