"""What a request must look like, and the reason given when it does not."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_code.common.money import LARGEST_MINOR
from pipeline_code.contracts.serving import CSV
from pipeline_code.features.definitions import FEATURE_NAMES
from pipeline_code.features.events import Transaction
from pipeline_code.serve.refusals import RequestError
from pipeline_code.serve.requests import parse_body, parse_transaction
from pipeline_code.serve.rows import FeatureRows

from .conftest import transaction


def parsed(**changes: Any) -> Transaction:
    return parse_transaction(json.dumps(transaction(**changes)).encode())


def parse_rows(body: bytes) -> FeatureRows:
    what = parse_body(CSV, body).what
    assert isinstance(what, FeatureRows)
    return what


def reason_of(body: bytes | str) -> str:
    with pytest.raises(RequestError) as caught:
        parse_transaction(body if isinstance(body, bytes) else body.encode())
    assert caught.value.status == 400
    assert len(caught.value.reason) < 250
    return caught.value.reason


def test_a_transaction_is_read() -> None:
    assert parsed() == Transaction(
        transaction_id=1_000_001,
        event_time=datetime(2018, 8, 1, 10, 30, tzinfo=UTC),
        customer_id=42,
        terminal_id=77,
        amount_minor=12_345,
    )


@pytest.mark.parametrize(
    ("amount", "minor"),
    [
        ('"123.45"', 12_345),
        ("123.45", 12_345),
        ("1108.85", 110_885),
        ("0.1", 10),
        ("12", 1_200),
        ("12.300", 1_230),
        ("0", 0),
        (str(Decimal(LARGEST_MINOR).scaleb(-2)), LARGEST_MINOR),
    ],
)
def test_amounts_are_exact(amount: str, minor: int) -> None:
    body = json.dumps(transaction(amount=0)).replace('"amount": 0', f'"amount": {amount}')
    assert parse_transaction(body.encode()).amount_minor == minor


@pytest.mark.parametrize(
    "text",
    [
        "2018-08-01T10:30Z",
        "2018-08-01T10:30:00Z",
        "2018-08-01T10:30:00.000000Z",
        "2018-08-01T12:30:00+02:00",
        "2018-08-01T05:00:00.0-05:30",
    ],
)
def test_times_are_read_with_their_offset(text: str) -> None:
    assert parsed(event_time=text).event_time == datetime(2018, 8, 1, 10, 30, tzinfo=UTC)


AMOUNT = "amount must be a decimal number of at least 0 with at most two decimals"
TIME = "event_time must be ISO-8601 with an offset"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"customer_id": "42"}, "customer_id must be an integer, got a string"),
        ({"customer_id": True}, "customer_id must be an integer, got true"),
        ({"customer_id": 1.0}, "customer_id must be an integer, got 1.0"),
        ({"customer_id": None}, "customer_id must be an integer, got null"),
        ({"terminal_id": [7]}, "terminal_id must be an integer, got an array"),
        ({"terminal_id": {}}, "terminal_id must be an integer, got an object"),
        ({"terminal_id": -1}, "terminal_id must be between 0 and 9223372036854775807, got -1"),
        ({"transaction_id": 2**63}, "transaction_id must be between 0 and 9223372036854775807"),
        ({"transaction_id": 10**1000}, "got a larger number"),
        ({"amount": True}, f"{AMOUNT}, got true"),
        ({"amount": None}, f"{AMOUNT}, got null"),
        ({"amount": []}, f"{AMOUNT}, got an array"),
        ({"amount": -0.01}, f"{AMOUNT}, got '-0.01'"),
        ({"amount": -5}, f"{AMOUNT}, got -5"),
        ({"amount": "-5"}, f"{AMOUNT}, got '-5'"),
        ({"amount": 0.001}, "got '0.001'"),
        ({"amount": "1.005"}, "got '1.005'"),
        ({"amount": "1e2"}, f"{AMOUNT}, got '1e2'"),
        ({"amount": 1e300}, f"{AMOUNT}, got '1e+300'"),
        ({"amount": 10**30}, f"{AMOUNT}, got 1000000"),
        ({"amount": 10**500}, f"{AMOUNT}, got a larger number"),
        ({"amount": "9999999999999999"}, f"and at most {LARGEST_MINOR} cents, got"),
        ({"amount": ""}, f"{AMOUNT}, got ''"),
        ({"amount": " 1"}, f"{AMOUNT}, got ' 1'"),
        ({"amount": "1_0"}, f"{AMOUNT}, got '1_0'"),
        ({"amount": "١٢"}, f"{AMOUNT}, got '\\u0661\\u0662'"),
        ({"amount": "9" * 5000}, f"{AMOUNT}, got '{'9' * 40}...'"),
        ({"event_time": 1533119400}, f"{TIME}, such as 2018-08-01T10:00:00Z, got an integer"),
        ({"event_time": 1533119400.5}, f"{TIME}, such as 2018-08-01T10:00:00Z, got 1533119400.5"),
        ({"event_time": "2018-08-01T10:30:00"}, "got '2018-08-01T10:30:00'"),
        ({"event_time": "2018-08-01"}, "got '2018-08-01'"),
        ({"event_time": "2018-W31-3T10:30:00Z"}, "got '2018-W31-3T10:30:00Z'"),
        ({"event_time": "2018-02-30T10:30:00Z"}, "which is no time"),
        ({"event_time": "2018-08-01T25:30:00Z"}, "which is no time"),
        ({"event_time": "2018-08-01T10:30:00+99:99"}, "which is no time"),
        ({"event_time": "0001-01-01T00:00:00+10:00"}, "which is no time"),
        ({"event_time": "9999-12-31T23:00:00-10:00"}, "which is no time"),
        ({"event_time": "1999-12-31T23:59:59Z"}, "event_time must be between 2000 and 2100"),
        ({"event_time": "2100-01-01T00:00:00Z"}, "event_time must be between 2000 and 2100"),
        ({"event_time": "2018-08-01T10:30:00.1234567Z"}, TIME),
        ({"is_fraud": 1}, "fields must be among transaction_id, event_time, customer_id"),
        ({"x" * 500: 1}, f"got '{'x' * 40}...'"),
    ],
)
def test_a_broken_field_is_named_with_the_rule(changes: dict[str, Any], reason: str) -> None:
    assert reason in reason_of(json.dumps(transaction(**changes), ensure_ascii=False))


@pytest.mark.parametrize("name", list(transaction()))
def test_a_missing_field_is_named(name: str) -> None:
    document = transaction()
    del document[name]
    assert reason_of(json.dumps(document)).endswith(f"got no {name}")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_is_refused(number: str) -> None:
    body = json.dumps(transaction()).replace('"123.45"', number)
    assert reason_of(body) == f"numbers must be finite, got {number}"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "body must be JSON"),
        ("{", "body must be JSON"),
        ("{'a': 1}", "body must be JSON"),
        ('{"a": 1} {}', "body must be JSON, got Extra data at 9"),
        ("\ufeff{}", "body must be JSON"),
        (b"\xff\xfe{\x00}\x00", "body must be UTF-8, got another byte at 0"),
        ("[]", "body must be a JSON object, got an array"),
        ("null", "body must be a JSON object, got null"),
        ("1.5", "body must be a JSON object, got 1.5"),
        ('"text"', "body must be a JSON object, got a string"),
        ('{"customer_id": 1, "customer_id": 2}', "fields must be given once, got one repeated"),
        ("[" * 100_000, "body must not be nested deeply, got too many levels"),
        ('{"a":' * 100_000, "body must not be nested deeply, got too many levels"),
        ('{"customer_id": ' + "9" * 5000 + "}", "numbers must have at most 4300 digits, got more"),
    ],
)
def test_a_body_that_is_no_transaction_is_refused(body: bytes | str, reason: str) -> None:
    assert reason_of(body).startswith(reason)


@given(
    st.integers(0, 2**63 - 1),
    st.integers(0, LARGEST_MINOR),
    st.datetimes(datetime(2000, 1, 2), datetime(2099, 12, 30), timezones=st.timezones()).filter(
        lambda moment: (moment.utcoffset() or timedelta()).total_seconds() % 60 == 0
    ),
)
def test_every_sound_transaction_is_read_exactly(id_: int, minor: int, moment: datetime) -> None:
    read = parsed(
        customer_id=id_, amount=str(Decimal(minor).scaleb(-2)), event_time=moment.isoformat()
    )
    assert (read.customer_id, read.amount_minor) == (id_, minor)
    assert read.event_time == moment.astimezone(UTC)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(list(transaction())), JSON_VALUES)
def test_any_value_in_any_field_is_read_or_refused(name: str, value: Any) -> None:
    body = json.dumps(transaction() | {name: value}).encode()
    try:
        read = parse_transaction(body)
    except RequestError as error:
        assert error.status == 400
        assert error.reason.isascii()
    else:
        assert 0 <= read.customer_id < 2**63
        assert read.amount_minor >= 0


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(body: bytes) -> None:
    for parse in (parse_transaction, parse_rows):
        with pytest.raises(RequestError):
            parse(body)


WIDTH = len(FEATURE_NAMES)


@given(
    st.lists(
        st.lists(
            st.floats(allow_nan=False, allow_infinity=False, width=32),
            min_size=WIDTH,
            max_size=WIDTH,
        ),
        min_size=1,
        max_size=5,
    )
)
def test_rows_are_read_to_the_last_bit(rows: list[list[float]]) -> None:
    body = "\n".join(",".join(map(repr, row)) for row in rows)
    np.testing.assert_array_equal(parse_rows(body.encode()).values, np.array(rows, np.float32))


def csv(*cells: str) -> str:
    return ",".join([*cells, *["0"] * (WIDTH - len(cells))])


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "body must hold at least one row, got none"),
        ("\n", "body must hold at least one row, got none"),
        ("1,2,3", f"row 1 must have {WIDTH} values, got 3"),
        (csv() + ",0", f"row 1 must have {WIDTH} values, got {WIDTH + 1}"),
        (csv() + "\n\n" + csv(), f"row 2 must have {WIDTH} values, got 1"),
        (csv("nan"), "row 1 amount_minor must be a finite number, got 'nan'"),
        (csv("1", "inf"), "row 1 is_weekend must be a finite number, got 'inf'"),
        (csv("1e999"), "row 1 amount_minor must be a finite number, got '1e999'"),
        (csv("1e39"), "row 1 amount_minor must be a finite number, got '1e39'"),
        (csv("1_000"), "row 1 amount_minor must be a finite number, got '1_000'"),
        (csv("0x10"), "row 1 amount_minor must be a finite number, got '0x10'"),
        (csv(""), "row 1 amount_minor must be a finite number, got ''"),
        (csv() + "\n" + csv('"1"'), "row 2 amount_minor must be a finite number, got '\"1\"'"),
        (",".join(FEATURE_NAMES), "row 1 amount_minor must be a finite number"),
    ],
)
def test_a_broken_row_is_named_with_the_rule(body: str, reason: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse_rows(body.encode())
    assert caught.value.reason.startswith(reason)
