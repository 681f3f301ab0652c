"""Reviews of cards, against examples worked by hand and a plain restatement of the definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_code.quality.metrics import card_precision
from pipeline_code.quality.reviews import CardDays, cost_curve
from tests.pipeline_code.quality.some_rows import Row, mixed_rows, random_rows, scored


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


def test_what_is_saved_is_the_fraud_of_the_day_and_all_that_would_follow() -> None:
    rows = [(0, 1, 1, 0.2), (1, 1, 1, 0.9), (1, 1, 0, 0.1), (2, 1, 1, 0.1), (0, 2, 1, 0.5)]
    amounts = [1, 20, 300, 4_000, 50_000]
    reviewed = CardDays.of(scored(rows, amounts)).review(1)
    assert reviewed.found.tolist() == [1, 1, 0]
    assert reviewed.saved == 50_000 + 20 + 4_000
    assert reviewed.saved_share == pytest.approx(54_020 / 54_021)


def plain_review(rows: list[Row], amounts: list[int], k: int) -> tuple[list[float], int]:
    blocked: set[int] = set()
    found, saved = [], 0
    for today in sorted({row[0] for row in rows}):
        cards: dict[int, tuple[float, int]] = {}
        for day, customer, label, score in rows:
            if day == today and customer not in blocked:
                best, fraud = cards.get(customer, (-1.0, 0))
                cards[customer] = (max(best, score), max(fraud, label))
        ranked = sorted(cards, key=lambda card: (-cards[card][0], card))[:k]
        hits = {card for card in ranked if cards[card][1]}
        blocked |= hits
        found.append(float(len(hits)))
        saved += sum(
            amount * label
            for (day, customer, label, _), amount in zip(rows, amounts, strict=True)
            if customer in hits and day >= today
        )
    return found, saved


@given(mixed_rows(), st.integers(1, 5), st.data())
@settings(deadline=None)
def test_reviews_follow_their_definition(rows: list[Row], k: int, data: st.DataObject) -> None:
    amounts = data.draw(st.lists(st.integers(0, 9), min_size=len(rows), max_size=len(rows)))
    reviewed = CardDays.of(scored(rows, amounts)).review(k)
    assert (reviewed.found.tolist(), reviewed.saved) == plain_review(rows, amounts, k)


@given(mixed_rows(), st.integers(1, 5))
@settings(deadline=None)
def test_a_card_that_does_not_count_is_as_if_it_were_not_there(rows: list[Row], k: int) -> None:
    first = min(row[1] for row in rows)
    others = [row for row in rows if row[1] != first]
    made = CardDays.of(scored(rows))
    weights = np.ones(len(made.amounts))
    weights[0] = 0
    days = sorted({row[0] for row in rows})
    left = sorted({row[0] for row in others})
    found = plain_review(others, [1] * len(others), k)[0] if others else []
    expected = dict.fromkeys(days, 0.0) | dict(zip(left, found, strict=True))
    assert made.review(k, weights).found.tolist() == list(expected.values())


def test_copies_of_a_card_are_looked_at_one_by_one() -> None:
    made = CardDays.of(scored([(0, 1, 1, 0.9), (0, 2, 0, 0.5), (0, 3, 1, 0.4)]))
    weights = np.array([3.0, 1.0, 1.0])
    found = [made.review(k, weights).found.tolist() for k in (1, 3, 4, 5)]
    assert found == [[1], [3], [3], [4]]


@given(mixed_rows(), st.integers(1, 12))
@settings(deadline=None)
def test_the_threshold_is_the_lowest_that_keeps_the_budget(rows: list[Row], per_day: int) -> None:
    made = scored(rows)
    threshold = CardDays.of(made).threshold(per_day)
    days = len(set(made.days.tolist()))

    def flagged(least: float) -> int:
        return len({(day, card) for day, card, _, score in rows if score >= least})

    assert flagged(threshold) <= per_day * days
    lower = [score for score in made.scores if score < threshold]
    assert not lower or flagged(max(lower)) > per_day * days


def test_more_reviews_find_and_save_no_less() -> None:
    points = cost_curve(CardDays.of(random_rows(3000)), (10, 20, 50, 100, 500))
    assert [point.per_day for point in points] == [10, 20, 50, 100, 500]
    shares = [point.saved_share for point in points]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
