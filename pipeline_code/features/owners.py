"""New events, found by the customer or terminal that they belong to."""

import numpy as np
import numpy.typing as npt

from pipeline_code.features.definitions import SCHEMA_VERSION, Entity
from pipeline_code.features.events import Reports, Transactions
from pipeline_code.features.grouping import grouped, repetitions
from pipeline_code.features.state import EntityState, events_of
from pipeline_code.features.store.records import Key

__all__ = ["EventsByOwner"]

Ints = npt.NDArray[np.int64]


class EventsByOwner:
    """Transactions and fraud reports of many customers, or of many terminals.

    Args:
        entity: Which of the two.
        transactions: Some transactions; one that comes again counts once.
        reports: Some fraud reports; the earliest of each transaction counts.
        version: For whose features states are made of them.
    """

    def __init__(
        self,
        entity: Entity,
        transactions: Transactions,
        reports: Reports,
        version: str = SCHEMA_VERSION,
    ) -> None:
        self.entity = entity
        self._nothing = EntityState(entity, version=version)
        events = events_of(transactions.times, transactions.ids, transactions.amounts)
        self._transactions = _OwnerEvents(transactions.owners(entity), events)
        reports = reports.timely()
        reported = events_of(reports.times, reports.ids)
        self._reports = _OwnerEvents(reports.owners(entity), reported)

    @property
    def keys(self) -> list[Key]:
        """Whose state these events change."""
        owners = self._transactions.owners
        if self._nothing.keeps_reports:
            owners = np.union1d(owners, self._reports.owners)
        return [Key(self.entity, owner) for owner in owners.tolist()]

    def transactions(self, key: Key) -> Ints:
        """The owner's transactions [time, id, amount], each once, in order of time."""
        return self._transactions.of(key.id)

    def reports(self, key: Key) -> Ints:
        """The owner's fraud reports [report time, id, 0], likewise."""
        return self._reports.of(key.id)

    def fold(self, state: EntityState | None, key: Key) -> EntityState:
        """The state with the owner's events added; None is that of nobody yet."""
        return (state or self._nothing).fold(self.transactions(key), self.reports(key))

    def state(self, key: Key) -> EntityState:
        """The state that these events alone make."""
        return self.fold(self._nothing, key)

    def unknown(self, state: EntityState, key: Key) -> tuple[Ints, Ints]:
        """Transactions and reports that a state remembers and that are not among these events."""
        return (
            _missing(state.transactions.recent, self.transactions(key)),
            _missing(state.reports.recent, self.reports(key)),
        )


class _OwnerEvents:
    """The events of each owner [time, id, amount], each id once."""

    def __init__(self, owners: Ints, events: Ints) -> None:
        order, starts, self.owners = grouped(owners, events[:, 0].copy(), events[:, 1].copy())
        events = events[order]
        once = ~repetitions(starts, events[:, 1].copy())
        self._events = events[once]
        self._starts = np.concatenate([[0], np.cumsum(once)])[starts]

    def of(self, owner: int) -> Ints:
        index = int(np.searchsorted(self.owners, owner))
        if index == len(self.owners) or self.owners[index] != owner:
            return self._events[:0]
        return self._events[self._starts[index] : self._starts[index + 1]]


def _missing(remembered: Ints, events: Ints) -> Ints:
    missing: Ints = remembered[~np.isin(remembered[:, 1], events[:, 1])]
    return missing
