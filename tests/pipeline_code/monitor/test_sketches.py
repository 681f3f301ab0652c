"""What is kept of records that stream by, against NumPy over all of them at once."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_code.captures.chunks import Chunk
from pipeline_code.monitor.data_quality.grids import Grid
from pipeline_code.monitor.data_quality.sketches import Sketch, Summary

NAMES = ("amount", "share")


def chunk(values: np.ndarray, wrong: Any = (0, 0), names: tuple[str, ...] = NAMES) -> Chunk:
    gaps = np.isnan(values).sum(axis=1)
    wrong = np.array(wrong[: len(names)], np.int64)
    return Chunk(names, values, gaps - wrong, wrong)


datasets = st.lists(
    st.tuples(
        st.one_of(st.integers(-5, 5).map(float), st.floats(-1e9, 1e9), st.just(float("nan"))),
        st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(1e8, 1e8 + 1)),
    ),
    min_size=1,
    max_size=60,
).map(lambda rows: np.array(rows, np.float64).T.copy())


def same(one: Summary, other: Summary) -> None:
    assert one.records == other.records
    assert (one.numbers, one.wrong, one.missing) == (other.numbers, other.wrong, other.missing)
    np.testing.assert_array_equal(one.counts, other.counts)
    assert (one.low, one.high, one.integral_share) == (other.low, other.high, other.integral_share)
    if one.numbers:
        assert one.mean == pytest.approx(other.mean, rel=1e-12, abs=1e-6)
        assert one.sum == pytest.approx(other.sum, rel=1e-12, abs=1e-6)
        assert one.std_dev == pytest.approx(other.std_dev, rel=1e-9, abs=1e-6)


@settings(deadline=None)
@given(datasets, st.lists(st.integers(0, 60), max_size=4), st.integers(0, 4))
def test_however_records_are_cut_and_merged(
    values: np.ndarray, cuts: list[int], merged: int
) -> None:
    grids = {name: Grid.of(np.nan_to_num(values[row])) for row, name in enumerate(NAMES)}
    whole, first, second = Sketch(grids), Sketch(grids), Sketch(grids)
    whole.add(chunk(values))
    for place, part in enumerate(np.split(values, sorted(cuts), axis=1)):
        (first if place < merged else second).add(chunk(part))
    first.merge(second)
    for name in NAMES:
        same(first.summaries()[name], whole.summaries()[name])


@settings(deadline=None)
@given(datasets)
def test_moments_are_those_of_all_numbers(values: np.ndarray) -> None:
    sketch = Sketch({})
    sketch.add(chunk(values))
    for row, name in enumerate(NAMES):
        summary = sketch.summaries()[name]
        numbers = values[row][~np.isnan(values[row])]
        assert (summary.records, summary.numbers) == (values.shape[1], len(numbers))
        assert summary.counts.tolist() == [len(numbers)]
        if len(numbers):
            assert (summary.low, summary.high) == (numbers.min(), numbers.max())
            assert summary.integral_share == np.mean(numbers == np.floor(numbers))
            assert summary.mean == pytest.approx(numbers.mean(), rel=1e-12, abs=1e-6)
            assert summary.std_dev == pytest.approx(numbers.std(), rel=1e-9, abs=1e-6)
        else:
            assert summary.inferred_type == "Unknown"


def test_small_spread_far_from_zero_is_not_lost() -> None:
    """As the textbook's difference of two sums loses it."""
    sketch = Sketch({})
    values = 1e9 + np.random.default_rng(1).random((2, 5_000))
    for part in np.split(values, 50, axis=1):
        sketch.add(chunk(part))
    summary = sketch.summaries()["amount"]
    assert summary.std_dev == pytest.approx(values[0].std(), rel=1e-6)


def test_what_has_no_number_is_missing_or_wrong() -> None:
    sketch = Sketch({})
    sketch.add(chunk(np.array([[1.0, np.nan, np.nan, 2.0]]), wrong=(1,), names=("amount",)))
    sketch.add(chunk(np.array([[0.5, 0.5]]), names=("share",)))
    amount, share = (sketch.summaries()[name] for name in NAMES)
    assert (amount.present, amount.wrong, amount.missing, amount.completeness) == (3, 1, 3, 0.5)
    assert (share.present, share.missing) == (2, 4)
    assert (amount.inferred_type, share.inferred_type) == ("Integral", "Fractional")


def test_no_records_at_all() -> None:
    sketch = Sketch({})
    sketch.add(chunk(np.empty((2, 0))))
    summary = sketch.summaries()["amount"]
    assert (sketch.records, summary.completeness, summary.inferred_type) == (0, 1.0, "Unknown")


def test_rows_that_do_not_lie_together_count_as_well() -> None:
    values = np.arange(24.0).reshape(12, 2).T
    assert not values[0].flags.c_contiguous
    sketch = Sketch({"amount": Grid.of(np.arange(24.0))})
    sketch.add(chunk(values))
    assert sketch.summaries()["amount"].mean == np.arange(0, 24, 2).mean()
