"""From which score on transactions are declined."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_code.common.exits import BadInput
from pipeline_code.evaluate.declining import DeclineEffect
from tests.pipeline_code.quality.some_rows import scored

# Few scores, so that many rows share one.
SCORES = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0])


def rows_of(pairs: list[tuple[int, float]]) -> list[tuple[int, int, int, float]]:
    """A row for each label and score, after one of each label at the lowest score."""
    known = [(0, 0.0), (1, 0.0), *pairs]
    return [(0, place, label, score) for place, (label, score) in enumerate(known)]


def test_the_lowest_score_that_is_precise_enough_by_hand() -> None:
    rows = scored([(0, 1, 1, 0.9), (0, 2, 1, 0.8), (0, 3, 0, 0.7), (0, 4, 1, 0.6), (0, 5, 0, 0.1)])
    found = DeclineEffect.of(rows, precision=0.75, review_threshold=0.0)
    assert (found.threshold, found.recall) == (0.6, 1.0)
    strict = DeclineEffect.of(rows, precision=0.8, review_threshold=0.0)
    assert strict.threshold == 0.8
    assert strict.recall == pytest.approx(2 / 3)
    above = DeclineEffect.of(rows, precision=0.75, review_threshold=0.85)
    assert above.threshold == 0.9
    assert above.recall == pytest.approx(1 / 3)
    assert above.as_dict()["threshold"] == 0.9


def test_no_score_is_precise_enough() -> None:
    rows = scored([(0, 1, 0, 0.9), (0, 2, 1, 0.8), (0, 3, 0, 0.7)])
    found = DeclineEffect.of(rows, precision=0.95, review_threshold=0.0)
    assert (found.threshold, found.recall) == (None, 0.0)


@given(
    pairs=st.lists(st.tuples(st.integers(0, 1), SCORES), max_size=30),
    precision=st.floats(0.01, 1.0),
    least=SCORES,
)
def test_it_is_the_lowest_of_all_that_are_precise_enough(
    pairs: list[tuple[int, float]], precision: float, least: float
) -> None:
    rows = scored(rows_of(pairs))
    found = DeclineEffect.of(rows, precision=precision, review_threshold=least)
    good = [
        threshold
        for threshold in np.unique(rows.scores)
        if threshold >= least
        and rows.labels[rows.scores >= threshold].sum()
        >= precision * (rows.scores >= threshold).sum()
    ]
    assert found.threshold == (min(good) if good else None)


@pytest.mark.parametrize("precision", [0.0, -0.1, 1.01, float("nan")])
def test_a_precision_that_is_no_share_is_refused(precision: float) -> None:
    with pytest.raises(BadInput, match="decline_precision must be above 0 and at most 1, got"):
        DeclineEffect.of(scored(rows_of([])), precision=precision, review_threshold=0.0)
