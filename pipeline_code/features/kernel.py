"""The one evaluation of features: totals over sawtooth windows, then each feature's formula.

All drivers call it: batch and Spark with the events of many entities, online with one request and
the partial sums of a state. An event is a partial sum of one.

Times are microseconds since 1970 (UTC), amounts minor units; a list of partial sums is given as
four arrays of one length: times (rising), counts, sums of amounts and largest amounts.
"""

import numpy as np
import numpy.typing as npt

from pipeline_code.common.compiled import compiled
from pipeline_code.features.declarations import Operation
from pipeline_code.features.plan import TERMS, WINDOW_FIELDS

__all__ = ["add_totals", "carry", "combine", "floored", "group_totals", "recall"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

FIVE_MINUTES = 300_000_000
HOUR = 3_600_000_000
DAY = 86_400_000_000
SECOND = 1_000_000
# 1970-01-01 was a Thursday: three days after a Monday.
EPOCH_WEEKDAY = 3
FIRST_WEEKEND_DAY = 5
LAST_NIGHT_HOUR = 6

HOP, BACK, SHIFT, LENGTH = (WINDOW_FIELDS.index(n) for n in ("hop", "back", "shift", "length"))
COUNT, SUM, MAX, SINCE_LAST, AGE = (WINDOW_FIELDS.index(aggregate) for aggregate in Operation)
AMOUNT_ROW, WEEKEND_ROW, NIGHT_ROW = 0, 1, 2


@compiled("i8(i8, i8)")
def floored(time: int, level: int) -> int:
    """The start of the hop that a time is in; `level` is its index in LEVELS."""
    # Three divisions by constants are several times faster than one by a variable.
    if level == 0:
        return time // FIVE_MINUTES * FIVE_MINUTES
    if level == 1:
        return time // HOUR * HOUR
    return time // DAY * DAY


@compiled("void(i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[:, ::1], i8[:, ::1], i8)")
def add_totals(  # noqa: PLR0912 - one loop keeps a window's numbers in registers
    times: Ints,
    counts: Ints,
    sums: Ints,
    largest: Ints,
    asked: Ints,
    windows: Ints,
    operands: Ints,
    column: int,
) -> None:
    """Writes every window's totals of one entity's events.

    Args:
        times, counts, sums, largest: The partial sums.
        asked: As of when; rising.
        windows: The table of windows (`Plan.windows`).
        operands: Where to write: a row an operand, a column a request.
        column: The first request's column.
    """
    events = len(times)
    starts = np.empty((3, len(asked)), np.int64)  # of the hops of each level that requests are in
    for index in range(len(asked)):
        for level in range(3):
            starts[level, index] = floored(asked[index], level)
    falling = np.empty(events, np.int64)  # indices whose largest amounts fall: the first is the max
    for window in range(len(windows)):
        # Held in registers: the compiler must assume that writing a result changes the table.
        hop, back, shift = windows[window, HOP], windows[window, BACK], windows[window, SHIFT]
        length, to_count, to_sum = (
            windows[window, LENGTH],
            windows[window, COUNT],
            windows[window, SUM],
        )
        to_max, to_age = windows[window, MAX], windows[window, AGE]
        to_last = windows[window, SINCE_LAST]
        tail = head = first = last = before = count = total = 0
        for index in range(len(asked)):
            time = asked[index]
            start = starts[hop, index] - back
            end = time + 1 if shift == 0 else starts[1, index] - shift
            while head < events and times[head] < end:
                count += counts[head]
                total += sums[head]
                if to_max >= 0:
                    while last > first and largest[falling[last - 1]] <= largest[head]:
                        last -= 1
                    falling[last] = head
                    last += 1
                head += 1
            while tail < head and times[tail] < start:
                count -= counts[tail]
                total -= sums[tail]
                if last > first and falling[first] == tail:
                    first += 1
                tail += 1
            if to_count >= 0:
                operands[to_count, column + index] = count
            if to_sum >= 0:
                operands[to_sum, column + index] = total
            if to_max >= 0:
                operands[to_max, column + index] = largest[falling[first]] if last > first else 0
            if to_last >= 0:
                while before < events and times[before] < time:
                    before += 1
                age = time - times[before - 1] if before > 0 else length
                operands[to_last, column + index] = min(age, length) // SECOND
            if to_age >= 0:
                age = starts[hop, index] - floored(times[tail], hop) if tail < head else 0
                operands[to_age, column + index] = min(age, length) // SECOND


@compiled(
    "void(i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], i8[::1], "
    "i8[:, ::1], i8[:, ::1], i8, i8)"
)
def group_totals(
    event_starts: Ints,
    times: Ints,
    counts: Ints,
    sums: Ints,
    largest: Ints,
    asked_starts: Ints,
    asked: Ints,
    windows: Ints,
    operands: Ints,
    first_group: int,
    last_group: int,
) -> None:
    """`add_totals` for each of many entities, whose events and requests lie group by group.

    Args:
        event_starts: Where each entity's events start; one more says where the last one's end.
        times, counts, sums, largest: The partial sums of all entities.
        asked_starts: Where each entity's requests start, likewise.
        asked: As of when.
        windows: The table of windows.
        operands: Where to write; its column 0 is the first request of `first_group`.
        first_group, last_group: The entities to do: from the first, before the last.
    """
    base = asked_starts[first_group]
    for group in range(first_group, last_group):
        low, high = event_starts[group], event_starts[group + 1]
        add_totals(
            times[low:high],
            counts[low:high],
            sums[low:high],
            largest[low:high],
            asked[asked_starts[group] : asked_starts[group + 1]],
            windows,
            operands,
            asked_starts[group] - base,
        )


@compiled("void(i8[:, ::1], i8[::1], i8[::1], i8[:, ::1], f4[:, ::1], i8)")
def combine(
    operands: Ints, amounts: Ints, times: Ints, formulas: Ints, features: Floats, column: int
) -> None:
    """Writes each feature's values, a row a feature, a column a request.

    Integers are multiplied and divided in double precision, and rounded once to single.

    Args:
        operands: Totals, filled in; the request's own rows are written here.
        amounts, times: The requests' own.
        formulas: `Plan.formulas`.
        features: Where to write.
        column: The first request's column there.
    """
    requests = len(times)
    for index in range(requests):
        time = times[index]
        operands[AMOUNT_ROW, index] = amounts[index]
        operands[WEEKEND_ROW, index] = (time // DAY + EPOCH_WEEKDAY) % 7 >= FIRST_WEEKEND_DAY
        operands[NIGHT_ROW, index] = time // HOUR % 24 <= LAST_NIGHT_HOUR
    for feature in range(len(formulas)):
        above, below = formulas[feature, 0], formulas[feature, 1]
        terms = formulas[feature, 2:]
        dividends = operands[terms[0]]
        values = features[feature, column : column + requests]
        if below == 0:
            for index in range(requests):
                values[index] = np.float32(np.float64(dividends[index]))
        elif above == 1 and below == 1:
            # The same as below, for most features and several times faster.
            divisors = operands[terms[TERMS]]
            for index in range(requests):
                divisor = np.float64(divisors[index])
                ratio = np.float64(dividends[index]) / divisor if divisor != 0.0 else 0.0
                values[index] = np.float32(ratio)
        else:
            for index in range(requests):
                dividend = np.float64(dividends[index])
                for term in range(1, above):
                    dividend *= np.float64(operands[terms[term], index])
                divisor = np.float64(1.0)
                for term in range(below):
                    divisor *= np.float64(operands[terms[TERMS + term], index])
                values[index] = np.float32(dividend / divisor if divisor != 0.0 else 0.0)


@compiled("void(i8[:, ::1], i8[::1], i8[:, ::1], i8, i8)")
def carry(operands: Ints, indices: Ints, totals: Ints, first: int, end: int) -> None:
    """Keeps some operands of each request as a row of their own, for `recall`.

    Args:
        operands: A row an operand, a column a request.
        indices: Which operands.
        totals: Where to write: one request's operands lie together, since rows are drawn at random.
        first, end: The rows of the requests there.
    """
    for row in range(first, end):
        for item in range(len(indices)):
            totals[row, item] = operands[indices[item], row - first]


@compiled("void(i8[:, ::1], i8[::1], i8[::1], i8[:, ::1])")
def recall(totals: Ints, rows: Ints, indices: Ints, operands: Ints) -> None:
    """Fills in the operands that `carry` kept, those of `rows` in their order."""
    for request in range(len(rows)):
        row = rows[request]
        for item in range(len(indices)):
            operands[indices[item], request] = totals[row, item]
