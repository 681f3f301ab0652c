"""Calibration, against cases that are right or wrong by construction."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_code.quality.calibration import calibration
from pipeline_code.quality.scored import ScoredRows
from tests.pipeline_code.quality.some_rows import Row, mixed_rows, random_rows, scored


def honest(count: int, seed: int = 1, *, exaggeration: float = 1.0) -> ScoredRows:
    """Rows whose label comes with the probability that the score says, or a part of it."""
    generator = np.random.default_rng(seed)
    chances = generator.beta(0.3, 8, count)
    labels = (generator.random(count) < chances).astype(np.int8)
    return replace(
        random_rows(count),
        labels=labels,
        scores=np.minimum(chances * exaggeration, 1.0),
    )


def test_honest_probabilities_err_only_by_chance() -> None:
    measured = calibration(honest(100_000))
    assert measured.expected_calibration_error < 2 * measured.by_chance < 0.003
    assert measured.expected_over_observed == pytest.approx(1, abs=0.05)


def test_exaggerated_probabilities_are_told() -> None:
    measured = calibration(honest(20_000, exaggeration=2.0))
    assert measured.expected_over_observed == pytest.approx(2, abs=0.2)
    assert measured.expected_calibration_error > 10 * measured.by_chance


def test_by_hand() -> None:
    measured = calibration(scored([(0, 1, 1, 0.5), (0, 2, 0, 0.5), (0, 3, 0, 0.5)]))
    assert [(each.rows, each.mean_score) for each in measured.bins] == [(3, 0.5)]
    assert measured.expected_calibration_error == pytest.approx(0.5 - 1 / 3)
    assert measured.brier == 0.25
    assert measured.log_loss == pytest.approx(np.log(2))
    assert (measured.expected_frauds, measured.observed_frauds) == (1.5, 1)


def test_bins_are_finer_at_the_top() -> None:
    rows = [each.rows for each in calibration(honest(10_000)).bins]
    assert rows == pytest.approx([5000, 2500, 1500, 500, 300, 100, 50, 30, 20], abs=1)


@given(mixed_rows(), st.randoms())
@settings(deadline=None)
def test_the_order_of_rows_does_not_matter(rows: list[Row], random: Random) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)
    there, back = calibration(scored(rows)), calibration(scored(shuffled))
    assert [each.rows for each in there.bins] == [each.rows for each in back.bins]
    assert there.expected_calibration_error == pytest.approx(back.expected_calibration_error)
    assert sum(each.rows for each in there.bins) == len(rows)
