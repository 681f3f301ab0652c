"""The processing job `features`: periods, labels, refusals, repeatability."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_code.__main__ import main
from pipeline_code.common.lake import Landing, write
from pipeline_code.common.schema import CUSTOMERS
from pipeline_code.features.definitions import FEATURES, SCHEMA_VERSION
from pipeline_code.features.windows import Windows, parse_as_of
from tests.pipeline_code.features.small_streams import (
    DAY,
    HOUR,
    Row,
    moment,
    reports_of,
    reports_table,
    transactions_table,
)

# A Monday; 30 days of history end on 2024-03-31.
FIRST = int(datetime(2024, 3, 1, tzinfo=UTC).timestamp()) * 1_000_000
DAYS = 30


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    monkeypatch.delenv("FEATURE_GROUP_PATTERN", raising=False)
    return tmp_path


def history() -> list[Row]:
    """Four transactions a day at 3, 9, 15 and 21 o'clock; the first of each day is a fraud."""
    return [
        Row(
            id=day * 10 + n,
            time=FIRST + day * DAY + (3 + 6 * n) * HOUR,
            customer=n,
            terminal=n % 2,
            amount=100 * (n + 1),
            report_delays=(7 * DAY,) if n == 0 else (),
        )
        for day in range(DAYS)
        for n in range(4)
    ]


def ingest(root: Path, rows: Sequence[Row], reports: Sequence[tuple[Row, int]]) -> None:
    landing = Landing(
        transactions=transactions_table(rows),
        fraud_reports=reports_table(reports),
        customers=CUSTOMERS.empty_table(),
    )
    write(landing, root / "processing" / "input")


def output(root: Path, name: str) -> pa.Table:
    rows = pq.read_table(root / "processing" / "output" / name)
    return rows.sort_by([("event_time", "ascending"), ("transaction_id", "ascending")])


def failure(root: Path) -> str:
    return (root / "output" / "message").read_text()


def run(*arguments: str) -> int:
    return main(["features", "--train-days", "7", "--test-days", "7", *arguments])


def test_periods_and_labels(root: Path) -> None:
    rows = history()
    ingest(root, rows, reports_of(rows))
    assert run("--data-version", "abc") == 0
    train, test = output(root, "train"), output(root, "test")
    # As of March 31: test is the week that ended 7 days before, train that which ended 14 + 7.
    assert train["event_time"][0].as_py() == datetime(2024, 3, 3, 3, tzinfo=UTC)
    assert train["event_time"][-1].as_py() == datetime(2024, 3, 9, 21, tzinfo=UTC)
    assert test["event_time"][0].as_py() == datetime(2024, 3, 17, 3, tzinfo=UTC)
    assert (train.num_rows, test.num_rows) == (28, 28)
    assert train["is_fraud"].to_pylist() == [1, 0, 0, 0] * 7
    assert train["fraud_scenario"].to_pylist() == [1, 0, 0, 0] * 7
    assert train.schema.metadata[b"feature_schema_version"] == SCHEMA_VERSION.encode()
    assert train.schema.metadata[b"history_days"] == b"1"
    summary = json.loads((root / "processing/output/summary/summary.json").read_text())
    assert summary["as_of"] == "2024-03-31T00:00:00+00:00"
    assert summary["train"] == {
        "start": "2024-03-03T00:00:00+00:00",
        "end": "2024-03-10T00:00:00+00:00",
        "rows": 28,
        "frauds": 7,
    }
    assert (summary["data_version"], summary["materialized"]) == ("abc", None)


def test_a_report_after_the_as_of_moment_does_not_exist_yet(root: Path) -> None:
    rows = history()
    as_of = FIRST + 30 * DAY
    tested = [row for row in rows if moment(row.time).day == 20]
    known = [(tested[0], as_of - tested[0].time)]
    unknown = [(tested[1], as_of + 1 - tested[1].time)]
    ingest(root, rows, known + unknown)
    assert run("--as-of", "2024-03-31T00:00:00Z") == 0
    labels = dict(zip(*output(root, "test").select(["transaction_id", "is_fraud"]), strict=True))
    labels = {key.as_py(): value.as_py() for key, value in labels.items()}
    assert (labels[tested[0].id], labels[tested[1].id]) == (1, 0)


