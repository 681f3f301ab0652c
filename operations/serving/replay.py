"""A stream of events as production would see it: asked about, then published.

Each simulated hour, the endpoint scores that hour's transactions; only then are they and the fraud
reports that arrived in that hour put onto the environment's stream, whose consumers fold them into
the online store and land them in the lake. A request waits until its customer's and its terminal's
earlier events are folded. So it sees all of its past and nothing of its future.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from operations.data.events import Stream
from operations.data.landing import await_landed
from operations.data.stream import EventStream
from operations.serving.scoring import Scorer, ScoringResult, requests_of
from operations.target import Target

_DAY = timedelta(days=1)


def replay(
    target: Target,
    stream: Stream,
    start: datetime,
    end: datetime,
    *,
    asked: pa.Array,
    on_day: Callable[[datetime, ScoringResult], None] = lambda *_: None,
) -> ScoringResult:
    """Play the days of [start, end) through the endpoint and the environment's stream.

    Args:
        start: Midnight of the first day, UTC.
        end: Midnight after the last day, UTC.
        asked: Ids of the customers whose transactions the endpoint scores; the others' are
            published all the same.
        on_day: Told after each day what became of its requests.

    Returns:
        What became of every request, when all events are folded and landed; a failed request is
        counted, never raised.
    """
    events = EventStream(target)
    scorer, total, day = Scorer(target), ScoringResult(), start
    while day < end:
        scored = ScoringResult()
        for hour in stream.between(day, day + _DAY).hours(day, day + _DAY):
            scored.merge(_play_hour(scorer, events, hour, asked))
        on_day(day, scored)
        total.merge(scored)
        day += _DAY
    events.await_folded()
    await_landed(target, stream.between(start, end))
    return total


def _play_hour(scorer: Scorer, events: EventStream, hour: Stream, asked: pa.Array) -> ScoringResult:
    scored = ScoringResult()
    rows = hour.transactions.filter(pc.is_in(hour.transactions["customer_id"], value_set=asked))
    if rows.num_rows:
        events.await_folded(
            customers=rows["customer_id"].combine_chunks(),
            terminals=rows["terminal_id"].combine_chunks(),
        )
        scored.merge(scorer.ask_all(requests_of(rows)))
    events.publish(hour)
    return scored
