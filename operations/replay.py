"""A stream of events as production would see it: asked about, then learned, then landed.

Each simulated hour, the endpoint scores that hour's transactions; only then are they and the
fraud reports that arrived in that hour folded into the online store; at midnight the day is
landed in the lake. So a request never sees its own future.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from operations import lake
from operations.scoring import Scored, Scorer, requests_of
from operations.target import Target
from pipeline_code.common.lake import Landing, write
from pipeline_code.common.schema import CUSTOMERS
from pipeline_code.features.store import FeatureGroups, fold_into_store

_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Stream:
    """Raw transactions and the fraud reports about them, in the lake's schemas."""

    transactions: pa.Table
    fraud_reports: pa.Table

    def between(self, start: datetime, end: datetime) -> "Stream":
        """Events that became known in [start, end): each by its own time."""
        return Stream(
            _between(self.transactions, "event_time", start, end),
            _between(self.fraud_reports, "report_time", start, end),
        )

    def landing(self) -> Landing:
        """What the lake gets; customers are known from the history."""
        return Landing(
            transactions=self.transactions,
            fraud_reports=self.fraud_reports,
            customers=CUSTOMERS.empty_table(),
        )

    def hours(self, start: datetime, end: datetime) -> Iterator["Stream"]:
        moment = start
        while moment < end:
            yield self.between(moment, moment + _HOUR)
            moment += _HOUR


def feature_groups(target: Target) -> FeatureGroups:
    """The environment's online stores by entity."""
    return FeatureGroups(
        customer=target.output("CustomerFeatureGroupName"),
        terminal=target.output("TerminalFeatureGroupName"),
    )


def replay(
    target: Target,
    stream: Stream,
    start: datetime,
    end: datetime,
    *,
    asked: pa.Array,
    staging: Path,
    on_day: Callable[[datetime, Scored], None] = lambda *_: None,
) -> Scored:
    """Play the days of [start, end) through the endpoint, the online store and the lake.

    Args:
        start: Midnight of the first day, UTC.
        end: Midnight after the last day, UTC.
        asked: Ids of the customers whose transactions the endpoint scores; the others' are folded
            and landed all the same.
        staging: Folder for the files that are uploaded; one folder a day is made in it.
        on_day: Told after each day what became of its requests.

    Returns:
        What became of every request; a failed one is counted, never raised.
    """
    scorer, total, day = Scorer(target), Scored(), start
    while day < end:
        scored = _play_day(target, scorer, stream, day, asked)
        folder = staging / f"{day:%Y-%m-%d}"
        write(stream.between(day, day + timedelta(days=1)).landing(), folder)
        lake.upload(target, folder)
        on_day(day, scored)
        total.merge(scored)
        day += timedelta(days=1)
    return total


def _play_day(
    target: Target, scorer: Scorer, stream: Stream, day: datetime, asked: pa.Array
) -> Scored:
    scored, groups = Scored(), feature_groups(target)
    client = target.client("sagemaker-featurestore-runtime")
    for hour in stream.between(day, day + timedelta(days=1)).hours(day, day + timedelta(days=1)):
        rows = hour.transactions
        rows = rows.filter(pc.is_in(rows["customer_id"], value_set=asked))
        if rows.num_rows:
            scored.merge(scorer.ask_all(requests_of(rows)))
        if hour.transactions.num_rows or hour.fraud_reports.num_rows:
            fold_into_store(client, groups, hour.transactions, hour.fraud_reports)
    return scored


def _between(table: pa.Table, column: str, start: datetime, end: datetime) -> pa.Table:
    known, kind = table[column], table.schema.field(column).type
    low, high = pa.scalar(start, kind), pa.scalar(end, kind)
    return table.filter(pc.and_(pc.greater_equal(known, low), pc.less(known, high)))
