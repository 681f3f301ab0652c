"""Firehose's transformation: rows with their day, what is dropped, and what is refused."""

import base64
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.json as pa_json
import pytest
from land_events.handler import handler

from pipeline_code.common.schema import FRAUD_REPORTS, TRANSACTIONS
from pipeline_code.stream.landing import dataset_named, transform

from .conftest import firehose_event, report, transaction


def landed(dataset: str, *payloads: Any) -> list[dict[str, Any]]:
    answer = transform(firehose_event(*payloads), dataset_named(dataset))
    assert [each["recordId"] for each in answer["records"]] == [
        f"record-{number}" for number in range(len(payloads))
    ]
    records: list[dict[str, Any]] = answer["records"]
    return records


def results(dataset: str, *payloads: Any) -> list[str]:
    return [each["result"] for each in landed(dataset, *payloads)]


def row(record: dict[str, Any]) -> Any:
    return json.loads(base64.b64decode(record["data"]))


def test_a_transaction_becomes_a_row_of_its_day() -> None:
    (record,) = landed("transactions", transaction(event_time="2018-08-01T23:59:59.5-02:00"))
    assert record["result"] == "Ok"
    assert record["metadata"] == {"partitionKeys": {"event_date": "2018-08-02"}}
    assert row(record) == {
        "transaction_id": 1,
        "event_time": "2018-08-02T01:59:59.500000Z",
        "customer_id": 2,
        "terminal_id": 3,
        "amount_minor": 1230,
    }


def test_probes_never_land() -> None:
    payload = transaction(probe=True)
    assert results("transactions", payload, transaction(probe=False)) == ["Dropped", "Ok"]
    assert results("fraud_reports", report(probe=True)) == ["Dropped"]
    escaped = json.dumps(payload).replace('"probe"', '"pr\\u006fbe"').encode()
    assert results("transactions", escaped) == ["Dropped"]


def test_a_report_becomes_a_row_of_the_day_it_came() -> None:
    (record,) = landed("fraud_reports", report(fraud_scenario=2))
    assert record["metadata"] == {"partitionKeys": {"report_date": "2018-08-08"}}
    assert row(record)["event_time"] == "2018-08-01T10:00:00.000000Z"
    assert row(record)["fraud_scenario"] == 2


@pytest.mark.parametrize(
    ("dataset", "schema", "payload"),
    [
        ("transactions", TRANSACTIONS, transaction()),
        ("fraud_reports", FRAUD_REPORTS, report()),
    ],
)
def test_a_row_has_the_columns_of_the_lake(
    dataset: str, schema: pa.Schema, payload: dict[str, Any], tmp_path: Path
) -> None:
    (record,) = landed(dataset, payload)
    file = tmp_path / "rows.json"
    file.write_bytes(base64.b64decode(record["data"]))
    options = pa_json.ParseOptions(explicit_schema=schema)
    assert pa_json.read_json(file, parse_options=options).schema.equals(schema)


def test_each_landing_takes_its_own_events() -> None:
    payloads = (transaction(), report())
    assert results("transactions", *payloads) == ["Ok", "Dropped"]
    assert results("fraud_reports", *payloads) == ["Dropped", "Ok"]


def test_what_breaks_a_rule_is_refused_once() -> None:
    payloads = (
        transaction(amount="-1"),
        report(report_time="2018-07-01T00:00:00Z"),
        b"not json",
        transaction(type="refund"),
        transaction(event_time="2018-08-09T12:05:01Z"),
    )
    by_transactions = results("transactions", *payloads)
    by_reports = results("fraud_reports", *payloads)
    failed, dropped = "ProcessingFailed", "Dropped"
    assert by_transactions == [failed, dropped, failed, failed, failed]
    assert by_reports == [dropped, failed, dropped, dropped, dropped]


def test_a_refused_record_comes_back_as_it_was() -> None:
    (record,) = landed("transactions", b"not json")
    assert base64.b64decode(record["data"]) == b"not json"


def test_only_what_lands_by_the_stream_is_a_data_set() -> None:
    with pytest.raises(ValueError, match=r"^dataset must be transactions or fraud_reports, got "):
        dataset_named("customers")


def test_the_handler_is_told_its_data_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATASET", "fraud_reports")
    answer = handler(firehose_event(transaction()), None)
    assert [each["result"] for each in answer["records"]] == ["Dropped"]
