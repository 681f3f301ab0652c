"""Distances, with SciPy's over all values as the oracle."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import ks_2samp

from pipeline_code.monitor.data_quality.distances import Distance, distances_of, measure
from pipeline_code.monitor.data_quality.grids import FINE, Grid

samples = st.lists(
    st.one_of(st.integers(-3, 3).map(float), st.floats(-1e6, 1e6)), min_size=1, max_size=80
).map(lambda given: np.array(given, np.float64))


def counts(grid: Grid, values: np.ndarray) -> np.ndarray:
    return np.bincount(grid.place(values), minlength=grid.buckets)


@settings(deadline=None)
@given(samples, samples)
def test_all_are_zero_without_change_symmetric_and_bounded(
    one: np.ndarray, other: np.ndarray
) -> None:
    grid = Grid.of(one)
    first, second = counts(grid, one), counts(grid, other)
    assert set(measure(grid, first, first).values()) == {0.0}
    there, back = measure(grid, first, second), measure(grid, second, first)
    assert tuple(there) == distances_of(grid)
    for distance, value in there.items():
        assert value == pytest.approx(float(back[distance]), abs=1e-12)
        assert 0 <= value <= (10 if distance is Distance.POPULATION_STABILITY else 1 + 1e-12)


@settings(deadline=None)
@given(samples, samples)
def test_jensen_shannon_is_scipys(one: np.ndarray, other: np.ndarray) -> None:
    grid = Grid.of(one)
    first, second = counts(grid, one), counts(grid, other)
    # SciPy's is NaN where rounding makes the divergence less than nothing.
    expected = np.nan_to_num(jensenshannon(first, second, base=2))
    found = measure(grid, first, second)[Distance.JENSEN_SHANNON]
    assert found == pytest.approx(expected, abs=1e-7)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.floats(-1, 1), st.floats(0.2, 4), st.floats(0, 0.9))
def test_kolmogorov_smirnov_is_scipys_but_for_a_buckets_mass(
    seed: int, shift: float, scale: float, zeros: float
) -> None:
    random = np.random.default_rng(seed)
    baseline, current = random.normal(0, 1, 4_000), random.normal(shift, scale, 1_000)
    baseline[random.random(4_000) < zeros] = 0.0
    current[random.random(1_000) < zeros] = 0.0
    grid = Grid.of(baseline)
    found = measure(grid, counts(grid, baseline), counts(grid, current))
    exact = ks_2samp(baseline, current, method="asymp").statistic
    assert exact - 1.01 / FINE <= found[Distance.KOLMOGOROV_SMIRNOV] <= exact + 1e-12


@settings(deadline=None)
@given(samples)
def test_kolmogorov_smirnov_of_values_with_a_bucket_each_is_exact(current: np.ndarray) -> None:
    baseline = np.repeat(np.arange(-3.0, 30.0), 40)
    current = np.round(current)
    grid = Grid.of(baseline)
    inside = current[(current >= -3) & (current < 30)]
    if len(inside):
        found = measure(grid, counts(grid, baseline), counts(grid, inside))
        exact = ks_2samp(baseline, inside, method="asymp").statistic
        assert found[Distance.KOLMOGOROV_SMIRNOV] == pytest.approx(exact, abs=1e-12)


def test_categories_are_compared_by_the_largest_change_of_a_share() -> None:
    grid = Grid.of(np.repeat([0.0, 1.0, 2.0], [50, 30, 20]))
    first, second = np.array([0, 50, 30, 20, 0]), np.array([0, 10, 30, 20, 40])
    found = measure(grid, first, second)
    assert found[Distance.CATEGORICAL] == pytest.approx(0.4)
    assert Distance.KOLMOGOROV_SMIRNOV not in found


def test_distances_do_not_depend_on_the_number_of_records() -> None:
    grid = Grid.of(np.repeat([0.0, 1.0, 2.0], [50, 30, 20]))
    first, second = np.array([0, 50, 30, 20, 0]), np.array([0, 20, 30, 50, 0])
    few, many = measure(grid, first, second), measure(grid, first * 7, second * 1000)
    assert few == pytest.approx(many)


def test_many_pairs_at_once_are_what_each_is() -> None:
    random = np.random.default_rng(2)
    grid = Grid.of(random.random(5_000))
    first, second = (random.integers(0, 50, (7, grid.buckets)) for _ in range(2))
    at_once = measure(grid, first, second)
    for row in range(7):
        for distance, value in measure(grid, first[row], second[row]).items():
            assert at_once[distance][row] == value
