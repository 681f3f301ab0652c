"""Buckets, distance and thresholds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_code.monitor.drift import (
    BUCKETS,
    SMALLEST_BUCKET,
    Buckets,
    distance,
    sampling_noise,
    split_half_distance,
)

values = st.lists(
    st.one_of(st.integers(-3, 3).map(float), st.floats(-1e6, 1e6, allow_nan=False)),
    min_size=1,
    max_size=60,
).map(lambda given: np.array(given, np.float64))


@settings(deadline=None)
@given(values, values)
def test_every_value_falls_into_one_bucket(baseline: np.ndarray, current: np.ndarray) -> None:
    buckets = Buckets.of(baseline)
    assert list(buckets.edges) == sorted(set(buckets.edges))
    assert 2 <= len(buckets.edges) <= BUCKETS + 2
    for given_values in (baseline, current):
        assert buckets.count(given_values).sum() == len(given_values)
    inside = (baseline >= buckets.edges[0]) & (baseline < buckets.edges[-1])
    assert inside.all()


@settings(deadline=None)
@given(values, values)
def test_distance_is_zero_only_without_change_and_symmetric(
    one: np.ndarray, other: np.ndarray
) -> None:
    buckets = Buckets.of(one)
    first, second = buckets.count(one), buckets.count(other)
    assert distance(first, first) == 0
    assert distance(first, second) == pytest.approx(distance(second, first))
    assert distance(first, second) >= 0


def test_distance_does_not_depend_on_the_number_of_records() -> None:
    counts, moved = np.array([50, 30, 20]), np.array([20, 30, 50])
    assert distance(counts, moved) == pytest.approx(distance(counts * 7, moved * 1000))


def test_mostly_zero_values_have_a_bucket_for_zero_and_one_for_the_rest() -> None:
    risks = np.array([0.0] * 970 + [0.2] * 20 + [0.9] * 10)
    buckets = Buckets.of(risks)
    assert buckets.edges[0] == 0
    assert buckets.edges[1] == 0.2
    assert buckets.count(risks).tolist() == [970, 30]


def test_a_handful_of_other_values_gets_no_bucket() -> None:
    rare = int(SMALLEST_BUCKET * 1000) - 1
    assert Buckets.of(np.array([0.0] * (1000 - rare) + [1.0] * rare)).count(
        np.zeros(3)
    ).tolist() == [3]


def test_a_constant_baseline_still_shows_change() -> None:
    buckets = Buckets.of(np.zeros(500))
    same, moved = buckets.count(np.zeros(500)), buckets.count(np.ones(500))
    assert distance(buckets.count(np.zeros(500)), same) == 0
    assert distance(same, moved) > 1


def test_halves_of_alike_owners_are_close_and_of_unlike_ones_are_not() -> None:
    random = np.random.default_rng(1)
    owners = np.repeat(np.arange(40), 50)
    alike = random.normal(100, 10, len(owners))
    unlike = alike + 100 * (owners % 7)
    distances = [
        split_half_distance(column, owners, Buckets.of(column), np.random.default_rng(1))
        for column in (alike, unlike)
    ]
    assert distances[0] < 0.1 < distances[1]


def test_one_owner_has_no_halves() -> None:
    column = np.arange(100.0)
    owners = np.zeros(100, np.int64)
    assert split_half_distance(column, owners, Buckets.of(column), np.random.default_rng(1)) == 0


def test_sampling_alone_stays_below_the_noise_allowed_for_it() -> None:
    random = np.random.default_rng(5)
    baseline = random.lognormal(3, 1, 5_000)
    buckets = Buckets.of(baseline)
    for size in (200, 1_000, 5_000):
        allowed = sampling_noise(buckets) * (1 / len(baseline) + 1 / size)
        worst = max(
            distance(buckets.count(baseline), buckets.count(random.lognormal(3, 1, size)))
            for _ in range(200)
        )
        assert allowed / 4 < worst < allowed
