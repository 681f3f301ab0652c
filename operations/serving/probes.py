"""The probes' events: which of a file's are sent, under which ids, and what is asked when."""

import secrets
from collections.abc import Iterator
from datetime import datetime
from random import Random

import pyarrow as pa
import pyarrow.compute as pc

from operations.data.events import Stream
from operations.errors import OperationError
from pipeline_code.features.definitions import CUSTOMER, TERMINAL

__all__ = ["FIRST_ID", "days_asked", "moved", "sampled"]

# Probes' ids begin here; ids are below 2**63.
FIRST_ID = 4 * 10**18
# A file's own ids are below this; a probe moves them by a multiple of it.
_SPAN = 10**10
_RANGES = (2**63 - 1 - FIRST_ID) // _SPAN


def sampled(events: Stream, sample: int, random: Random) -> Stream:
    """All events of some customers, and all of some terminals, each at least `sample` of them."""
    rows = events.transactions
    wanted = [
        _some_of(rows[entity.record_identifier], sample, random) for entity in (CUSTOMER, TERMINAL)
    ]
    chosen = rows.filter(pc.or_(*wanted))
    known = pc.is_in(
        events.fraud_reports["transaction_id"],
        value_set=chosen["transaction_id"].combine_chunks(),
    )
    return Stream(chosen, events.fraud_reports.filter(known))


def _some_of(owners: pa.ChunkedArray, least: int, random: Random) -> pa.ChunkedArray:
    """The rows of owners drawn until there are enough rows."""
    counts = {each["values"]: each["counts"] for each in pc.value_counts(owners).to_pylist()}
    drawn, rows = [], 0
    for owner in random.sample(sorted(counts), len(counts)):
        if rows >= least:
            break
        drawn.append(owner)
        rows += counts[owner]
    return pc.is_in(owners, value_set=pa.array(drawn, owners.type))


def moved(events: Stream) -> Stream:
    """The events with their ids moved to a range of their own.

    Raises:
        OperationError: An id is too large to be moved.
    """
    offset = FIRST_ID + secrets.randbelow(_RANGES) * _SPAN
    return Stream(*(_with_ids_moved(table, offset) for table in events.tables()))


def _with_ids_moved(table: pa.Table, offset: int) -> pa.Table:
    for name in ("transaction_id", "customer_id", "terminal_id"):
        largest = pc.max(table[name]).as_py()
        if largest is not None and largest >= _SPAN:
            raise OperationError(
                f"{name} must be below {_SPAN} to be moved to the probes' range, got {largest}; "
                "give a file with smaller ids"
            )
        index = table.column_names.index(name)
        table = table.set_column(index, table.schema.field(name), pc.add(table[name], offset))
    return table


def days_asked(
    transactions: pa.Table, sample: int, random: Random
) -> Iterator[tuple[datetime, pa.Table]]:
    """Days drawn until they have enough transactions, in order, and what is asked on each."""
    days = pc.floor_temporal(transactions["event_time"], unit="day")
    counts = {each["values"]: each["counts"] for each in pc.value_counts(days).to_pylist()}
    drawn: list[datetime] = []
    for day in random.sample(sorted(counts), len(counts)):
        if sum(counts[each] for each in drawn) >= sample:
            break
        drawn.append(day)
    left = sample
    for day in sorted(drawn):
        rows = transactions.filter(pc.equal(days, pa.scalar(day, days.type))).slice(0, left)
        left -= rows.num_rows
        if rows.num_rows:
            yield day, rows
