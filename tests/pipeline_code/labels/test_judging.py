"""What is said of predictions, against the rule said in plain Python."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_code.captures.chunks import PREDICTIONS
from pipeline_code.labels.judging import Counts, judge

AS_OF, DELAY = 1_000, 70


class Prediction(NamedTuple):
    label_id: str | None
    transaction_id: int | None
    event_time: int | None
    inference_time: int


predictions = st.lists(
    st.builds(
        Prediction,
        st.sampled_from(["a", "b", "c", "d", None]),
        st.sampled_from([1, 2, 3, 4, None]),
        st.sampled_from([900, AS_OF - DELAY, AS_OF - DELAY + 1, 990, None]),
        st.sampled_from([920, 995]),
    ),
    max_size=12,
)


def judged(
    rows: list[Prediction], frauds: set[int], as_of: int = AS_OF
) -> tuple[dict[str, int], Counts]:
    table = pa.Table.from_pylist([row._asdict() for row in rows], schema=PREDICTIONS)
    counts = Counts()

    def reported(transactions: np.ndarray, since: int) -> np.ndarray:
        assert all(_time(row) >= since for row in rows if row.transaction_id and row.label_id)
        return np.isin(transactions, [*frauds])

    return dict(judge(table, reported, as_of=as_of, delay=DELAY, counts=counts)), counts


def _time(row: Prediction) -> int:
    return row.inference_time if row.event_time is None else row.event_time


@settings(deadline=None)
@given(rows=predictions, frauds=st.sets(st.integers(1, 4)))
def test_every_prediction_is_judged_once_or_says_why_not(
    rows: list[Prediction], frauds: set[int]
) -> None:
    said = defaultdict(list)
    for row in rows:
        if row.label_id is not None and row.transaction_id is not None:
            old = _time(row) + DELAY <= AS_OF
            said[row.label_id].append(int(row.transaction_id in frauds) if old else None)
    agreed = {id_: labels[0] for id_, labels in said.items() if len(set(labels)) == 1}
    labels, counts = judged(rows, frauds)
    assert labels == {id_: label for id_, label in agreed.items() if label is not None}
    assert counts.predictions == len(rows)
    assert counts.frauds == sum(len(said[id_]) for id_, label in labels.items() if label == 1)
    assert counts.judged == sum(len(said[id_]) for id_ in labels)
    assert counts.ambiguous == sum(len(said[id_]) for id_ in said.keys() - agreed.keys())


@settings(deadline=None)
@given(rows=predictions, frauds=st.sets(st.integers(1, 4)), later=st.integers(0, 200))
def test_what_is_judged_stays_judged(rows: list[Prediction], frauds: set[int], later: int) -> None:
    before, _ = judged([row for row in rows if row.transaction_id == 1], frauds)
    after, _ = judged([row for row in rows if row.transaction_id == 1], frauds, AS_OF + later)
    assert before.items() <= after.items()


def test_a_fraud_that_is_known_early_waits_as_long_as_the_others() -> None:
    labels, counts = judged([Prediction("a", 1, AS_OF - DELAY + 1, AS_OF)], {1})
    assert (labels, counts.waiting) == ({}, 1)


def test_nothing_to_judge() -> None:
    assert judged([], {1}) == ({}, Counts())
    assert Counts().maturity is None


def test_times_are_microseconds() -> None:
    moment = datetime(2024, 3, 1, 12, tzinfo=UTC)
    row = {"label_id": "a", "transaction_id": 1, "event_time": moment, "inference_time": moment}
    table = pa.Table.from_pylist([row], schema=PREDICTIONS)
    as_of = moment + timedelta(days=7)
    for early, expected in ((0, {"a": 0}), (1, {})):
        labels = judge(
            table,
            lambda transactions, _: np.zeros(len(transactions), np.bool_),
            as_of=int(as_of.timestamp()) * 1_000_000 - early,
            delay=7 * 86_400_000_000,
            counts=Counts(),
        )
        assert labels == expected
