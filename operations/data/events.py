"""Events that a verb works on: raw transactions and the fraud reports about them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Stream:
    """Raw transactions and the fraud reports about them, in the lake's schemas."""

    transactions: pa.Table
    fraud_reports: pa.Table

    def tables(self) -> tuple[pa.Table, pa.Table]:
        """Both of them."""
        return self.transactions, self.fraud_reports

    def between(self, start: datetime, end: datetime) -> "Stream":
        """Events that became known in [start, end): each by its own time."""
        return Stream(
            _between(self.transactions, "event_time", start, end),
            _between(self.fraud_reports, "report_time", start, end),
        )

    def hours(self, start: datetime, end: datetime) -> Iterator["Stream"]:
        moment = start
        while moment < end:
            yield self.between(moment, moment + _HOUR)
            moment += _HOUR


def _between(table: pa.Table, column: str, start: datetime, end: datetime) -> pa.Table:
    known, kind = table[column], table.schema.field(column).type
    low, high = pa.scalar(start, kind), pa.scalar(end, kind)
    return table.filter(pc.and_(pc.greater_equal(known, low), pc.less(known, high)))
