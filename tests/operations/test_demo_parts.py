"""The demo's parts that need no AWS: its story and its ledger."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operations.data.events import Stream
from operations.demo.ledger import Ledger, PeakMemory
from operations.demo.story import Scale, from_file, simulated
from operations.errors import OperationError
from operations.serving.scoring import requests_of
from pipeline_code.common.money import to_minor

SMALL = Scale(history_days=6, scored_days=2, customers=50)


def test_a_simulated_story_has_its_three_periods() -> None:
    story = simulated(SMALL)
    assert story.drift - story.quiet == story.end - story.drift == timedelta(days=2)
    quiet = story.stream.between(story.quiet, story.drift).transactions
    drifted = story.stream.between(story.drift, story.end).transactions
    ratio = pc.mean(drifted["amount_minor"]).as_py() / pc.mean(quiet["amount_minor"]).as_py()
    assert ratio > 1.5


def test_the_periods_cut_the_stream_without_loss() -> None:
    story = simulated(SMALL)
    parts = [
        story.stream.between(story.start, story.quiet),
        story.stream.between(story.quiet, story.drift),
        story.stream.between(story.drift, story.end),
    ]
    assert sum(part.transactions.num_rows for part in parts) == story.stream.transactions.num_rows


@settings(max_examples=20, deadline=None)
@given(hours=st.integers(1, 48))
def test_hours_are_the_stream_in_pieces(hours: int) -> None:
    story = simulated(SMALL)
    end = story.start + timedelta(hours=hours)
    whole = story.stream.between(story.start, end)
    pieces = [hour.transactions for hour in story.stream.hours(story.start, end)]
    assert pa.concat_tables(pieces).num_rows == whole.transactions.num_rows


def test_a_request_carries_the_amount_exactly() -> None:
    rows = simulated(SMALL).stream.transactions.slice(0, 200)
    amounts = [to_minor(request["amount"]) for request in requests_of(rows)]
    assert amounts == rows["amount_minor"].to_pylist()


@pytest.fixture
def user_file(tmp_path: Path) -> Path:
    """Twelve days of a user's own file, with frauds."""
    days = 12
    rows = days * 400
    rng = np.random.default_rng(3)
    start = np.datetime64("2024-03-01T00:00:00", "us")
    times = start + np.sort(rng.integers(0, days * 86_400_000_000 - 1, rows)).astype("m8[us]")
    table = pa.table(
        {
            "transaction_id": np.arange(rows),
            "event_time": pa.array(times, pa.timestamp("us", tz="UTC")),
            "customer_id": rng.integers(0, 300, rows).astype(np.int32),
            "terminal_id": rng.integers(0, 90, rows).astype(np.int32),
            "amount": np.round(rng.uniform(1, 200, rows), 2),
            "is_fraud": (rng.random(rows) < 0.02).astype(np.int8),
        }
    )
    file = tmp_path / "mine.parquet"
    pq.write_table(table, file)
    return file


def test_a_file_story_asks_about_some_and_holds_only_known_reports(user_file: Path) -> None:
    story = from_file(user_file, SMALL)
    everyone = set(story.customers["customer_id"].to_pylist())
    assert set(story.stream.transactions["customer_id"].to_pylist()) <= everyone
    assert len(story.asked) == SMALL.customers
    assert set(story.asked.to_pylist()) < everyone
    reported = set(story.stream.fraud_reports["transaction_id"].to_pylist())
    assert reported
    assert reported <= set(story.stream.transactions["transaction_id"].to_pylist())


def test_a_file_that_is_too_short_says_how_long_it_must_be(user_file: Path) -> None:
    with pytest.raises(OperationError, match="must span 74 days"):
        from_file(user_file, Scale(history_days=70, scored_days=2, customers=50))


def test_a_stage_that_raises_is_on_record_and_not_ok() -> None:
    ledger = Ledger()
    with pytest.raises(OperationError), ledger.stage("deploy"):
        raise OperationError("no account")
    (stage,) = ledger.as_dict(seconds=1.0, peak_mib=1.0)["stages"]
    assert stage["ok"] is False
    assert stage["evidence"] == "OperationError: no account"


def test_peak_memory_sees_what_was_held_for_a_while() -> None:
    with PeakMemory() as before:
        before.settle()
    with PeakMemory() as during:
        held = np.ones(40_000_000 // 8 * 8, np.uint8)
        during.settle()
    assert during.mib - before.mib > 30
    assert held.nbytes == 40_000_000


def test_a_stream_is_cut_by_report_time_for_reports() -> None:
    story = simulated(SMALL)
    stream = Stream(story.stream.transactions, story.stream.fraud_reports)
    late = stream.between(story.end, story.end + timedelta(days=30))
    assert late.transactions.num_rows == 0
    assert late.fraud_reports.num_rows > 0
