"""What a probe sends: whole entities, under ids of its own, and what is asked of them."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from operations.data.events import Stream
from operations.data.stream import feature_groups
from operations.errors import OperationError
from operations.serving.parity import through_stack
from operations.serving.probes import FIRST_ID, days_asked, moved, sampled
from operations.target import Target
from pipeline_code.common.schema import FRAUD_REPORTS, TRANSACTIONS
from pipeline_code.contracts.packages import SCHEMA_MARK
from pipeline_code.contracts.schema import NEWEST_VERSION

START = datetime(2025, 1, 1, tzinfo=UTC)
ROWS = [
    {
        "transaction_id": number,
        "event_time": START + timedelta(hours=5 * number),
        "customer_id": number % 7,
        "terminal_id": number % 5,
        "amount_minor": number,
    }
    for number in range(210)
]
REPORTS = [
    {name: row[name] for name in ("transaction_id", "customer_id", "terminal_id", "event_time")}
    | {"report_time": START + timedelta(days=90), "fraud_scenario": 1}
    for row in ROWS[::10]
]
FILE = Stream(
    pa.Table.from_pylist(ROWS, schema=TRANSACTIONS),
    pa.Table.from_pylist(REPORTS, schema=FRAUD_REPORTS),
)


def test_a_sample_has_all_events_of_its_customers_and_terminals() -> None:
    sample = sampled(FILE, 40, Random(1))  # noqa: S311 - repeatable
    ids = set(sample.transactions["transaction_id"].to_pylist())
    whole = [
        {row["transaction_id"] for row in ROWS if row[name] == value}
        for name, count in (("customer_id", 7), ("terminal_id", 5))
        for value in range(count)
    ]
    inside = [entity for entity in whole if entity <= ids]
    # Two customers of 30 events, one terminal of 42, and nothing that belongs to none of them.
    assert sorted(map(len, inside)) == [30, 30, 42]
    assert set.union(*inside) == ids
    reported = set(sample.fraud_reports["transaction_id"].to_pylist())
    assert reported == ids & {row["transaction_id"] for row in REPORTS}


def test_ids_move_together_and_nothing_else_changes() -> None:
    probe = moved(FILE)
    for before, after in zip(FILE.tables(), probe.tables(), strict=True):
        offsets = {
            value
            for name in ("transaction_id", "customer_id", "terminal_id")
            for value in pc.subtract(after[name], before[name]).to_pylist()
        }
        assert len(offsets) == 1
        assert min(offsets) >= FIRST_ID
        assert after.schema == before.schema
        assert after["event_time"].equals(before["event_time"])
    assert moved(FILE).transactions["customer_id"] != probe.transactions["customer_id"]


def test_an_id_that_is_too_large_to_be_moved_is_refused() -> None:
    rows = pa.Table.from_pylist([ROWS[0] | {"terminal_id": 10**10}], schema=TRANSACTIONS)
    with pytest.raises(OperationError, match=r"^terminal_id must be below 10000000000 .*, got 10"):
        moved(Stream(rows, FRAUD_REPORTS.empty_table()))


@pytest.mark.parametrize("wanted", [1, 40, 1000])
def test_days_are_asked_about_in_order_until_there_are_enough(wanted: int) -> None:
    days = list(days_asked(FILE.transactions, wanted, Random(1)))  # noqa: S311 - repeatable
    assert [day for day, _ in days] == sorted({day for day, _ in days})
    for day, rows in days:
        assert {time.date() for time in rows["event_time"].to_pylist()} == {day.date()}
    assert sum(rows.num_rows for _, rows in days) == min(wanted, len(ROWS))


# Versions of the features.


def test_features_of_another_version_than_the_models_are_not_compared(
    target_with: Callable[..., Target],
) -> None:
    parameter = f"/fraudloop/{uuid.uuid4().hex}/approved"
    target = target_with(ApprovedModelParameterName=parameter)
    target.client("ssm").put_parameter(
        Name=parameter, Value=f"arn:fraud/7|image|data{SCHEMA_MARK}v9", Type="String"
    )
    with pytest.raises(OperationError, match=r"must be of schema version v9, which the deployed"):
        through_stack(target, FILE, sample=1, seed=1)


def test_each_version_has_groups_of_its_own(target_with: Callable[..., Target]) -> None:
    names = [f"fraudloop-local-{entity}-{NEWEST_VERSION}" for entity in ("customer", "terminal")]
    target = target_with(CustomerFeatureGroupName=names[0], TerminalFeatureGroupName=names[1])
    newest, other = feature_groups(target), feature_groups(target, "v9")
    assert [newest.customer, newest.terminal] == names
    assert (other.customer, other.terminal) == (
        "fraudloop-local-customer-v9",
        "fraudloop-local-terminal-v9",
    )
