"""What the rows hold, counted in one pass; what could only make a bad model is refused."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_code.common.exits import BadInput
from pipeline_code.train.batches import Batch
from pipeline_code.train.survey import DAY, Survey

NAMES = ("a", "b")


def batches_of(rows: Batch, size: int) -> list[Batch]:
    parts = (slice(start, start + size) for start in range(0, len(rows), size))
    return [Batch(rows.rows[part], rows.labels[part], rows.times[part]) for part in parts]


@st.composite
def some_rows(draw: st.DrawFn) -> Batch:
    count = draw(st.integers(1, 60))
    generator = np.random.default_rng(draw(st.integers(0, 2**31)))
    return Batch(
        generator.integers(0, 3, (count, 2)).astype(np.float32),
        generator.integers(0, 2, count).astype(np.int8),
        generator.integers(-3 * DAY, 9 * DAY, count),
    )


@settings(deadline=None)
@given(some_rows(), st.integers(1, 70))
def test_it_counts_what_is_there(rows: Batch, size: int) -> None:
    survey = Survey.of(batches_of(rows, size), "train", NAMES)
    days = rows.times // DAY
    assert survey.rows == survey.own_rows == len(rows)
    assert survey.frauds == rows.labels.sum()
    assert survey.first_time == rows.times.min()
    assert survey.last_time == rows.times.max()
    for place in range(len(survey.day_rows)):
        on_day = days == days.min() + place
        assert survey.day_rows[place] == on_day.sum()
        assert survey.day_frauds[place] == rows.labels[on_day].sum()
    same = [name for name, column in zip(NAMES, rows.rows.T, strict=True) if len(set(column)) == 1]
    assert survey.constant == tuple(same)
    for wanted in range(1, len(survey.day_rows)):
        later = days > days.max() - wanted
        classes = {(bool(side), int(one)) for side, one in zip(later, rows.labels, strict=True)}
        if len(classes) == 4:
            assert survey.slice_start(wanted, "train") == (days.max() - wanted + 1) * DAY
        else:
            with pytest.raises(BadInput, match="must hold"):
                survey.slice_start(wanted, "train")


@settings(deadline=None)
@given(some_rows(), st.integers(0, 2), st.data())
def test_one_other_value_is_another_digest(rows: Batch, which: int, data: st.DataObject) -> None:
    parts: list[Any] = [rows.rows.copy(), rows.labels.copy(), rows.times.copy()]
    before = Survey.of([rows], "train", NAMES).digest
    assert Survey.of([Batch(*parts)], "train", NAMES).digest == before
    row = data.draw(st.integers(0, len(rows) - 1))
    parts[which][row] += 1
    assert Survey.of([Batch(*parts)], "train", NAMES).digest != before


def test_the_period_is_told_in_utc() -> None:
    rows = Batch(np.zeros((2, 2), np.float32), np.array([0, 1], np.int8), np.array([5 * DAY, 7]))
    survey = Survey.of([rows], "train", NAMES)
    assert survey.period() == ("1970-01-01T00:00:00.000007Z", "1970-01-06T00:00:00.000000Z")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_found(value: float) -> None:
    rows = Batch(np.zeros((9, 2), np.float32), np.zeros(9, np.int8), np.zeros(9, np.int64))
    rows.rows[7, 1] = value
    with pytest.raises(BadInput, match=f"train column b must be finite, got {value} in row 7"):
        Survey.of(batches_of(rows, 2), "train", NAMES)
