"""A user's file lands in the lake's layout exactly, or is refused with its row and the rule."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operations.data.own.local import read_landing
from pipeline_code.common.exits import BadInput
from pipeline_code.common.lake import Landing, write
from pipeline_code.common.schema import CUSTOMERS, FRAUD_REPORTS, TRANSACTIONS, read
from pipeline_code.landing import REPORT_DELAY, prepare

Row = dict[str, Any]
HEADER = "transaction_id,event_time,customer_id,terminal_id,amount"


def landing_of(source: Path | pa.Table) -> Landing:
    return read_landing(source) if isinstance(source, Path) else prepare(source)


def land(source: Path | pa.Table, folder: Path) -> None:
    write(landing_of(source), folder)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*.parquet")
    }


rows = st.lists(
    st.fixed_dictionaries(
        {
            "transaction_id": st.integers(0, 2**62),
            "event_time": st.datetimes(datetime(1960, 1, 1), datetime(2090, 1, 1)),
            "customer_id": st.integers(0, 20),
            "terminal_id": st.integers(0, 20),
            "amount": st.integers(0, 10**9).map(lambda cents: cents / 100),
            "is_fraud": st.integers(0, 1),
            "fraud_scenario": st.integers(0, 3),
        }
    ),
    min_size=1,
    max_size=30,
    unique_by=lambda row: row["transaction_id"],
)


@settings(max_examples=40, deadline=None)
@given(rows)
def test_what_lands_is_what_came(tmp_path_factory: pytest.TempPathFactory, came: list[Row]) -> None:
    lake = tmp_path_factory.mktemp("lake")
    land(pa.Table.from_pylist(came), lake)
    landed = read(lake / "transactions", TRANSACTIONS).to_pylist()
    expected = [
        {
            "transaction_id": row["transaction_id"],
            "event_time": row["event_time"].replace(tzinfo=UTC),
            "customer_id": row["customer_id"],
            "terminal_id": row["terminal_id"],
            "amount_minor": round(row["amount"] * 100),
        }
        for row in came
    ]
    assert landed == sorted(expected, key=lambda row: (row["event_time"], row["transaction_id"]))
    reports = read(lake / "fraud_reports", FRAUD_REPORTS).to_pylist()
    assert {report["transaction_id"] for report in reports} == {
        row["transaction_id"] for row in came if row["is_fraud"]
    }
    assert all(report["report_time"] - report["event_time"] == REPORT_DELAY for report in reports)
    known = read(lake / "customers", CUSTOMERS)["customer_id"].to_pylist()
    assert known == sorted({row["customer_id"] for row in came})


@settings(max_examples=20, deadline=None)
@given(rows, st.randoms(use_true_random=False))
def test_order_does_not_matter_and_twice_is_once(
    tmp_path_factory: pytest.TempPathFactory, came: list[Row], chance: random.Random
) -> None:
    lake, other = tmp_path_factory.mktemp("lake"), tmp_path_factory.mktemp("other")
    land(pa.Table.from_pylist(came), lake)
    shuffled = chance.sample(came, len(came))
    land(pa.Table.from_pylist(shuffled), other)
    assert contents(lake) == contents(other)
    land(pa.Table.from_pylist(shuffled), lake)
    assert contents(lake) == contents(other)


def test_days_become_folders(tmp_path: Path) -> None:
    late, early = datetime(2018, 4, 1, 23, 59, 59, 999_999), datetime(2018, 4, 2)
    table = pa.table(
        {
            "transaction_id": [2, 1],
            "event_time": [early, late],
            "customer_id": [7, 7],
            "terminal_id": [3, 3],
            "amount": [1.5, 2.25],
            "is_fraud": [True, False],
        }
    )
    land(table, tmp_path)
    folders = sorted(file.rsplit("/", 1)[0] for file in contents(tmp_path))
    assert folders == [
        "customers",
        "fraud_reports/report_date=2018-04-09",
        "transactions/event_date=2018-04-01",
        "transactions/event_date=2018-04-02",
    ]
    assert read(tmp_path / "fraud_reports", FRAUD_REPORTS)["fraud_scenario"].to_pylist() == [0]


def test_csv_and_parquet_of_the_same_rows_land_alike(tmp_path: Path) -> None:
    table = pa.table(
        {
            "transaction_id": pa.array([1, 2], pa.int32()),
            "event_time": pa.array(["2018-04-01 10:00:00", "2018-04-01 11:00:00"]).cast(
                pa.timestamp("s")
            ),
            "customer_id": [5, 6],
            "terminal_id": [8, 9],
            "amount": [12.3, 7.0],
            "fraud_scenario": [0, 2],
        }
    )
    pq.write_table(table, tmp_path / "file.parquet")
    pa_csv.write_csv(table, tmp_path / "file.csv")
    land(tmp_path / "file.parquet", tmp_path / "one")
    land(tmp_path / "file.csv", tmp_path / "other")
    assert contents(tmp_path / "one") == contents(tmp_path / "other")
    assert read(tmp_path / "one/fraud_reports", FRAUD_REPORTS)["transaction_id"].to_pylist() == [2]


def test_report_times_are_kept_and_zones_honoured(tmp_path: Path) -> None:
    text = f"{HEADER},report_time\n1,2018-04-01T01:00:00+02:00,5,8,1.00,\n"
    text += "2,2018-04-01T01:00:00+02:00,5,8,1.00,2018-04-03T00:00:00Z\n"
    (tmp_path / "file.csv").write_text(text)
    landing = landing_of(tmp_path / "file.csv")
    event_time = datetime(2018, 3, 31, 23, tzinfo=UTC)
    assert landing.transactions["event_time"].to_pylist() == [event_time] * 2
    assert landing.fraud_reports.to_pylist() == [
        {
            "transaction_id": 2,
            "customer_id": 5,
            "terminal_id": 8,
            "event_time": event_time,
            "report_time": event_time + timedelta(days=2, hours=1),
            "fraud_scenario": 0,
        }
    ]


GOOD = "1,2018-04-01 10:00:00,5,8,12.30"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            f"{HEADER}\n{GOOD}\n2,2018-04-01 10:00:00,5,8,12.305",
            ["row 1", "two decimals", "12.305"],
        ),
        (f"{HEADER}\n{GOOD}\n2,2018-04-01 10:00:00,5,8,", ["row 1", "amount", "null"]),
        (f"{HEADER}\n{GOOD}\n2,2018-04-01 10:00:00,5,8,ten", ["row 1", "amount", "'ten'"]),
        (f"{HEADER}\n{GOOD}\n,2018-04-01 10:00:00,5,8,1", ["row 1", "transaction_id", "null"]),
        (f"{HEADER}\n{GOOD}\n2,2018-04-01 10:00:00,,8,1", ["row 1", "customer_id", "null"]),
        (f"{HEADER}\n{GOOD}\n2,2018-04-01 10:00:00,5,8.5,1", ["row 1", "terminal_id", "8.5"]),
        (f"{HEADER}\n{GOOD}\n2,yesterday,5,8,1", ["row 1", "event_time", "'yesterday'"]),
        (f"{HEADER}\n1,1522576800,5,8,1", ["row 0", "event_time", "1522576800"]),
        (f"{HEADER},is_fraud\n{GOOD},0\n{GOOD},2", ["row 1", "is_fraud must be 0 or 1", "2"]),
        (
            f"{HEADER},report_time\n{GOOD},2018-04-01 09:00:00",
            ["row 0", "report_time must not be before event_time", "09:00:00"],
        ),
        (f"{HEADER.replace('amount', 'sum')}\n{GOOD}", ["amount must be present", "sum"]),
        (
            f"{HEADER},currency\n{GOOD},EUR\n2,2018-04-01 10:00:00,5,8,1,XAU",
            ["row 1", "currency must be EUR", "convert the amounts", "got 'XAU'"],
        ),
        (
            f"{HEADER}\n{GOOD}\n2,2018-04-01 10:00:00,5,8,-1",
            ["row 1", "amount must be", "of at least 0", "got '-1'"],
        ),
        (f"{HEADER}\n{GOOD}\n2,2018-04-01 10:00:00,5,8,nan", ["row 1", "amount", "got null"]),
        (
            f"{HEADER}\n{GOOD}\n-2,2018-04-01 10:00:00,5,8,1",
            ["row 1", "transaction_id", "got '-2'"],
        ),
        (
            f"{HEADER},amount\n{GOOD},1",
            ["amount must be present once", "--map 'amount (1)=amount'"],
        ),
        (f"{HEADER}\n{GOOD}\n2,3", ["row 1", "as many values as the header", "'2,3'"]),
        ("", ["readable CSV"]),
        (HEADER, ["file.csv"]),
    ],
)
def test_bad_files_are_refused_with_row_and_rule(
    tmp_path: Path, text: str, words: list[str]
) -> None:
    (tmp_path / "file.csv").write_text(text)
    with pytest.raises(BadInput) as refusal:
        landing_of(tmp_path / "file.csv")
    for word in ["file.csv", *words]:
        assert word in str(refusal.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"colour": ["red"]}, ["colour", "remove it"]),
        ({"transaction_id": ["x"]}, ["row 0", "transaction_id must be a whole number", "'x'"]),
        (
            {"customer_id": ["18446744073709551616"]},
            ["row 0", "customer_id", "'1844674407370955161"],
        ),
        ({"customer_id": [2.0**64]}, ["row 0", "customer_id", "1.8446744073709552e+19"]),
        ({"event_time": [1522576800]}, ["row 0", "event_time", "1522576800"]),
    ],
)
def test_rows_in_the_lakes_terms_are_taken_at_their_word(
    change: dict[str, list[Any]], words: list[str]
) -> None:
    values = dict(zip(HEADER.split(","), GOOD.split(","), strict=True))
    with pytest.raises(BadInput) as refusal:
        prepare(pa.table({name: [value] for name, value in values.items()} | change))
    for word in words:
        assert word in str(refusal.value)


def test_an_empty_table_is_refused() -> None:
    empty = pa.table({name: pa.array([], pa.int64()) for name in HEADER.split(",")})
    with pytest.raises(BadInput, match="at least one transaction"):
        prepare(empty)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"file must exist, got .*rows\.parquet"):
        landing_of(tmp_path / "rows.parquet")


def test_a_corrupt_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "rows.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(BadInput, match=r"rows\.parquet: file must be readable Parquet"):
        landing_of(tmp_path / "rows.parquet")
