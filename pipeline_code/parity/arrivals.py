"""Events of a file as they reach the online store, and the states that they make there.

By the time of a request its entity's state has been folded from all events known at that time: in
random order, in random pieces, some of them twice. The request's own event comes before it or after
it. Now and then a state is made anew from all of its entity's past, shuffled.
"""

from random import Random

import numpy as np
import numpy.typing as npt

from pipeline_code.features.definitions import Entity
from pipeline_code.features.events import Reports, Transactions
from pipeline_code.features.owners import EventsByOwner
from pipeline_code.features.state import NO_EVENTS, REMEMBERED, EntityState
from pipeline_code.features.store.records import Key

__all__ = ["Arrivals"]

Ints = npt.NDArray[np.int64]

# Of the requests: before how many an event comes again, a state is made anew, and the request's own
# event has not come yet.
REPEATED_SHARE = 0.05
ANEW_SHARE = 0.01
HELD_BACK_SHARE = 0.5


class Arrivals:
    """All customers', or all terminals', events and states.

    Args:
        entity: Which of the two.
        rows: Every transaction that will ever come, each once.
        reports: Every fraud report.
        random: Where chance comes from.
    """

    def __init__(
        self, entity: Entity, rows: Transactions, reports: Reports, random: Random
    ) -> None:
        self.repeated = 0
        self._entity = entity
        self._events = EventsByOwner(entity, rows, reports)
        self._random = random
        self._stored: dict[int, _EntityArrivals] = {}

    def state(self, owner: int, time: int, request: int) -> EntityState:
        """The state when a request comes; its own event may be folded by then or not."""
        key = Key(self._entity, owner)
        if owner not in self._stored:
            events = self._events.transactions(key), self._events.reports(key)
            self._stored[owner] = _EntityArrivals(*events, EntityState(self._entity).encode())
        stored = self._stored[owner]
        spent, reported = stored.arriving(time)
        if self._random.random() < HELD_BACK_SHARE:
            own = spent[:, 1] == request
            spent, stored.held = spent[~own], spent[own]
        if self._random.random() < ANEW_SHARE:
            past, told = stored.arrived()
            past = past[~np.isin(past[:, 1], stored.held[:, 1])]
            state = self._fold(EntityState(self._entity), past, told)
        else:
            if self._random.random() < REPEATED_SHARE:
                spent, reported = self._with_repeated(stored, spent, reported)
            before = EntityState.decode(self._entity, stored.text, str(key))
            state = self._fold(before, spent, reported)
        stored.text = state.encode()
        return EntityState.decode(self._entity, stored.text, str(key))

    def _fold(self, state: EntityState, spent: Ints, reported: Ints) -> EntityState:
        """In random order and in two pieces, if there is more than one event."""
        if len(spent) + len(reported) < 2:  # noqa: PLR2004 - nothing to shuffle
            return state.fold(spent, reported) if len(spent) + len(reported) else state
        spent, reported = self._shuffled(spent), self._shuffled(reported)
        cut, told = (self._random.randint(0, len(part)) for part in (spent, reported))
        return state.fold(spent[:cut], reported[told:]).fold(spent[cut:], reported[:told])

    def _shuffled(self, events: Ints) -> Ints:
        order = list(range(len(events)))
        self._random.shuffle(order)
        return events[order]

    def _with_repeated(
        self, stored: "_EntityArrivals", spent: Ints, reported: Ints
    ) -> tuple[Ints, Ints]:
        """Some that came before come again, of those that a state is bound to remember."""
        again = stored.remembered()
        again = again[self._random.sample(range(len(again)), min(2, len(again)))]
        told = stored.reports[: stored.reported][-1:]
        self.repeated += len(again) + len(told)
        return np.concatenate([spent, again]), np.concatenate([reported, told])


class _EntityArrivals:
    """One entity: all its events, how many have come, and its state as it is stored."""

    def __init__(self, transactions: Ints, reports: Ints, text: str) -> None:
        self.transactions = transactions
        self.reports = reports
        self.text = text
        self.held = NO_EVENTS
        self.spent = 0
        self.reported = 0

    def arriving(self, time: int) -> tuple[Ints, Ints]:
        """What has become known and has not come yet; it comes now."""
        spent = int(np.searchsorted(self.transactions[:, 0], time, "right"))
        reported = int(np.searchsorted(self.reports[:, 0], time, "right"))
        new = np.concatenate([self.held, self.transactions[self.spent : spent]])
        told = self.reports[self.reported : reported]
        self.held, self.spent, self.reported = NO_EVENTS, spent, reported
        return new, told

    def arrived(self) -> tuple[Ints, Ints]:
        """All that has come, or is held back."""
        return self.transactions[: self.spent], self.reports[: self.reported]

    def remembered(self) -> Ints:
        """The newest of those that have come, without the one that is held back."""
        newest = self.transactions[: self.spent][-REMEMBERED // 2 :]
        return newest[~np.isin(newest[:, 1], self.held[:, 1])]
