"""Comparisons: a real difference is told from chance, at the stated rate."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_code.common.exits import BadInput
from pipeline_code.evaluate.comparison import (
    A_IS_BETTER,
    B_IS_BETTER,
    NO_DIFFERENCE,
    Comparison,
    compare,
    compare_scored,
)
from pipeline_code.quality.metrics import measure
from pipeline_code.quality.scored import ScoredRows
from pipeline_code.train.model import Model
from pipeline_code.train.rows import FeatureRows
from tests.pipeline_code.evaluate.conftest import fit_rows
from tests.pipeline_code.quality.some_rows import Row, mixed_rows, random_rows, scored


def with_scores(rows: ScoredRows, change: Callable[[np.ndarray], np.ndarray]) -> ScoredRows:
    return ScoredRows(
        days=rows.days,
        customers=rows.customers,
        labels=rows.labels,
        scores=change(rows.scores),
        amounts=rows.amounts,
        scenarios=rows.scenarios,
    )


@given(mixed_rows())
@settings(max_examples=25, deadline=None)
def test_a_model_does_not_differ_from_itself(rows: list[Row]) -> None:
    for metric in compare_scored(scored(rows), scored(rows), resamples=20).metrics.values():
        assert (metric.difference, metric.low, metric.high) == (0, 0, 0)
        assert metric.verdict == NO_DIFFERENCE


def test_only_the_order_of_scores_counts() -> None:
    rows = random_rows(1000)
    squeezed = with_scores(rows, lambda scores: np.sqrt(scores) / 7)
    for metric in compare_scored(rows, squeezed, resamples=50).metrics.values():
        assert (metric.difference, metric.low, metric.high) == (0, 0, 0)


@given(st.integers(0, 1000))
@settings(max_examples=5, deadline=None)
def test_exchanging_the_models_turns_the_differences_around(seed: int) -> None:
    weak, strong = random_rows(800, seed, skill=0.1), random_rows(800, seed, skill=0.4)
    there = compare_scored(weak, strong, resamples=60).metrics
    back = compare_scored(strong, weak, resamples=60).metrics
    opposite = {A_IS_BETTER: B_IS_BETTER, B_IS_BETTER: A_IS_BETTER, NO_DIFFERENCE: NO_DIFFERENCE}
    for name, metric in there.items():
        assert back[name].difference == -metric.difference
        assert back[name].low == pytest.approx(-metric.high)
        assert back[name].verdict == opposite[metric.verdict]


def test_a_better_model_is_told() -> None:
    weak, strong = random_rows(4000, skill=0.1), random_rows(4000, skill=0.5)
    metrics = compare_scored(weak, strong, reviews_per_day=20).metrics
    assert {metric.verdict for metric in metrics.values()} == {B_IS_BETTER}
    expected = measure(strong)["average_precision"].value - measure(weak)["average_precision"].value
    assert metrics["average_precision"].difference == pytest.approx(expected)
    assert metrics["average_precision"].low < expected < metrics["average_precision"].high


def pair(seed: int, count: int = 800) -> tuple[ScoredRows, ScoredRows]:
    """Two models on the same cards, whose AUC in the long run is 0.76 and 0.80.

    Genuine scores are standard normal, frauds' are shifted; the models share half their noise, and
    a card's transactions share some of theirs.
    """
    generator = np.random.default_rng(seed)
    customers = np.arange(count) // 4
    labels = (generator.random(count) < 0.15).astype(np.int8)
    shared = generator.standard_normal(count)
    of_card = generator.standard_normal(count // 4)[customers]
    models = [
        ScoredRows(
            days=np.arange(count) % 2,
            customers=customers,
            labels=labels,
            scores=labels * shift
            + np.sqrt(0.5) * shared
            + np.sqrt(0.2) * of_card
            + np.sqrt(0.3) * generator.standard_normal(count),
            amounts=np.full(count, 100),
            scenarios=np.zeros(count, dtype=np.int8),
        )
        for shift in (1.0, 1.2)
    ]
    return models[0], models[1]


def test_the_interval_holds_the_true_difference_as_often_as_it_says() -> None:
    from scipy.stats import norm  # noqa: PLC0415 - slow, and of this test only

    true = norm.cdf(1.2 / np.sqrt(2)) - norm.cdf(1.0 / np.sqrt(2))
    intervals = [compare_scored(*pair(seed), resamples=100) for seed in range(150)]
    areas = [made.metrics["auc_roc"] for made in intervals]
    held = np.mean([area.low <= true <= area.high for area in areas])
    # 95 % but for chance: 150 trials are all but never four standard errors below.
    assert 0.88 <= held <= 1.0
    assert np.mean([area.high - area.low for area in areas]) < 0.1


def test_models_without_a_difference_are_seldom_told_apart() -> None:
    verdicts = []
    for seed in range(60):
        first, second = pair(seed)
        same = with_scores(
            second,
            lambda scores, labels=second.labels: scores - 0.2 * labels,  # type: ignore[misc]
        )
        verdicts.append(compare_scored(first, same, resamples=100).metrics["auc_roc"].verdict)
    assert verdicts.count(NO_DIFFERENCE) > 50


@pytest.fixture(scope="module")
def compared(trained: Model, train_table: pa.Table, test_table: pa.Table) -> Comparison:
    return compare(fit_rows(train_table, rounds=1), trained, FeatureRows(test_table))


def test_models_are_compared_on_the_same_rows(compared: Comparison, test_table: pa.Table) -> None:
    document = compared.as_dict()
    assert (document["rows"], document["frauds"]) == (
        test_table.num_rows,
        sum(test_table["is_fraud"].to_pylist()),
    )
    assert (document["resamples"], document["confidence"]) == (1000, 0.95)
    assert set(document["metrics"]) == {
        "auc_roc",
        "average_precision",
        "card_precision_at_100",
        "saved_share",
        "saved_amount",
    }
    assert document["metrics"]["average_precision"]["verdict"] == B_IS_BETTER


def test_comparing_twice_gives_the_same(
    compared: Comparison, trained: Model, train_table: pa.Table, test_table: pa.Table
) -> None:
    again = compare(fit_rows(train_table, rounds=1), trained, FeatureRows(test_table))
    assert again == compared


def test_few_resamples_are_refused(trained: Model, test_table: pa.Table) -> None:
    with pytest.raises(BadInput, match="resamples must be at least 1000, got 999"):
        compare(trained, trained, FeatureRows(test_table), resamples=999)
