"""The metrics, against examples worked by hand and plain restatements of their definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_code.common.exits import BadInput
from pipeline_code.evaluate.metrics import (
    Scored,
    auc_roc,
    average_precision,
    card_precision,
    measure,
)


def scored(rows: list[tuple[int, int, int, float]]) -> Scored:
    """Rows of (day, customer, label, score)."""
    days, customers, labels, scores = zip(*rows, strict=True)
    return Scored(
        days=np.array(days, dtype=np.int64),
        customers=np.array(customers, dtype=np.int64),
        labels=np.array(labels, dtype=np.int8),
        scores=np.array(scores, dtype=np.float64),
    )


def test_area_and_precision_by_hand() -> None:
    rows = scored([(0, 1, 1, 0.9), (0, 2, 0, 0.8), (0, 3, 1, 0.7), (0, 4, 0, 0.1)])
    assert auc_roc(rows) == 0.75
    assert average_precision(rows) == pytest.approx((1 + 2 / 3) / 2)


def test_a_card_ranks_by_its_highest_score() -> None:
    rows = [(0, 1, 1, 0.1), (0, 1, 0, 0.9), (0, 2, 0, 0.8), (0, 3, 0, 0.7)]
    assert card_precision(scored(rows), k=2) == [0.5]


def test_a_detected_card_is_not_looked_at_again() -> None:
    rows = [(0, 1, 1, 0.9), (0, 2, 0, 0.1), (1, 1, 1, 0.9), (1, 2, 0, 0.5), (1, 3, 1, 0.4)]
    assert card_precision(scored(rows), k=1) == [1.0, 0.0]
    assert card_precision(scored(rows), k=2) == [0.5, 0.5]


def test_a_reviewed_card_without_fraud_stays() -> None:
    rows = [(0, 1, 0, 0.9), (0, 2, 1, 0.1), (1, 1, 1, 0.9), (1, 2, 0, 0.1)]
    assert card_precision(scored(rows), k=1) == [0.0, 1.0]


def test_fewer_cards_than_reviews_still_divide_by_the_reviews() -> None:
    assert card_precision(scored([(0, 1, 1, 0.9), (0, 2, 0, 0.1)]), k=4) == [0.25]


def test_equal_scores_rank_by_customer() -> None:
    assert card_precision(scored([(0, 9, 1, 0.5), (0, 4, 0, 0.5)]), k=1) == [0.0]


def plain_card_precision(rows: list[tuple[int, int, int, float]], k: int) -> list[float]:
    found: set[int] = set()
    result = []
    for day in sorted({row[0] for row in rows}):
        cards: dict[int, tuple[float, int]] = {}
        for _, customer, label, score in (row for row in rows if row[0] == day):
            if customer not in found:
                best, fraud = cards.get(customer, (-1.0, 0))
                cards[customer] = (max(best, score), max(fraud, label))
        ranked = sorted(cards, key=lambda card: (-cards[card][0], card))[:k]
        hits = {card for card in ranked if cards[card][1]}
        found |= hits
        result.append(len(hits) / k)
    return result


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.integers(0, 8),
            st.integers(0, 1),
            st.sampled_from([0.1, 0.5, 0.9]),
        ),
        min_size=2,
        max_size=60,
    ).filter(lambda rows: 0 < sum(row[2] for row in rows) < len(rows)),
    st.integers(1, 5),
)
def test_card_precision_follows_its_definition(
    rows: list[tuple[int, int, int, float]], k: int
) -> None:
    assert card_precision(scored(rows), k) == plain_card_precision(rows, k)


@pytest.mark.parametrize("label", [0, 1])
def test_rows_of_one_kind_are_refused(label: int) -> None:
    with pytest.raises(BadInput, match=f"got {2 * label} frauds in 2 rows"):
        scored([(0, 1, label, 0.1), (0, 2, label, 0.2)])


def some_rows(count: int) -> Scored:
    generator = np.random.default_rng(4)
    labels = (generator.random(count) < 0.1).astype(np.int8)
    return Scored(
        days=generator.integers(0, 7, count),
        customers=generator.integers(0, count // 5, count),
        labels=labels,
        scores=labels * 0.3 + generator.random(count),
    )


def test_every_metric_comes_with_its_uncertainty() -> None:
    rows = some_rows(3000)
    measured = measure(rows)
    assert measured["auc_roc"].value == auc_roc(rows)
    assert measured["average_precision"].value == average_precision(rows)
    assert measured["card_precision_at_100"].value == np.mean(card_precision(rows))
    assert all(0 < metric.standard_deviation < 0.1 for metric in measured.values())


def test_more_rows_are_more_certain() -> None:
    few, many = measure(some_rows(500)), measure(some_rows(8000))
    for name in ("auc_roc", "average_precision"):
        assert many[name].standard_deviation < few[name].standard_deviation


def test_measuring_twice_gives_the_same() -> None:
    assert measure(some_rows(500)) == measure(some_rows(500))


def test_a_single_card_has_no_spread() -> None:
    rows = scored([(0, 1, 1, 0.9), (0, 1, 0, 0.1)])
    assert measure(rows)["auc_roc"].standard_deviation == 0.0
