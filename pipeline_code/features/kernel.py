"""The one evaluation of features: totals over sawtooth windows, then each feature's formula.

Batch hands it all rows, online one request: the same code, the same integers, the same floats.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from pipeline_code.features.definitions import (
    FEATURES,
    Entity,
    Feature,
    Formula,
    Measure,
    Quotient,
    Request,
    Stream,
    Total,
    Window,
)

__all__ = ["Events", "Queries", "Totals", "evaluate", "microseconds", "window_totals"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Totals = Mapping[Total, Ints]

# Entity and time share one int64 sort key; entities beyond this capacity go in further shards.
KEY_CAPACITY = 2**62
DAY = 86_400_000_000
HOUR = 3_600_000_000
# 1970-01-01 was a Thursday: three days after a Monday.
EPOCH_WEEKDAY = 3
FIRST_WEEKEND_DAY = 5
LAST_NIGHT_HOUR = 6


def microseconds(duration: timedelta) -> int:
    """A duration as the kernel counts time."""
    return duration // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Events:
    """One stream: who, when it became known (microseconds since 1970), and the amount to add."""

    entity: Ints
    known: Ints
    amount: Ints


@dataclass(frozen=True, slots=True)
class Queries:
    """Who is asked for, and as of when."""

    entity: Ints
    time: Ints


def window_totals(
    streams: Mapping[tuple[Entity, Stream], Events],
    queries: Mapping[Entity, Queries],
    features: tuple[Feature, ...] = FEATURES,
) -> dict[Total, Ints]:
    """Every total that the features need, one value per query of its entity, in query order."""
    wanted = dict.fromkeys(total for feature in features for total in feature.totals)
    results: dict[Total, Ints] = {}
    for source in dict.fromkeys((total.entity, total.stream) for total in wanted):
        entity, _ = source
        totals = [total for total in wanted if (total.entity, total.stream) == source]
        results |= _stream_totals(streams[source], queries[entity], totals)
    return results


def _stream_totals(events: Events, queries: Queries, totals: list[Total]) -> dict[Total, Ints]:
    results = {total: np.zeros(len(queries.time), np.int64) for total in totals}
    if len(events.known) == 0 or len(queries.time) == 0:
        return results
    for shard in _shards(events, queries):
        shard.add_to(results)
    return results


@dataclass(frozen=True, slots=True)
class _Shard:
    """Events and queries of as many entities as fit into one range of sort keys."""

    event_keys: Ints
    amounts: Ints
    codes: Ints
    times: Ints
    origin: int
    span: int
    rows: Ints

    def add_to(self, results: dict[Total, Ints]) -> None:
        """Writes each total's values at this shard's rows."""
        order = np.argsort(self.event_keys, kind="stable")
        keys = self.event_keys[order]
        summed = np.zeros(len(keys) + 1, np.int64)
        np.cumsum(self.amounts[order], out=summed[1:])
        heads = np.searchsorted(keys, self._query_keys(self.times), "right")
        for window in dict.fromkeys(total.window for total in results):
            tails = np.searchsorted(keys, self._query_keys(_starts(self.times, window)), "left")
            for total, values in results.items():
                if total.window == window:
                    counted = total.measure is Measure.COUNT
                    values[self.rows] = heads - tails if counted else summed[heads] - summed[tails]

    def _query_keys(self, times: Ints) -> Ints:
        # Offset 0 holds no event, so a time before all events cannot reach another entity's.
        keys: Ints = self.codes * self.span + np.maximum(times - self.origin, 0)
        return keys


def _starts(times: Ints, window: Window) -> Ints:
    hop = microseconds(window.hop)
    starts: Ints = (times - microseconds(window.length)) // hop * hop
    return starts


def _shards(events: Events, queries: Queries) -> Iterator[_Shard]:
    # One before the first event, so that offset 0 stays free.
    origin = int(events.known.min()) - 1
    last = max(int(events.known.max()), int(queries.time.max()))
    span = last - origin + 1
    names, event_codes = np.unique(events.entity, return_inverse=True)
    query_codes = np.searchsorted(names, queries.entity)
    known = query_codes < len(names)
    known[known] = names[query_codes[known]] == queries.entity[known]
    # Sorted queries walk the sorted keys once: several times faster than jumping about.
    rows = np.flatnonzero(known)
    rows = rows[np.lexsort((queries.time[rows], query_codes[rows]))]
    per_shard = max(KEY_CAPACITY // span, 1)
    for first in range(0, len(names), per_shard):
        mine = (event_codes >= first) & (event_codes < first + per_shard)
        asked = rows[(query_codes[rows] >= first) & (query_codes[rows] < first + per_shard)]
        yield _Shard(
            event_keys=(event_codes[mine] - first) * span + events.known[mine] - origin,
            amounts=events.amount[mine],
            codes=query_codes[asked] - first,
            times=queries.time[asked],
            origin=origin,
            span=span,
            rows=asked,
        )


def evaluate(feature: Feature, totals: Totals, amount: Ints, time: Ints) -> Floats:
    """The feature's values, in double precision, from its totals and the requests themselves."""
    return _evaluate(feature.formula, totals, amount, time).astype(np.float64)


def _evaluate(formula: Formula, totals: Totals, amount: Ints, time: Ints) -> Ints | Floats:
    match formula:
        case Total():
            return totals[formula]
        case Quotient():
            dividend = _evaluate(formula.dividend, totals, amount, time)
            divisor = _evaluate(formula.divisor, totals, amount, time)
            zeros = np.zeros(len(divisor), np.float64)
            return np.divide(dividend, divisor, out=zeros, where=divisor != 0)
        case Request.AMOUNT:
            return amount
        case Request.WEEKEND:
            weekdays = (time // DAY + EPOCH_WEEKDAY) % 7
            return (weekdays >= FIRST_WEEKEND_DAY).astype(np.int64)
        case Request.NIGHT:
            return (time // HOUR % 24 <= LAST_NIGHT_HOUR).astype(np.int64)
