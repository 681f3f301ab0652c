"""Batch features against a plain reading of their definitions, and what batch refuses."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_code.common.exits import BadInput
from pipeline_code.common.schema import FRAUD_REPORTS, TRANSACTIONS
from pipeline_code.features.batch import compute
from pipeline_code.features.definitions import FEATURE_NAMES
from tests.pipeline_code.features.plain_reading import plainly
from tests.pipeline_code.features.small_streams import (
    DAY,
    HOUR,
    START,
    Row,
    moment,
    reports_of,
    reports_table,
    small_streams,
    transactions_table,
    unhurried,
    vectors,
)


@unhurried
@given(small_streams())
def test_batch_equals_the_plain_reading(rows: list[Row]) -> None:
    features = compute(transactions_table(rows), reports_table(reports_of(rows)))
    assert vectors(features) == [plainly(rows, row) for row in rows]


@unhurried
@given(small_streams(), st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(rows: list[Row], random: object) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = (
        compute(transactions_table(order), reports_table(reports_of(order)))
        for order in (rows, shuffled)
    )
    by_id = [("transaction_id", "ascending")]
    assert one.sort_by(by_id).equals(other.sort_by(by_id))


def test_rows_keep_their_order_and_identity() -> None:
    rows = [Row(7, START + HOUR, 3, 5, 100), Row(4, START, 3, 6, 300)]
    features = compute(transactions_table(rows), FRAUD_REPORTS.empty_table())
    assert features["transaction_id"].to_pylist() == [7, 4]
    assert features["event_time"].to_pylist() == [moment(START + HOUR), moment(START)]
    assert features["terminal_id"].to_pylist() == [5, 6]
    assert features["customer_count_1d"].to_pylist() == [2, 1]


def test_rows_not_wanted_still_count_as_events() -> None:
    rows = [Row(1, START, 3, 5, 100), Row(2, START + HOUR, 3, 5, 300)]
    features = compute(
        transactions_table(rows), FRAUD_REPORTS.empty_table(), wanted=np.array([False, True])
    )
    assert features["customer_mean_amount_1d"].to_pylist() == [200]


def test_sums_beyond_double_precision_stay_exact() -> None:
    large = 2**53
    rows = [Row(1, START, 1, 1, large)]
    rows += [Row(n, START + n, 1, 1, 1) for n in range(2, 5000)]
    features = compute(transactions_table(rows), FRAUD_REPORTS.empty_table())
    # Added one by one as doubles, 2**53 + 1 + 1 + ... stays 2**53; the last row shows it, since
    # the mean is that much smaller by then.
    exact = np.float32((large + 4998) / 4999)
    assert features["customer_mean_amount_1d"][-1].as_py() == exact


def test_no_transactions_give_no_rows() -> None:
    features = compute(TRANSACTIONS.empty_table(), FRAUD_REPORTS.empty_table())
    assert features.num_rows == 0
    assert features.column_names[-len(FEATURE_NAMES) :] == list(FEATURE_NAMES)


@unhurried
@given(small_streams(), st.data())
def test_a_transaction_that_comes_again_counts_once(rows: list[Row], data: st.DataObject) -> None:
    repeated = data.draw(st.lists(st.sampled_from(rows), max_size=4))
    reports = reports_table(reports_of([*rows, *repeated]))
    once = compute(transactions_table(rows), reports)
    assert compute(transactions_table([*rows, *repeated]), reports).equals(once)


def test_one_id_for_two_transactions_is_refused() -> None:
    rows = [Row(1, START, 1, 1, 5), Row(9, START, 1, 1, 5), Row(9, START + DAY, 1, 1, 5)]
    with pytest.raises(BadInput, match="must name one transaction, got one twice for a customer"):
        compute(transactions_table(rows), FRAUD_REPORTS.empty_table())


def test_a_missing_value_is_refused() -> None:
    table = transactions_table([Row(1, START, 1, 1, 5), Row(2, START, 1, 1, 5)])
    place = table.schema.get_field_index("amount_minor")
    holed = table.set_column(place, "amount_minor", pa.array([5, None], pa.int64()))
    with pytest.raises(
        BadInput, match="amount_minor must have a value in every row, got null in 1"
    ):
        compute(holed, FRAUD_REPORTS.empty_table())


@unhurried
@given(small_streams(), small_streams())
def test_what_comes_later_never_changes_a_feature(rows: list[Row], poison: list[Row]) -> None:
    """The leakage test: at t, nothing that becomes known after t exists."""
    cut = sorted(row.time for row in rows)[len(rows) // 2]
    past = [row for row in rows if row.time <= cut]
    known = [(row, delay) for row, delay in reports_of(rows) if row.time + delay <= cut]
    free = {row.id for row in past}
    later = [
        Row(row.id, cut + 1 + abs(row.time - START), row.customer, row.terminal, row.amount)
        for row in poison
        if row.id not in free
    ]
    late_reports = [(row, cut + 1 - row.time + HOUR) for row in past]
    clean = compute(transactions_table(past), reports_table(known))
    poisoned = compute(
        transactions_table(past + later),
        reports_table(known + late_reports + [(row, 0) for row in later]),
        wanted=np.arange(len(past) + len(later)) < len(past),
    )
    assert poisoned.equals(clean)


def test_a_late_report_counts_from_when_it_came() -> None:
    fraud = Row(1, START, 1, 1, 5, (9 * DAY,))
    before = Row(2, START + 9 * DAY - 1, 2, 1, 5)
    after = Row(3, START + 9 * DAY, 2, 1, 5)
    rows = [fraud, before, after]
    features = compute(transactions_table(rows), reports_table(reports_of(rows)))
    assert features["terminal_risk_7d"].to_pylist() == [0, 0, 1]
