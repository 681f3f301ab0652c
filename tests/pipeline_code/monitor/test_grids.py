"""Buckets, and how a number's bucket is found."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_code.captures.chunks import Chunk
from pipeline_code.monitor.data_quality.grids import (
    COARSE,
    FINE,
    MOST_CATEGORIES,
    SMALLEST_BUCKET,
    Grid,
    singles,
)
from pipeline_code.monitor.data_quality.sketches import Sketch

numbers = st.one_of(
    st.integers(-3, 3).map(float),
    st.floats(-1e6, 1e6),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
)
# What a baseline holds are singles; what is captured is whatever somebody writes.
values = st.lists(numbers, min_size=1, max_size=80).map(lambda given: singles(np.array(given)))
doubles = st.lists(st.one_of(numbers, st.floats(-1e300, 1e300)), max_size=80).map(
    lambda given: np.array(given, np.float64)
)


def counted(grid: Grid, given: np.ndarray) -> np.ndarray:
    """Through the kernel and its table."""
    sketch = Sketch({"x": grid})
    zero = np.zeros(1, np.int64)
    sketch.add(Chunk(("x",), given[np.newaxis].copy(), zero, zero))
    return sketch.summaries()["x"].counts


@settings(deadline=None)
@given(values, doubles)
def test_the_table_finds_the_bucket_that_a_search_finds(
    baseline: np.ndarray, current: np.ndarray
) -> None:
    grid = Grid.of(baseline)
    near = np.concatenate(
        [np.nextafter(grid.array, -np.inf), grid.array, [0.0, -0.0, 5e-324, 1e-45]]
    )
    for given_values in (baseline, current, near[np.isfinite(near)]):
        expected = np.bincount(grid.place(given_values), minlength=grid.buckets)
        np.testing.assert_array_equal(counted(grid, given_values), expected)


@settings(deadline=None)
@given(values)
def test_the_baseline_is_inside_and_coarse_buckets_are_made_of_fine_ones(
    baseline: np.ndarray,
) -> None:
    grid = Grid.of(baseline)
    assert list(grid.edges) == sorted(set(grid.edges))
    assert len(grid.edges) <= 3 * FINE
    counts = np.bincount(grid.place(baseline), minlength=grid.buckets)
    assert counts[0] == counts[-1] == 0
    coarse = grid.coarsened(counts)
    assert len(coarse) == len(grid.coarse) + 1 <= COARSE + 3
    assert coarse.sum() == len(baseline)
    assert (grid.coarse[0], grid.coarse[-1]) == (0, len(grid.edges) - 1)
    # Every coarse bucket of a baseline has something in it.
    assert (coarse[1:-1] > 0).all()


def test_a_number_is_counted_as_the_single_it_means() -> None:
    risks = singles(np.repeat([0.0, 0.1, 0.2, 0.3], 50))
    grid = Grid.of(risks)
    assert counted(grid, np.array([0.0, 0.1, 0.2, 0.3])).tolist() == [0, 1, 1, 1, 1, 0]


def test_no_fine_bucket_of_several_values_holds_much() -> None:
    random = np.random.default_rng(3)
    baseline = singles(np.where(random.random(20_000) < 0.6, 0, random.lognormal(3, 1, 20_000)))
    baseline[:3_000] = 17.0
    grid = Grid.of(baseline)
    shares = np.bincount(grid.place(baseline), minlength=grid.buckets) / len(baseline)
    alone = {int(grid.place(np.array([value]))[0]) for value in (0.0, 17.0)}
    others = [share for bucket, share in enumerate(shares) if bucket not in alone]
    assert max(others) <= 1.01 / FINE
    for value, bucket in zip((0.0, 17.0), sorted(alone), strict=True):
        assert shares[bucket] == np.mean(baseline == value)


def test_few_rows_have_few_buckets() -> None:
    assert Grid.of(np.random.default_rng(1).random(600)).buckets < 40


def test_few_values_are_categories() -> None:
    grid = Grid.of(np.repeat(np.arange(MOST_CATEGORIES, dtype=np.float64), 9))
    assert grid.categorical
    assert grid.edges[:-1] == tuple(range(MOST_CATEGORIES))
    assert not Grid.of(np.arange(MOST_CATEGORIES + 1.0)).categorical


def test_mostly_zero_values_have_a_coarse_bucket_for_zero_and_one_for_the_rest() -> None:
    grid = Grid.of(np.array([0.0] * 970 + [0.2] * 20 + [0.9] * 10))
    assert [grid.edges[place] for place in grid.coarse[:-1]] == [0.0, 0.2]


def test_a_handful_of_other_values_gets_no_coarse_bucket() -> None:
    rare = int(SMALLEST_BUCKET * 1000) - 1
    grid = Grid.of(np.array([0.0] * (1000 - rare) + [1.0] * rare))
    assert len(grid.coarse) == 2


@pytest.mark.parametrize("other", [-1.0, 1e-40, 1.0])
def test_a_constant_baseline_still_shows_change(other: float) -> None:
    grid = Grid.of(np.zeros(500))
    assert counted(grid, np.zeros(3)).tolist() == [0, 3, 0]
    assert counted(grid, np.full(3, other))[1] == 0


def test_even_buckets_hold_both_ends() -> None:
    grid = Grid.even(0.0, 1.0, 100)
    assert counted(grid, np.array([0.0, 0.005, 1.0])).tolist() == [0, 2, *[0] * 98, 1, 0]
    assert len(grid.coarse) == COARSE + 1
