"""Folds and the removal of known cards, against their definition and the published counts."""

from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_code.common.exits import BadInput
from pipeline_code.evaluate.protocol import (
    MICROSECONDS_PER_DAY,
    Fold,
    epoch_day,
    folds_back,
    known_compromised,
)

PUBLISHED = Path(__file__).parents[4] / "shared" / "data" / "transactions.parquet"
FIRST = epoch_day(date(2018, 7, 25))


def test_a_fold_is_seven_days_each() -> None:
    fold = Fold(train_start=date(2018, 7, 25))
    assert (fold.test_start, fold.test_end) == (date(2018, 8, 8), date(2018, 8, 15))
    days = np.arange(FIRST - 1, FIRST + 22)
    assert days[fold.is_training(days)].tolist() == list(range(FIRST, FIRST + 7))
    assert days[fold.is_testing(days)].tolist() == list(range(FIRST + 14, FIRST + 21))


def test_periods_have_the_lengths_asked_for() -> None:
    fold = Fold(train_start=date(2018, 7, 25), train_days=21, delay_days=3, test_days=2)
    days = np.arange(FIRST - 1, FIRST + 40)
    assert days[fold.is_training(days)].tolist() == list(range(FIRST, FIRST + 21))
    assert days[fold.is_testing(days)].tolist() == [FIRST + 24, FIRST + 25]


def test_folds_go_back_a_week_each() -> None:
    folds = folds_back(date(2018, 8, 15), folds=4, train_days=7, delay_days=7, test_days=7)
    assert [fold.train_start.isoformat()[5:] for fold in folds] == [
        "08-15",
        "08-08",
        "08-01",
        "07-25",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_days": 0}, "train_days must be at least 1, got 0"),
        ({"delay_days": -1}, "delay_days must be at least 0, got -1"),
        ({"test_days": 0}, "test_days must be at least 1, got 0"),
    ],
)
def test_an_empty_period_is_refused(change: dict[str, int], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        Fold(train_start=date(2018, 7, 25), **change)


def test_no_folds_are_refused() -> None:
    with pytest.raises(BadInput, match="folds must be at least 1, got 0"):
        folds_back(date(2018, 8, 15), folds=0, train_days=7, delay_days=7, test_days=7)


def known(rows: list[tuple[int, int]], frauds: list[tuple[int, int]], delay: int = 7) -> list[bool]:
    """Rows and frauds are (day counted from the training period's first, customer)."""
    return known_compromised(
        np.array([day for day, _ in rows], dtype=np.int64) + FIRST,
        np.array([customer for _, customer in rows], dtype=np.int64),
        fraud_days=np.array([day for day, _ in frauds], dtype=np.int64) + FIRST,
        fraud_customers=np.array([customer for _, customer in frauds], dtype=np.int64),
        since=date(2018, 7, 25),
        delay_days=delay,
    ).tolist()


def test_a_card_is_known_from_the_eighth_day_on() -> None:
    assert known([(14, 1), (15, 1), (16, 1)], [(7, 1)]) == [False, True, True]


def test_a_fraud_in_training_is_known_on_every_test_day() -> None:
    assert known([(14, 1), (20, 1), (14, 2)], [(6, 1), (19, 2)]) == [True, True, False]


def test_a_fraud_before_training_is_forgotten() -> None:
    assert known([(14, 1)], [(-1, 1)]) == [False]


def test_the_first_of_several_frauds_counts() -> None:
    assert known([(14, 1)], [(12, 1), (0, 1), (13, 1)]) == [True]


def test_without_frauds_nothing_is_known() -> None:
    assert known([(14, 1)], []) == [False]


@given(
    st.lists(st.tuples(st.integers(14, 20), st.integers(0, 5)), max_size=30),
    st.lists(st.tuples(st.integers(-3, 20), st.integers(0, 5)), max_size=10),
    st.integers(0, 9),
)
def test_removal_follows_its_definition(
    rows: list[tuple[int, int]], frauds: list[tuple[int, int]], delay: int
) -> None:
    expected = [
        any(card == customer and 0 <= day <= today - delay - 1 for day, card in frauds)
        for today, customer in rows
    ]
    assert known(rows, frauds, delay) == expected


@pytest.mark.skipif(
    not PUBLISHED.is_file(), reason=f"NOT CHECKED: no published data at {PUBLISHED}"
)
@pytest.mark.parametrize(
    ("start", "train_rows", "test_rows"),
    [(date(2018, 7, 25), 67_240, 58_264)],
)
def test_published_counts(start: date, train_rows: int, test_rows: int) -> None:
    data = pq.read_table(PUBLISHED, columns=["event_time", "customer_id", "is_fraud"])
    days = data["event_time"].cast(pa.int64()).to_numpy() // MICROSECONDS_PER_DAY
    customers = data["customer_id"].to_numpy().astype(np.int64)
    frauds = data["is_fraud"].to_numpy() == 1
    fold = Fold(train_start=start)
    removed = known_compromised(
        days,
        customers,
        fraud_days=days[frauds],
        fraud_customers=customers[frauds],
        since=start,
        delay_days=7,
    )
    assert int(fold.is_training(days).sum()) == train_rows
    assert int((fold.is_testing(days) & ~removed).sum()) == test_rows
