"""Trees that scikit-learn grows are its public estimator's, and score as they do there."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier

from pipeline_code.train import histogram_trees
from pipeline_code.train.algorithms import Scorer, find_algorithm
from pipeline_code.train.batches import Batch
from pipeline_code.train.parameters import Parameters
from tests.pipeline_code.train.test_compiled_trees import drawn, lessons

NAMES = tuple("abcd")


def learned(rows: npt.NDArray[np.float32], labels: npt.NDArray[np.int8], **told: Any) -> Scorer:
    algorithm = find_algorithm("scikit-learn")
    parameters = Parameters(
        trees_per_round=1, feature_share=1.0, min_child_weight=1e-3, l2_penalty=0.5, **told
    )
    # In two batches, which are binned apart.
    batch, half = Batch(rows, labels, np.arange(len(rows))), len(rows) // 2
    batches = [batch.part(0, half), batch.part(half, len(rows))]
    boosting = algorithm.begin(algorithm.prepare(batches, NAMES), NAMES, parameters)
    for number in range(parameters.rounds):
        boosting.add_round(number)
    return algorithm.read(boosting.content(parameters.rounds))


def estimator(depth: int, **told: Any) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(
        max_depth=depth,
        max_leaf_nodes=max(2, 2 ** (depth - 1) - 1),
        l2_regularization=0.5,
        early_stopping=False,
        **told,
    )


def balanced(lesson: dict[str, Any]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int8]]:
    """As many frauds as others, from which the estimator starts at zero, too."""
    rows, _ = drawn(lesson)
    noisy = np.nan_to_num(rows[:, 0].astype(np.float64)) + np.random.default_rng(1).normal(
        0, 2, len(rows)
    )
    return rows, (np.argsort(np.argsort(noisy)) % len(rows) * 2 >= len(rows)).astype(np.int8)


@settings(max_examples=40, deadline=None)
@given(lesson=lessons(), increasing=st.booleans())
def test_a_tree_is_the_estimators_for_any_row(lesson: dict[str, Any], increasing: bool) -> None:
    rows, labels = balanced(lesson)
    public = estimator(
        lesson["depth"], learning_rate=1.0, max_iter=1, monotonic_cst=[int(increasing), 0, 0, 0]
    ).fit(rows, labels)
    scorer = learned(
        rows,
        labels,
        rounds=1,
        learning_rate=1.0,
        max_depth=lesson["depth"],
        increasing_features="a" if increasing else "",
    )
    # Each split's value, both next to it, and none. Training and serving refuse what is infinite.
    edges = scorer.forest().edges()
    rows = np.concatenate([rows, edges[~np.isinf(edges).any(axis=1)]])
    expected = public.decision_function(rows).astype(np.float32)
    np.testing.assert_array_equal(scorer.margins(rows), expected)


def test_many_trees_are_the_estimators() -> None:
    lesson = {"seed": 3, "missing": 0.1, "values": ()}
    rows, labels = balanced(lesson)
    public = estimator(5, learning_rate=0.2, max_iter=30).fit(rows, labels)
    scorer = learned(
        rows, labels, rounds=30, learning_rate=0.2, max_depth=5, increasing_features=""
    )
    # Log-odds are in single precision here, and in double precision there.
    np.testing.assert_allclose(scorer.margins(rows), public.decision_function(rows), atol=1e-5)


def test_any_number_of_cores_learns_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, labels = balanced({"seed": 4, "missing": 0.1, "values": ()})
    contents = set()
    for cores in (1, 2, 5):
        monkeypatch.setattr(histogram_trees, "available_cores", lambda cores=cores: cores)
        contents.add(learned(rows, labels, rounds=20, row_share=0.7).content)
    assert len(contents) == 1
