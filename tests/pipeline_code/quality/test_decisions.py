"""Decisions at a threshold equal scikit-learn's measures of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    fbeta_score,
    precision_score,
    recall_score,
)

from pipeline_code.quality.decisions import Decisions
from tests.pipeline_code.quality.some_rows import Row, mixed_rows, scored


@given(mixed_rows(), st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]))
@settings(deadline=None)
def test_rates_are_those_of_scikit_learn(rows: list[Row], threshold: float) -> None:
    made = scored(rows)
    called = (made.scores >= threshold).astype(int)
    confusion = Decisions.of(made, threshold).confusion()
    rates = confusion.rates()
    assert [
        [confusion.true_negatives, confusion.false_positives],
        [confusion.false_negatives, confusion.true_positives],
    ] == confusion_matrix(made.labels, called, labels=[0, 1]).tolist()
    pair = (made.labels, called)
    assert rates["precision"] == pytest.approx(precision_score(*pair, zero_division=0))
    assert rates["recall"] == pytest.approx(recall_score(*pair))
    assert rates["accuracy"] == pytest.approx(accuracy_score(*pair))
    for name, beta in (("f0_5", 0.5), ("f1", 1), ("f2", 2)):
        assert rates[name] == pytest.approx(fbeta_score(*pair, beta=beta, zero_division=0))
    assert rates["true_positive_rate"] + rates["false_negative_rate"] == pytest.approx(1)
    assert rates["true_negative_rate"] + rates["false_positive_rate"] == pytest.approx(1)


def test_the_best_constant_by_hand() -> None:
    made = scored([(0, 1, 1, 0.9), (0, 2, 0, 0.1), (0, 3, 0, 0.1), (0, 4, 0, 0.1)])
    best = Decisions.of(made, 0.5).confusion().best_constant()
    assert (best["recall"], best["precision"], best["accuracy"]) == (1.0, 0.25, 0.75)
    assert best["f1"] == pytest.approx(0.4)


@given(mixed_rows(), st.integers(0, 3))
@settings(deadline=None)
def test_a_card_counts_as_often_as_its_weight(rows: list[Row], count: int) -> None:
    first = min(row[1] for row in rows)
    others = [row for row in rows if row[1] != first]
    repeated = others + count * [row for row in rows if row[1] == first]
    if not 0 < sum(row[2] for row in repeated) < len(repeated):
        return
    decisions = Decisions.of(scored(rows), 0.5)
    weights = np.ones(len(decisions.counts))
    weights[0] = count
    assert decisions.confusion(weights) == Decisions.of(scored(repeated), 0.5).confusion()
