"""Weighted areas equal scikit-learn's, ties and cards that are not drawn included."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from pipeline_code.quality.ranking import Ranking
from tests.pipeline_code.quality.some_rows import Row, mixed_rows, scored


@given(mixed_rows(), st.lists(st.integers(0, 3), min_size=9, max_size=9))
@settings(deadline=None)
def test_areas_are_those_of_scikit_learn(rows: list[Row], counts: list[int]) -> None:
    made = scored(rows)
    cards, card = np.unique(made.customers, return_inverse=True)
    weights = np.array(counts[: len(cards)], dtype=np.float64)
    of_row = weights[card]
    assume(0 < of_row @ made.labels < of_row.sum())
    areas = Ranking.of(made).areas(weights)
    given_rows = (made.labels, made.scores)
    assert areas.auc_roc == pytest.approx(roc_auc_score(*given_rows, sample_weight=of_row))
    assert areas.average_precision == pytest.approx(
        average_precision_score(*given_rows, sample_weight=of_row)
    )
