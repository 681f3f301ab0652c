"""Thresholds drawn from a baseline."""

import numpy as np
import pytest

from pipeline_code.monitor.data_quality.distances import Distance, measure
from pipeline_code.monitor.data_quality.grids import Grid
from pipeline_code.monitor.data_quality.thresholds import (
    LEAST_THRESHOLDS,
    MINIMUM_RECORDS,
    Draws,
    Limits,
)

HOUR = 3_600_000_000
WEEK = 7 * 24 * HOUR


def limits_of(
    values: np.ndarray, owners: np.ndarray, times: np.ndarray | None = None
) -> dict[Distance, Limits]:
    if times is None:
        times = np.linspace(0, WEEK, len(values)).astype(np.int64)
    grid = Grid.of(values)
    draws = Draws(owners, times, np.random.default_rng(1))
    return dict(draws.limits(grid, grid.place(values)))


@pytest.fixture(scope="module")
def independent() -> np.ndarray:
    return np.random.default_rng(5).lognormal(3, 1, 8_000)


def test_fewer_records_may_differ_more(independent: np.ndarray) -> None:
    for distance, limit in limits_of(independent, np.arange(8_000) % 2_000).items():
        assert limit.records == (MINIMUM_RECORDS, 600, 1_800, 4_000)
        assert list(limit.values) == sorted(limit.values, reverse=True)
        assert limit.values[-1] >= LEAST_THRESHOLDS[distance]
        assert limit.values[0] > 1.1 * limit.values[-1]


def test_other_records_of_the_same_kind_stay_below(independent: np.ndarray) -> None:
    limits = limits_of(independent, np.arange(8_000) % 2_000)
    grid = Grid.of(independent)
    expected = np.bincount(grid.place(independent), minlength=grid.buckets)
    random = np.random.default_rng(6)
    for place, size in enumerate((200, 600, 1_800, 4_000)):
        others = random.lognormal(3, 1, (200, size))
        counts = np.array([np.bincount(grid.place(o), minlength=grid.buckets) for o in others])
        for distance, found in measure(grid, expected, counts).items():
            assert found.max() < limits[distance].values[place]


def test_owners_who_are_unlike_raise_it(independent: np.ndarray) -> None:
    owners = np.arange(8_000) % 40
    alike = limits_of(independent, owners)
    unlike = limits_of(independent + 100 * (owners % 7), owners)
    for distance, limit in alike.items():
        assert unlike[distance].values[-1] > 1.2 * limit.values[-1]


def test_one_owner_has_no_halves() -> None:
    values = np.arange(100.0)
    for distance, limit in limits_of(values, np.zeros(100, np.int64)).items():
        assert limit == Limits((MINIMUM_RECORDS,), (LEAST_THRESHOLDS[distance],))


def test_few_rows_have_one_size() -> None:
    (limit, *_) = limits_of(np.arange(100.0), np.arange(100)).values()
    assert limit.records == (50,)


def test_what_hours_differ_by_is_never_drift() -> None:
    """Of a large bank, whose hour is as many records as the whole sample of its week."""
    random = np.random.default_rng(2)
    times = np.sort(random.integers(0, WEEK, 60_000))
    hours = times // HOUR % 24
    values = random.normal(0, 1, 60_000) + np.where(hours < 6, 1.0, 0.0)
    limits = limits_of(values, random.integers(0, 5_000, 60_000), times)
    even = limits_of(random.permutation(values), random.integers(0, 5_000, 60_000), times)
    grid = Grid.of(values)
    counts = [
        np.bincount(grid.place(v), minlength=grid.buckets) for v in (values, values[hours == 3])
    ]
    for distance, moved in measure(grid, counts[0], counts[1]).items():
        assert limits[distance].values[-1] > moved > even[distance].values[-1]


def test_the_same_rows_have_the_same_thresholds(independent: np.ndarray) -> None:
    owners = np.arange(8_000) % 300
    assert limits_of(independent, owners) == limits_of(independent, owners)
