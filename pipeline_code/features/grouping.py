"""Puts rows of many entities together: entity by entity, each one's in order of time and id."""

import numpy as np
import numpy.typing as npt

from pipeline_code.common.compiled import compiled

__all__ = ["grouped", "repetitions", "shard_of"]

Ints = npt.NDArray[np.int64]

# Multipliers of the splitmix64 generator's output function (Steele, Lea and Flood, 2014).
FIRST_MULTIPLIER = np.uint64(0xBF58476D1CE4E5B9)
SECOND_MULTIPLIER = np.uint64(0x94D049BB133111EB)
EMPTY = -1


@compiled("u8(i8)")
def _mixed(value: int) -> np.uint64:
    """An id with its bits spread evenly, since ids themselves may be consecutive or even."""
    bits = np.uint64(value)
    bits = (bits ^ (bits >> np.uint64(30))) * FIRST_MULTIPLIER
    bits = (bits ^ (bits >> np.uint64(27))) * SECOND_MULTIPLIER
    return bits ^ (bits >> np.uint64(31))


@compiled("i4[::1](i8[::1], i8)")
def shard_of(owners: Ints, shards: int) -> npt.NDArray[np.int32]:
    """The shard of each row's entity: always the same, and about as many entities in each."""
    result = np.empty(len(owners), np.int32)
    for row in range(len(owners)):
        # Other bits than those that `grouped` starts its search at.
        result[row] = np.int32((_mixed(owners[row]) >> np.uint64(32)) % np.uint64(shards))
    return result


@compiled("void(i8[::1], i8[::1], i8[::1])")
def _sort(rows: Ints, times: Ints, ids: Ints) -> None:
    """Puts one entity's rows in order of time, equal times in order of id."""
    in_order = True
    for index in range(1, len(rows)):
        if times[rows[index]] < times[rows[index - 1]]:
            in_order = False
            break
    if not in_order:
        by_time = np.argsort(times[rows], kind="mergesort")
        rows[:] = rows[by_time]
    for index in range(1, len(rows)):
        row, hole = rows[index], index
        while hole > 0 and times[rows[hole - 1]] == times[row] and ids[rows[hole - 1]] > ids[row]:
            rows[hole] = rows[hole - 1]
            hole -= 1
        rows[hole] = row


@compiled("UniTuple(i8[::1], 3)(i8[::1], i8[::1], i8[::1])")
def grouped(owners: Ints, times: Ints, ids: Ints) -> tuple[Ints, Ints, Ints]:
    """Which row comes where, and where each entity's rows start: by entity, time and id.

    Returns:
        The rows' order; where each entity's rows start in it, and where the last one's end; the
        entities, in order of their ids. None of it depends on the order of the given rows.
    """
    rows = len(owners)
    size = 16
    while size < 2 * rows:
        size *= 2
    mask = np.uint64(size - 1)
    slots = np.full(size, EMPTY, np.int64)
    codes = np.empty(rows, np.int64)
    names = np.empty(rows, np.int64)
    known = 0
    for row in range(rows):
        slot = _mixed(owners[row]) & mask
        while slots[slot] != EMPTY and names[slots[slot]] != owners[row]:
            slot = (slot + np.uint64(1)) & mask
        if slots[slot] == EMPTY:
            slots[slot] = known
            names[known] = owners[row]
            known += 1
        codes[row] = slots[slot]
    by_name = np.argsort(names[:known])
    ranks = np.empty(known, np.int64)
    for rank in range(known):
        ranks[by_name[rank]] = rank
    starts = np.zeros(known + 1, np.int64)
    for row in range(rows):
        codes[row] = ranks[codes[row]]
        starts[codes[row] + 1] += 1
    for group in range(known):
        starts[group + 1] += starts[group]
    index = starts[:known].copy()
    order = np.empty(rows, np.int64)
    for row in range(rows):
        order[index[codes[row]]] = row
        index[codes[row]] += 1
    for group in range(known):
        _sort(order[starts[group] : starts[group + 1]], times, ids)
    return order, starts, names[:known][by_name]


@compiled("void(i8[::1], b1[::1])")
def _mark(ids: Ints, repeated: npt.NDArray[np.bool_]) -> None:
    by_id = np.argsort(ids, kind="mergesort")
    for index in range(1, len(ids)):
        # The sort keeps equal ids in order of time, so all but the first repeat it.
        repeated[by_id[index]] = ids[by_id[index]] == ids[by_id[index - 1]]


@compiled("b1[::1](i8[::1], i8[::1])")
def repetitions(starts: Ints, ids: Ints) -> npt.NDArray[np.bool_]:
    """Which rows repeat an id that the same entity had earlier.

    Args:
        starts: Where each entity's rows start, and where the last one's end.
        ids: The rows' ids, in order of time within an entity.
    """
    repeated = np.zeros(len(ids), np.bool_)
    for group in range(len(starts) - 1):
        low, high = starts[group], starts[group + 1]
        ordered = np.sort(ids[low:high])
        for index in range(1, len(ordered)):
            if ordered[index] == ordered[index - 1]:
                _mark(ids[low:high], repeated[low:high])
                break
    return repeated
