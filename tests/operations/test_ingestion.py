"""What is refused before anything is uploaded."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from operations.data import ingestion
from operations.errors import OperationError
from pipeline_code.common.schema import TRANSACTIONS


def transactions(*ahead: timedelta) -> pa.Table:
    """One transaction for each, so far ahead of the clock."""
    now = datetime.now(UTC)
    rows = [
        {
            "transaction_id": place,
            "event_time": now + duration,
            "customer_id": 1,
            "terminal_id": 1,
            "amount_minor": 5,
        }
        for place, duration in enumerate(ahead)
    ]
    return pa.Table.from_pylist(rows, schema=TRANSACTIONS)


def test_events_of_the_future_are_refused_and_the_first_is_named() -> None:
    rows = transactions(timedelta(days=-1), timedelta(hours=2), timedelta(days=400))
    with pytest.raises(
        OperationError, match=r"week.csv: event_time .* of transaction 1 and 1 more"
    ):
        ingestion._refuse_future(Path("week.csv"), rows)


def test_a_clock_a_minute_ahead_is_tolerated() -> None:
    ingestion._refuse_future(Path("week.csv"), transactions(timedelta(minutes=1)))
    ingestion._refuse_future(Path("week.csv"), transactions())
