"""The known events of an entity that a state has seen."""

import numpy as np
import numpy.typing as npt

from pipeline_code.features.definitions import Entity
from pipeline_code.features.plan import plan_of
from pipeline_code.features.state import EntityState, SourceState

__all__ = ["arrived", "lacks"]

Ints = npt.NDArray[np.int64]
Events = tuple[Ints, Ints]

DAY = 86_400_000_000


def arrived(events: Events, state: EntityState | None) -> Events:
    """The events, transactions and fraud reports [time, id, amount], that a state has.

    They are those that it remembers one by one, and what is older than all of those: that cannot be
    told from what never came.
    """
    spent, reported = events
    if state is None:
        return spent[:0], reported[:0]
    return (
        spent[_is_kept(spent, state.transactions)],
        reported[_is_kept(reported, state.reports)],
    )


def lacks(entity: Entity, events: Events, state: EntityState | None, time: int) -> Events:
    """The ids of events by a time, transactions' and fraud reports', that a state ought to have.

    Not of what its features do not need, and not of what is so old that it may have forgotten it.
    """
    missing = []
    for reports, known, has in zip((False, True), events, arrived(events, state), strict=True):
        wanted = (known[:, 0] <= time) & ~np.isin(known[:, 1], has[:, 1])
        if state is not None:
            reach = int(plan_of().schedule(entity, reports=reports)[-1])
            wanted &= known[:, 0] >= state.newest - reach + DAY
        needed = plan_of().keeps(entity, reports=reports)
        missing.append(known[wanted, 1] if needed else known[:0, 1])
    return missing[0], missing[1]


def _is_kept(events: Ints, kept: SourceState) -> npt.NDArray[np.bool_]:
    is_kept: npt.NDArray[np.bool_] = np.isin(events[:, 1], kept.recent[:, 1])
    if len(kept.hops) and len(kept.recent):
        is_kept |= events[:, 0] < kept.recent[0, 0]
    return is_kept
