"""Times, amounts and marks of fraud are read as they are written, or are faults."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from .reading import read_text, rows_of

AT = "transaction_id,customer_id,terminal_id,amount,event_time\n1,1,1,1,"


@pytest.mark.parametrize(
    ("text", "options", "moment"),
    [
        ("2024-07-01 12:00:00", {"time_zone": "Europe/Berlin"}, "2024-07-01T10:00"),
        ("2024-07-01", {"time_zone": "Europe/Berlin"}, "2024-06-30T22:00"),
        ("2024-07-01T12:00:00Z", {"time_zone": "Europe/Berlin"}, "2024-07-01T12:00"),
        ("2024-07-01 12:00+05:30", {"time_zone": "Europe/Berlin"}, "2024-07-01T06:30"),
        # Shown twice: the second time counts. Never shown: half an hour after the clock jumped.
        ("2024-10-27 02:30:00", {"time_zone": "Europe/Berlin"}, "2024-10-27T01:30"),
        ("2024-03-31 02:30:00", {"time_zone": "Europe/Berlin"}, "2024-03-31T01:30"),
        ("1719835200", {"settings": ["time.format=seconds"]}, "2024-07-01T12:00"),
        ("1719835200.5", {"settings": ["time.format=seconds"]}, "2024-07-01T12:00:00.5"),
        ("1719835200123", {"settings": ["time.format=milliseconds"]}, "2024-07-01T12:00:00.123"),
        ("36", {"settings": ["time.format=hours since 2024-07-01"]}, "2024-07-02T12:00"),
        (
            "36",
            {"settings": ["time.format=hours since 2024-07-01"], "time_zone": "Europe/Berlin"},
            "2024-07-02T10:00",
        ),
        ("1/7/2024 2:05 PM", {"settings": ["time.format=%d/%m/%Y %I:%M %p"]}, "2024-07-01T14:05"),
        (
            "20240701 14:05",
            {"settings": ["time.format=['%d.%m.%Y', '%Y%m%d %H:%M']"]},
            "2024-07-01T14:05",
        ),
        ("01Jul24 14:05 +0200", {"settings": ["time.format=%d%b%y %H:%M %z"]}, "2024-07-01T12:05"),
    ],
)
def test_times(tmp_path: Path, text: str, options: dict[str, Any], moment: str) -> None:
    (row,) = rows_of(read_text(tmp_path, AT + text, **options))
    assert row["event_time"] == datetime.fromisoformat(moment).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "settings", "minor"),
    [
        ("12.30", [], 1230),
        ("+12", [], 1200),
        ("12.30 €", [], 1230),
        ("EUR 12.30", [], 1230),
        ("$134.09", ["amount.currency=USD"], 13409),
        ("134.09 USD", ["amount.currency=$"], 13409),
        ("1.234,5", ["amount.decimal=','", "amount.thousands='.'"], 123450),
        ("1 234.50", ["amount.thousands=' '"], 123450),
        ("85.64999999999999", [], 8565),
        ("999999999999.99", [], 99999999999999),
        ("1234", ["amount.minor=true"], 1234),
        ("0.125", ["amount.round=true"], 12),
    ],
)
def test_amounts(tmp_path: Path, text: str, settings: list[str], minor: int) -> None:
    header = "transaction_id;event_time;customer_id;terminal_id;amount"
    line = f"1;2024-07-01;1;1;{text}"
    (row,) = rows_of(read_text(tmp_path, f"{header}\n{line}", settings=settings))
    assert row["amount_minor"] == minor


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("$1.00", []),
        ("1.00 €", ["amount.currency=USD"]),
        ("1,50", []),
        ("12.5", ["amount.minor=true"]),
        ("1e3", []),
        ("nan", []),
        ("inf", []),
        ("-1.00", []),
        ("$-1.00", ["amount.currency=$"]),
        ("1000000000000", []),
        ("€", []),
    ],
)
def test_what_is_no_amount(tmp_path: Path, text: str, settings: list[str]) -> None:
    header = "transaction_id;event_time;customer_id;terminal_id;amount"
    line = f"1;2024-07-01;1;1;{text}"
    own = read_text(tmp_path, f"{header}\n{line}", settings=settings)
    assert own.examination.findings.counts == {"amount": 1}


LABELLED = "customer_id,terminal_id,amount,event_time,is_fraud"


@pytest.mark.parametrize(
    ("marks", "settings", "frauds"),
    [
        (["0", "1", "0.0", "1.0"], [], [1, 3]),
        (["No", "Yes", "n", "TRUE"], [], [1, 3]),
        (["", "CB", "ok", "cb"], ["fraud.values=CB"], [1, 3]),
        (["1", "2", "3", ""], ["fraud.values=[2, 3]"], [1, 2]),
    ],
)
def test_marks_of_fraud_become_reports(
    tmp_path: Path, marks: list[str], settings: list[str], frauds: list[int]
) -> None:
    lines = [f"{place},1,1,2024-07-01,{mark}" for place, mark in enumerate(marks)]
    own = read_text(
        tmp_path,
        "\n".join([LABELLED, *lines]),
        settings=[*settings, "fraud.report_delay_days=2"],
    )
    rows_of(own)
    reports = own.examination.landing.fraud_reports.to_pylist()
    assert [report["customer_id"] for report in reports] == frauds
    delays = {report["report_time"] - report["event_time"] for report in reports}
    assert delays == {timedelta(days=2)}
    assert own.examination.assumed_reports == len(frauds)


def test_refunds_are_left_out_if_the_mapping_says_so(tmp_path: Path) -> None:
    text = f"{LABELLED}\n1,1,-5.00,2024-07-01,0\n2,,-1.00,2024-07-01,0\n3,1,7.00,2024-07-01,0"
    own = read_text(tmp_path, text, settings=["amount.negative=leave out"])
    assert [row["customer_id"] for row in rows_of(own)] == [3]
    assert (own.total, own.left_out) == (3, 2)