def test_later_events_never_change_rows_of_an_earlier_moment(root: Path, tmp_path: Path) -> None:
    rows = history()
    ingest(root, rows, reports_of(rows))
    assert run("--as-of", "2024-03-31") == 0
    before = [output(root, name) for name in ("train", "test")]
    later = [Row(10**6 + n, FIRST + (DAYS + n) * DAY, n % 4, n % 2, 10**7, (0,)) for n in range(9)]
    ingest(root, later, reports_of(later))
    assert run("--as-of", "2024-03-31") == 0
    assert [output(root, name) for name in ("train", "test")] == before


def test_the_same_input_gives_the_same_bytes(root: Path) -> None:
    rows = history()
    ingest(root, rows, reports_of(rows))
    files = ("train/part-00000.parquet", "test/part-00000.parquet", "summary/summary.json")
    results = []
    for _ in range(2):
        assert run() == 0
        results.append([(root / "processing/output" / file).read_bytes() for file in files])
    assert results[0] == results[1]


def test_features_that_need_more_history_than_there_is_are_named(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = history()
    ingest(root, rows, reports_of(rows))
    assert run() == 0
    summary = json.loads((root / "processing/output/summary/summary.json").read_text())
    first, start = summary["history_start"], summary["train"]["start"]
    days = (datetime.fromisoformat(start) - datetime.fromisoformat(first)).days
    needs = {each.name: each.warm_up.days for each in FEATURES if each.warm_up.days > days}
    assert needs
    assert summary["short_of_history"] == needs
    said = f"{days} days after the first transaction; they need so many days: "
    assert f"{said}{next(iter(needs))} " in capsys.readouterr().err


def test_a_repeated_transaction_is_counted_once_and_told(root: Path) -> None:
    rows = history()
    ingest(root, rows, reports_of(rows))
    assert run() == 0
    before = [output(root, name) for name in ("train", "test")]
    transactions = root / "processing/input/transactions"
    day = next(transactions.iterdir())
    (day / "again.parquet").write_bytes(next(day.glob("*.parquet")).read_bytes())
    assert run() == 0
    assert [output(root, name) for name in ("train", "test")] == before
    summary = json.loads((root / "processing/output/summary/summary.json").read_text())
    assert summary["repeated"] == 4


def test_a_short_history_says_how_much_is_needed(root: Path) -> None:
    rows = history()[:80]
    ingest(root, rows, reports_of(rows))
    assert run() == 1
    assert "must cover at least 28 days" in failure(root)
    assert "got 20; ingest older transactions" in failure(root)
    assert not list((root / "processing/output").rglob("*.parquet"))


def test_a_period_without_transactions_is_named(root: Path) -> None:
    rows = [row for row in history() if not 2 <= (row.time - FIRST) // DAY < 9]
    ingest(root, rows, reports_of(rows))
    assert run() == 1
    assert "train period must hold transactions, got none" in failure(root)
    assert not list((root / "processing/output").glob("*/*.parquet"))


def test_no_transactions_at_all(root: Path) -> None:
    assert run() == 1
    assert "transactions must hold at least one row" in failure(root)


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (["--as-of", "yesterday"], "as-of must be latest or an ISO-8601 moment, got 'yesterday'"),
        (["--train-days", "0"], "train_days must be at least 1, got 0"),
        (["--test-days", "-1"], "test_days must be at least 1, got -1"),
        (["--delay-days", "-1"], "delay_days must be at least 0, got -1"),
    ],
)
def test_wrong_arguments_are_refused(root: Path, arguments: list[str], rule: str) -> None:
    rows = history()
    ingest(root, rows, reports_of(rows))
    assert run(*arguments) == 1
    assert failure(root).startswith(rule)


def test_latest_is_the_midnight_after_the_last_event() -> None:
    midnight = datetime(2024, 3, 2, tzinfo=UTC)
    assert parse_as_of("latest", midnight - timedelta(microseconds=1)) == midnight
    assert parse_as_of("latest", midnight) == midnight + timedelta(days=1)
    assert parse_as_of("2024-03-02", midnight) == midnight


def test_published_protocol_periods() -> None:
    """Train on 7 days from 2018-07-25, skip 7, test on 7 (then 7 more for reports)."""
    windows = Windows(as_of=datetime(2018, 8, 22, tzinfo=UTC), train_days=7, test_days=7)
    assert windows.train.start == datetime(2018, 7, 25, tzinfo=UTC)
    assert windows.test.start == datetime(2018, 8, 8, tzinfo=UTC)
    assert windows.test.end == datetime(2018, 8, 15, tzinfo=UTC)
