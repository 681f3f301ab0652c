"""Adds events to what is stored of one entity's stream: recent ones as they are, older ones by hop.

What is stored is a function of the set of events alone, whatever the order and the batches they
came in, and it is bounded: so many of the newest events, and as many hops as windows reach back.

    recent  [n, 3]  time, id, amount: the newest events, in order of time and id
    hops    [m, 4]  start, count, sum of amounts, largest amount: all others, in order of start
"""

import numpy as np
import numpy.typing as npt

from pipeline_code.common.compiled import compiled
from pipeline_code.features.kernel import add_totals, floored

__all__ = ["add_kept_totals", "fold", "join"]

Ints = npt.NDArray[np.int64]

TIME, ID, AMOUNT = range(3)
START, COUNT, SUM, LARGEST = range(4)


@compiled("b1(i8[::1], i8[::1])")
def _comes_before(one: Ints, other: Ints) -> bool:
    """Whether an event is earlier; of equal times, the smaller id is."""
    if one[TIME] != other[TIME]:
        return bool(one[TIME] < other[TIME])
    return bool(one[ID] < other[ID])


@compiled("i8(i8[:, ::1], i8, i8[::1])")
def _insert(recent: Ints, known: int, event: Ints) -> int:
    """Puts an event in its place unless its id is there already; returns how many there are.

    Of two events with one id the earlier stays, and the smaller amount of two at one time.
    """
    for index in range(known):
        if recent[index, ID] == event[ID]:
            if event[TIME] > recent[index, TIME] or (
                event[TIME] == recent[index, TIME] and event[AMOUNT] >= recent[index, AMOUNT]
            ):
                return known
            for later in range(index + 1, known):
                recent[later - 1] = recent[later]
            known -= 1
            break
    index = known
    while index > 0 and _comes_before(event, recent[index - 1]):
        recent[index] = recent[index - 1]
        index -= 1
    recent[index] = event
    return known + 1


@compiled("i8(i8, i8, i8[::1])")
def _level(time: int, newest: int, schedule: Ints) -> int:
    """How finely events of a time are stored; the limits lie between hops of the next level."""
    if time >= floored(newest - schedule[0], 1):
        return 0
    return 1 if time >= floored(newest - schedule[1], 2) else 2


@compiled("i8[:, ::1](i8[:, ::1], i8, i8, i8[::1])")
def _gathered(parts: Ints, oldest: int, newest: int, schedule: Ints) -> Ints:
    """The hops of partial sums that may lie anyhow: none too old, each start once, in order."""
    kept = np.empty_like(parts)
    known = 0
    in_order = True
    for part in range(len(parts)):
        if parts[part, START] < oldest:
            continue
        level = _level(parts[part, START], newest, schedule)
        kept[known] = parts[part]
        kept[known, START] = floored(parts[part, START], level)
        in_order = in_order and (known == 0 or kept[known, START] >= kept[known - 1, START])
        known += 1
    if not in_order:
        order = np.argsort(kept[:known, START].copy(), kind="mergesort")
        kept[:known] = kept[:known][order]
    hops = 0
    for part in range(known):
        if hops and kept[part, START] == kept[hops - 1, START]:
            kept[hops - 1, COUNT] += kept[part, COUNT]
            kept[hops - 1, SUM] += kept[part, SUM]
            kept[hops - 1, LARGEST] = max(kept[hops - 1, LARGEST], kept[part, LARGEST])
        else:
            kept[hops] = kept[part]
            hops += 1
    return kept[:hops].copy()


@compiled("Tuple((i8[:, ::1], i8[:, ::1]))(i8[:, ::1], i8[:, ::1], i8[:, ::1], i8, i8[::1], i8)")
def fold(
    recent: Ints, hops: Ints, events: Ints, newest: int, schedule: Ints, remembered: int
) -> tuple[Ints, Ints]:
    """What is stored after some more events.

    Args:
        recent, hops: What was stored before.
        events: The new ones [k, 3]: time, id, amount, in any order.
        newest: The newest known time of all, these included.
        schedule: `Plan.schedule` of the entity.
        remembered: How many of the newest events are stored one by one.

    Returns:
        recent and hops; those that were given are not changed.
    """
    oldest = floored(newest - schedule[2], 2)
    kept = np.empty((remembered + 1, 3), np.int64)
    known = 0
    for index in range(len(recent)):
        if recent[index, TIME] >= oldest:
            kept[known] = recent[index]
            known += 1
    # Whether events were set aside: what is older than all that is remembered joins them.
    full = len(hops) > 0
    parts = np.empty((len(hops) + len(events), 4), np.int64)
    parts[: len(hops)] = hops
    aside = len(hops)
    for index in range(len(events)):
        event = events[index]
        if event[TIME] < oldest:
            continue
        known = _insert(kept, known, event)
        if known > remembered:
            parts[aside, START] = kept[0, TIME]
            parts[aside, COUNT] = 1
            parts[aside, SUM] = kept[0, AMOUNT]
            parts[aside, LARGEST] = kept[0, AMOUNT]
            aside += 1
            for later in range(1, known):
                kept[later - 1] = kept[later]
            known -= 1
            full = True
    if full:
        return kept[:known].copy(), _gathered(parts[:aside].copy(), oldest, newest, schedule)
    return kept[:known].copy(), hops


@compiled("UniTuple(i8[::1], 4)(i8[:, ::1], i8[:, ::1], i8[:, ::1])")
def join(recent: Ints, hops: Ints, request: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    """What is stored, and perhaps one more event, as the kernel's partial sums.

    Args:
        recent, hops: What is stored.
        request: One event [1, 3] that counts once, stored or not; or none [0, 3].

    Returns:
        times, counts, sums and largest amounts.
    """
    extra = len(request)
    for index in range(len(recent)):
        if extra and recent[index, ID] == request[0, ID]:
            extra = 0
    size = len(hops) + len(recent) + extra
    times, counts = np.empty(size, np.int64), np.ones(size, np.int64)
    sums, largest = np.empty(size, np.int64), np.empty(size, np.int64)
    index = 0
    for kept in range(len(hops) + len(recent)):
        event = kept - len(hops)
        time = recent[event, TIME] if event >= 0 else hops[kept, START]
        if extra and time > request[0, TIME]:
            times[index] = request[0, TIME]
            sums[index] = largest[index] = request[0, AMOUNT]
            index, extra = index + 1, 0
        times[index] = time
        if event >= 0:
            sums[index] = largest[index] = recent[event, AMOUNT]
        else:
            counts[index], sums[index] = hops[kept, COUNT], hops[kept, SUM]
            largest[index] = hops[kept, LARGEST]
        index += 1
    if extra:
        times[index] = request[0, TIME]
        sums[index] = largest[index] = request[0, AMOUNT]
    return times, counts, sums, largest


@compiled("void(i8[:, ::1], i8[:, ::1], i8[:, ::1], i8[::1], i8[:, ::1], i8[:, ::1])")
def add_kept_totals(
    recent: Ints, hops: Ints, request: Ints, asked: Ints, windows: Ints, operands: Ints
) -> None:
    """`join` and `add_totals` at once: handing arrays back to Python takes longer than either.

    Args:
        recent, hops, request: See `join`.
        asked, windows, operands: See `add_totals`; one request.
    """
    times, counts, sums, largest = join(recent, hops, request)
    add_totals(times, counts, sums, largest, asked, windows, operands, 0)
