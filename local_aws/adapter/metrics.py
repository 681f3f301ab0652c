"""Values of CloudWatch's metrics on their way into ministack, which keeps each as a document.

Thousands of values a second, as a busy model server logs them, would fill its memory within
minutes. So values are kept as CloudWatch keeps them: exact count, sum, minimum and maximum, and
for percentiles their distribution over bins of a percent; older ones by ten seconds, then by the
minute.
"""

import math
import time
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ministack.core import responses
from ministack.services import cloudwatch

from local_aws.adapter.lifecycle import every

_STORE_SECONDS = 0.25
_COMPACT_SECONDS = 30.0
_MANY = 300  # points of one metric; fewer are left as they are
_BIN = math.log(1.01)
# Points older than so many seconds are put together by so many seconds.
_AGES = ((3600.0, 60.0), (120.0, 10.0))

Point = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """Values of one metric in one account and region."""

    scope: tuple[str, str]
    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]
    unit: str
    timestamp: float
    values: tuple[float, ...]


_pending: deque[Values] = deque()


def put_values(
    namespace: str,
    name: str,
    dimensions: dict[str, str],
    values: Sequence[float],
    *,
    unit: str,
    timestamp: float,
) -> None:
    """Count values of one metric in the current account and region; from any thread.

    They are stored within a quarter of a second, on the event loop as all of CloudWatch's work.
    """
    _pending.append(
        Values(
            scope=(str(responses.get_account_id()), str(responses.get_region())),
            namespace=namespace,
            name=name,
            dimensions=tuple(dimensions.items()),
            unit=unit,
            timestamp=timestamp,
            values=tuple(values),
        )
    )


def keep_few_points() -> None:
    """Store what is put, and put together what has grown old, while the server runs."""
    every(_STORE_SECONDS, store_pending)
    every(_COMPACT_SECONDS, compact)


def store_pending() -> None:
    """Store what was put; that of one metric and tenth of a second together."""
    groups: dict[tuple[Any, ...], list[float]] = defaultdict(list)
    while _pending:
        put = _pending.popleft()
        moment = math.floor(put.timestamp * 10) / 10
        key = (put.scope, put.namespace, put.name, put.dimensions, put.unit, moment)
        groups[key].extend(put.values)
    for (scope, namespace, name, dimensions, unit, moment), values in groups.items():
        bins = list(binned((value, 1.0) for value in values))
        with responses.request_scope(*scope):
            cloudwatch._store_datum(
                namespace,
                name,
                dict(dimensions),
                moment,
                unit,
                None,
                [value for value, _ in bins],
                [count for _, count in bins],
                None,
            )


def compact() -> None:
    """Put the older points of metrics that have many together."""
    now = time.time()
    for key, points in list(cloudwatch._metrics._data.items()):
        if len(points) > _MANY:
            cloudwatch._metrics._data[key] = compacted(points, now)


def compacted(points: Iterable[Point], now: float) -> list[Point]:
    """Points with the older ones put together; statistic sets stay as they were published."""
    groups: dict[tuple[float, str], list[Point]] = defaultdict(list)
    kept: list[Point] = []
    for point in points:
        age = now - point["Timestamp"]
        width = next((seconds for limit, seconds in _AGES if age > limit), None)
        if width is None or "_stat" in point:
            kept.append(point)
        else:
            start = point["Timestamp"] // width * width
            groups[start, point["Unit"]].append(point)
    old = [
        {**group[0], "Timestamp": start, "Value": value, "Count": count}
        for (start, _), group in groups.items()
        for value, count in binned((p["Value"], p.get("Count", 1.0)) for p in group)
    ]
    return sorted([*old, *kept], key=lambda point: float(point["Timestamp"]))


def binned(values: Iterable[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Values and counts as fewer of them, with the same count, sum, minimum and maximum.

    Values of a bin become their mean, which is within a percent of each.
    """
    counts: dict[float, float] = defaultdict(float)
    for value, count in values:
        counts[value] += count
    low, high = min(counts), max(counts)
    bins: dict[tuple[Any, ...], list[tuple[float, float]]] = defaultdict(list)
    for value, count in counts.items():
        # The extremes have bins of their own, and are exact therefore.
        bins[(value,) if value in {low, high} else _bin(value)].append((value, count))
    for members in bins.values():
        if len(members) == 1:
            yield members[0]
        else:
            count = math.fsum(count for _, count in members)
            yield math.fsum(value * count for value, count in members) / count, count


def _bin(value: float) -> tuple[Any, ...]:
    if value == 0.0 or not math.isfinite(value):
        return ("exact", value)
    return ("bin", value > 0, math.floor(math.log(abs(value)) / _BIN))
