"""Small streams whose times crowd at the places where windows go wrong."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pyarrow as pa
from hypothesis import settings
from hypothesis import strategies as st

from pipeline_code.common.schema import FRAUD_REPORTS, TRANSACTIONS
from pipeline_code.features.definitions import FEATURE_NAMES

# A loaded machine is no counter-example.
unhurried = settings(deadline=None)

DAY = 86_400_000_000
HOUR = DAY // 24
# Forty days before a leap day, so that streams cross it.
START = int(datetime(2024, 1, 20, tzinfo=UTC).timestamp()) * 1_000_000


@dataclass(frozen=True)
class Row:
    """One transaction; `report_delays` are the delays of its fraud reports, if any."""

    id: int
    time: int
    customer: int
    terminal: int
    amount: int
    report_delays: tuple[int, ...] = ()


def transactions_table(rows: Sequence[Row]) -> pa.Table:
    return pa.table(
        {
            "transaction_id": pa.array([row.id for row in rows], pa.int64()),
            "event_time": pa.array([row.time for row in rows], pa.int64()),
            "customer_id": pa.array([row.customer for row in rows], pa.int64()),
            "terminal_id": pa.array([row.terminal for row in rows], pa.int64()),
            "amount_minor": pa.array([row.amount for row in rows], pa.int64()),
        }
    ).cast(TRANSACTIONS)


def reports_table(reports: Sequence[tuple[Row, int]]) -> pa.Table:
    """Reports as (transaction, delay) pairs."""
    return pa.table(
        {
            "transaction_id": pa.array([row.id for row, _ in reports], pa.int64()),
            "customer_id": pa.array([row.customer for row, _ in reports], pa.int64()),
            "terminal_id": pa.array([row.terminal for row, _ in reports], pa.int64()),
            "event_time": pa.array([row.time for row, _ in reports], pa.int64()),
            "report_time": pa.array([row.time + delay for row, delay in reports], pa.int64()),
            "fraud_scenario": pa.array([1] * len(reports), pa.int8()),
        }
    ).cast(FRAUD_REPORTS)


def reports_of(rows: Sequence[Row]) -> list[tuple[Row, int]]:
    return [(row, delay) for row in rows for delay in row.report_delays]


def moment(time: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time)


# Hop boundaries, window edges, and a microsecond on each side of them.
_places = st.builds(
    lambda day, hour, nudge: START + day * DAY + hour * HOUR + nudge,
    st.sampled_from([0, 1, 2, 6, 7, 8, 13, 14, 15, 29, 30, 31, 36, 37, 38, 39, 45]),
    st.sampled_from([0, 0, 1, 12, 23]),
    st.sampled_from([-1, 0, 0, 1, HOUR // 2]),
)
_delays = st.sampled_from(
    [-HOUR, 0, 1, HOUR, 3 * DAY, 7 * DAY - 1, 7 * DAY, 7 * DAY + 1, 8 * DAY, 30 * DAY]
)


@st.composite
def small_streams(draw: st.DrawFn, max_size: int = 14) -> list[Row]:
    """Rows in any order, with a few customers and terminals that share ids."""
    times = draw(st.lists(_places, min_size=1, max_size=max_size))
    ids = draw(
        st.lists(
            st.one_of(st.integers(-5, 40), st.just(2**63 - 1), st.just(-(2**63))),
            min_size=len(times),
            max_size=len(times),
            unique=True,
        )
    )
    return [
        Row(
            id=ids[place],
            time=time,
            customer=draw(st.sampled_from([1, 2, 2**62])),
            terminal=draw(st.sampled_from([1, 2])),
            amount=draw(st.sampled_from([0, 1, 333, 10_007, 2**40])),
            report_delays=tuple(draw(st.lists(_delays, max_size=2))),
        )
        for place, time in enumerate(times)
    ]


def vectors(features: pa.Table) -> list[list[float]]:
    """The feature vectors of a driver's answer, row by row."""
    columns = [features[name].to_pylist() for name in FEATURE_NAMES]
    return [list(row) for row in zip(*columns, strict=True)]
