"""Events are read strictly, and what a producer writes is read back as it was."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_code.common.fields import FieldError
from pipeline_code.common.schema import FRAUD_REPORTS, TRANSACTIONS
from pipeline_code.stream.events import (
    CLOCK_SKEW,
    FraudReport,
    Transaction,
    encode_reports,
    encode_transactions,
    parse,
    tables,
)

from .conftest import ARRIVED, encoded, report, transaction, without


def refusal(document: Any, arrived: datetime = ARRIVED) -> str:
    with pytest.raises(FieldError) as caught:
        parse(encoded(document), arrived)
    return caught.value.reason


def test_a_transaction_is_read() -> None:
    assert parse(encoded(transaction()), ARRIVED) == Transaction(
        transaction_id=1,
        event_time=datetime(2018, 8, 1, 10, tzinfo=UTC),
        customer_id=2,
        terminal_id=3,
        amount_minor=1230,
    )


def test_a_fraud_report_is_read_with_and_without_its_scenario() -> None:
    found = parse(encoded(report(fraud_scenario=3)), ARRIVED)
    assert found == FraudReport(
        transaction_id=1,
        event_time=datetime(2018, 8, 1, 10, tzinfo=UTC),
        customer_id=2,
        terminal_id=3,
        report_time=datetime(2018, 8, 8, 10, tzinfo=UTC),
        fraud_scenario=3,
    )
    without_scenario = parse(encoded(report()), ARRIVED)
    assert isinstance(without_scenario, FraudReport)
    assert without_scenario.fraud_scenario == 0


@pytest.mark.parametrize("amount", ["12.3", "12.30", 12.3, 12.30, "0012.30"])
def test_an_amount_may_be_a_number_or_a_string(amount: Any) -> None:
    event = parse(encoded(transaction(amount=amount)), ARRIVED)
    assert isinstance(event, Transaction)
    assert event.amount_minor == 1230


def test_the_lakes_currency_may_be_named() -> None:
    assert parse(encoded(transaction(currency="EUR")), ARRIVED) == parse(
        encoded(transaction()), ARRIVED
    )


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"not json", "event must be JSON, got "),
        (b"\xff", "event must be UTF-8, got "),
        (b"", "event must be JSON, got "),
        ([], "event must be a JSON object, got an array"),
        ({}, "type must be transaction or fraud_report, got none"),
        (transaction(type=["transaction"]), "type must be transaction or fraud_report, got none"),
        (transaction(type="refund"), "type must be transaction or fraud_report, got 'refund'"),
        (without(transaction(), "amount"), "transaction must have the fields "),
        (transaction(surprise=1), "fields must be among "),
        (transaction(probe="yes"), "probe must be true, false or left out, got another type"),
        (b'{"type": "transaction", "type": "transaction"}', "fields must be given once"),
        (transaction(amount="NaN"), "amount must be a decimal number of at least 0 "),
        (encoded(transaction(amount=float("nan"))), "numbers must be finite, got NaN"),
        (transaction(amount="-1.00"), "amount must be a decimal number of at least 0 "),
        (transaction(amount="1.234"), "amount must be a decimal number of at least 0 "),
        (transaction(amount=True), "amount must be a decimal number of at least 0 "),
        (transaction(currency="USD"), "currency must be EUR or left out, got 'USD'"),
        (transaction(currency=978), "currency must be EUR or left out, got another type"),
        (transaction(customer_id="2"), "customer_id must be an integer, got a string"),
        (transaction(customer_id=2.0), "customer_id must be an integer, got 2.0"),
        (transaction(terminal_id=-1), "terminal_id must be between 0 and 9223372036854775807, "),
        (transaction(transaction_id=2**63), "transaction_id must be between 0 and "),
        (transaction(event_time="2018-08-01T10:00:00"), "event_time must be ISO-8601 with an "),
        (transaction(event_time=1533117600), "event_time must be ISO-8601 with an offset"),
        (transaction(event_time="1999-12-31T23:59:59Z"), "event_time must be between 2000 and "),
        (without(report(), "report_time"), "fraud report must have the fields "),
        (report(amount="1.00"), "fields must be among "),
        (report(fraud_scenario=128), "fraud_scenario must be between 0 and 127, got 128"),
        (
            report(report_time="2018-08-01T09:59:59.999999Z"),
            "report_time must not be before event_time 2018-08-01T10:00:00Z, got "
            "2018-08-01T09:59:59.999999Z",
        ),
    ],
)
def test_whatever_breaks_a_rule_is_refused_with_its_reason(document: Any, reason: str) -> None:
    assert refusal(document).startswith(reason)


@pytest.mark.parametrize("document", [transaction(), report()])
def test_a_clock_may_be_a_little_ahead(document: dict[str, Any]) -> None:
    name = "report_time" if "report_time" in document else "event_time"
    latest = ARRIVED + CLOCK_SKEW
    parse(encoded(document | {name: latest.isoformat()}), ARRIVED)
    beyond = (latest + timedelta(microseconds=1)).isoformat()
    assert refusal(document | {name: beyond}).startswith(
        f"{name} must be at most 5 minutes after the event's arrival at 2018-08-09T12:00:00Z, "
    )


def test_a_report_of_the_future_is_refused_by_either_time() -> None:
    future = report(event_time="2018-08-20T10:00:00Z", report_time="2018-08-21T10:00:00Z")
    assert refusal(future).startswith("event_time must be at most 5 minutes after ")


def test_a_reason_shows_one_field_and_not_much_of_it() -> None:
    reason = refusal(transaction(event_time="x" * 5000))
    assert len(reason) < 200


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_an_event_or_a_reason(data: bytes) -> None:
    try:
        parse(data, ARRIVED)
    except FieldError as error:
        assert error.reason


LARGEST = 2**63 - 1
ids = st.integers(0, LARGEST)
moments = st.datetimes(datetime(2000, 1, 1), datetime(2018, 8, 9)).map(
    lambda moment: moment.replace(tzinfo=UTC)
)


@settings(deadline=None)
@given(ids, moments, ids, ids, st.integers(0, 10**14 - 1))
def test_a_producers_transactions_are_read_back(
    id_: int, time: datetime, customer: int, terminal: int, amount: int
) -> None:
    row = {
        "transaction_id": id_,
        "event_time": time,
        "customer_id": customer,
        "terminal_id": terminal,
        "amount_minor": amount,
    }
    sent = pa.Table.from_pylist([row], schema=TRANSACTIONS)
    got, reports = tables(parse(data, ARRIVED) for data in encode_transactions(sent))
    assert got.equals(sent)
    assert reports.equals(FRAUD_REPORTS.empty_table())


@settings(deadline=None)
@given(ids, moments, moments, st.integers(0, 127))
def test_a_producers_reports_are_read_back(
    id_: int, one: datetime, other: datetime, scenario: int
) -> None:
    row = {
        "transaction_id": id_,
        "customer_id": 5,
        "terminal_id": LARGEST,
        "event_time": min(one, other),
        "report_time": max(one, other),
        "fraud_scenario": scenario,
    }
    sent = pa.Table.from_pylist([row], schema=FRAUD_REPORTS)
    transactions, got = tables(parse(data, ARRIVED) for data in encode_reports(sent))
    assert got.equals(sent)
    assert transactions.equals(TRANSACTIONS.empty_table())


def test_a_record_is_one_line_of_json() -> None:
    rows = pa.Table.from_pylist(
        [
            {
                "transaction_id": 1,
                "event_time": datetime(2018, 8, 1, 10, tzinfo=UTC),
                "customer_id": 2,
                "terminal_id": 3,
                "amount_minor": 5,
            }
        ],
        schema=TRANSACTIONS,
    )
    (data,) = encode_transactions(rows)
    assert json.loads(data) == transaction(amount="0.05")
