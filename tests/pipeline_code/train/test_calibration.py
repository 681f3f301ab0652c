"""Calibrated scores mean what they say, keep the order, and do not depend on other rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from pipeline_code.train.calibration import Calibration

MARGINS = st.lists(st.floats(-30, 30, width=32, allow_nan=False), min_size=1, max_size=300).map(
    lambda values: np.array(values, dtype=np.float32)
)
SLOPES = st.floats(1e-3, 50)
INTERCEPTS = st.floats(-20, 20)


@settings(deadline=None)
@given(MARGINS, SLOPES, INTERCEPTS)
def test_a_score_does_not_depend_on_the_rows_beside_it(
    margins: np.ndarray, slope: float, intercept: float
) -> None:
    calibration = Calibration(slope=slope, intercept=intercept)
    together = calibration.probabilities(margins)
    alone = np.concatenate(
        [calibration.probabilities(margins[n : n + 1]) for n in range(len(margins))]
    )
    assert together.tobytes() == alone.tobytes()


@settings(deadline=None)
@given(MARGINS, SLOPES, INTERCEPTS)
def test_the_order_of_rows_stays(margins: np.ndarray, slope: float, intercept: float) -> None:
    scores = Calibration(slope=slope, intercept=intercept).probabilities(np.sort(margins))
    assert (np.diff(scores) >= 0).all()
    assert ((scores >= 0) & (scores <= 1)).all()


@settings(max_examples=20, deadline=None)
@given(st.floats(0.2, 4), st.floats(-3, 3), st.integers(0, 2**31))
def test_a_distortion_of_the_log_odds_is_found(slope: float, intercept: float, seed: int) -> None:
    generator = np.random.default_rng(seed)
    truth = generator.normal(-1, 1.5, 40_000)
    labels = (generator.random(len(truth)) < expit(truth)).astype(np.int8)
    distorted = (truth - intercept) / slope
    found = Calibration.fitted(distorted, labels)
    assert found.slope == pytest.approx(slope, rel=0.1)
    assert found.intercept == pytest.approx(intercept, abs=0.15)
    assert found.probabilities(distorted).mean() == pytest.approx(labels.mean(), abs=1e-3)


def test_rows_that_are_told_apart_without_a_mistake_have_a_finite_slope() -> None:
    margins = np.array([-2.0, -1.0, 1.0, 2.0])
    found = Calibration.fitted(margins, np.array([0, 0, 1, 1]))
    assert found.slope < 10
    assert 0.5 < found.probabilities(margins)[-1] < 1


def test_a_score_that_is_wrong_way_round_keeps_a_positive_slope() -> None:
    found = Calibration.fitted(np.array([-2.0, -1.0, 1.0, 2.0]), np.array([1, 1, 0, 0]))
    assert found.slope > 0


def test_a_weight_of_frauds_is_taken_back() -> None:
    weighted = np.log(np.array([0.1, 1.0, 10.0]) * 8)
    taken_back = Calibration.of_weight(8.0).probabilities(weighted)
    np.testing.assert_allclose(taken_back, [0.1 / 1.1, 0.5, 10 / 11], rtol=1e-6)


@pytest.mark.parametrize(
    ("slope", "intercept"), [(0.0, 0.0), (-1.0, 0.0), (float("nan"), 0.0), (1.0, float("inf"))]
)
def test_numbers_that_are_no_calibration_are_refused(slope: float, intercept: float) -> None:
    with pytest.raises(ValueError, match="slope must be positive and intercept finite"):
        Calibration(slope=slope, intercept=intercept)
