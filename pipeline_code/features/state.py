"""The state that the online store has of an entity: partial sums of its events.

A stored feature goes stale as its window slides; from partial sums any later moment can be asked.

Guarantees:
    Folding is order-free: the same events in any order and any batches leave the same state, and
    states of separate events merge into the state of all of them.
    An event counts once: an id among the `REMEMBERED` newest events is refused. Only an entity that
    has had more events than that within the horizon can count a repetition of an older one.
    It is bounded: the newest events one by one, older ones summed by hop, none past the horizon.
    A state that another version of the code wrote, or that is damaged, is never misread.
"""

from dataclasses import dataclass, field
from functools import cache

import numpy as np
import numpy.typing as npt

from pipeline_code.features.definitions import SCHEMA_VERSION, Entity, features_of
from pipeline_code.features.folding import fold, join
from pipeline_code.features.plan import plan_of
from pipeline_code.features.schema import state_contract
from pipeline_code.features.state_text import StateError, read_text, write_text

__all__ = ["NO_EVENTS", "EntityState", "SourceState", "StateError", "events_of"]

Ints = npt.NDArray[np.int64]
PartialSums = tuple[Ints, Ints, Ints, Ints]

NO_EVENT_YET = np.iinfo(np.int64).min // 2
NO_EVENTS = np.empty((0, 3), np.int64)
NO_HOPS = np.empty((0, 4), np.int64)
# So many of an entity's newest events are stored one by one: an id among them never counts twice.
REMEMBERED = 512


def events_of(times: Ints, ids: Ints, amounts: Ints | None = None) -> Ints:
    """Events as a state takes them [k, 3]: time, id, amount (0 if omitted)."""
    events = np.zeros((len(times), 3), np.int64)
    events[:, 0], events[:, 1] = times, ids
    if amounts is not None:
        events[:, 2] = amounts
    return events


@dataclass(frozen=True, slots=True, eq=False)
class SourceState:
    """What is stored of one source (`pipeline_code.features.folding` says how)."""

    recent: Ints = field(default_factory=lambda: NO_EVENTS)
    hops: Ints = field(default_factory=lambda: NO_HOPS)


NOTHING = SourceState()


@cache
def _keeps(entity: Entity, version: str) -> tuple[bool, bool]:
    """Whether the entity's features need its transactions, and its fraud reports."""
    plan = plan_of(features_of(version))
    return plan.keeps(entity, reports=False), plan.keeps(entity, reports=True)


@cache
def _schedules(entity: Entity, version: str) -> tuple[Ints, Ints]:
    """How finely its transactions are stored, and its fraud reports."""
    plan = plan_of(features_of(version))
    return plan.schedule(entity, reports=False), plan.schedule(entity, reports=True)


@cache
def _contract(entity: Entity, version: str) -> bytes:
    return state_contract(entity, features_of(version))


@dataclass(frozen=True, slots=True, eq=False)
class EntityState:
    """One customer's or terminal's partial sums within the horizon of a version's features.

    EntityState(CUSTOMER).fold(events_of(times, ids, amounts)).encode()
    """

    entity: Entity
    newest: int = NO_EVENT_YET
    transactions: SourceState = NOTHING
    reports: SourceState = NOTHING
    version: str = SCHEMA_VERSION

    def fold(self, transactions: Ints, reports: Ints = NO_EVENTS) -> "EntityState":
        """The state with these events [k, 3] of the entity added, reports at their report time.

        Of a repeated id the earliest event stays, whichever came first. What is older than the
        horizon, counted back from the newest event ever folded, is dropped: no request can need it.
        """
        keeps_transactions, keeps_reports = _keeps(self.entity, self.version)
        transactions = transactions if keeps_transactions else NO_EVENTS
        reports = reports if keeps_reports else NO_EVENTS
        spent_for, reported_for = _schedules(self.entity, self.version)
        newest = self.newest
        for events in (transactions, reports):
            if len(events):
                newest = max(newest, int(events[:, 0].max()))
        return EntityState(
            self.entity,
            newest,
            _folded(self.transactions, transactions, newest, spent_for),
            _folded(self.reports, reports, newest, reported_for),
            self.version,
        )

    def merge(self, other: "EntityState") -> "EntityState":
        """The state of both ones' events; beyond the remembered ones they must be separate."""
        spent_for, reported_for = _schedules(self.entity, self.version)
        newest = max(self.newest, other.newest)
        return EntityState(
            self.entity,
            newest,
            _merged(self.transactions, other.transactions, newest, spent_for),
            _merged(self.reports, other.reports, newest, reported_for),
            self.version,
        )

    def partial_sums(self, request: Ints = NO_EVENTS, *, reports: bool = False) -> PartialSums:
        """The kernel's arrays of one stream; a request [1, 3] among them counts once."""
        kept = self.reports if reports else self.transactions
        sums: PartialSums = join(kept.recent, kept.hops, request)
        return sums

    @property
    def oldest(self) -> int:
        """The time of the oldest event, or of the hop that it is in."""
        firsts = [
            int(rows[0, 0])
            for kept in (self.transactions, self.reports)
            for rows in (kept.recent, kept.hops)
            if len(rows)
        ]
        return min(firsts, default=self.newest)

    @property
    def keeps_reports(self) -> bool:
        """Whether a report of the entity changes its state."""
        return _keeps(self.entity, self.version)[1]

    def encode(self) -> str:
        """The state as text for a String feature; equal states give equal text."""
        spent, reported = self.transactions, self.reports
        lists = spent.recent, spent.hops, reported.recent, reported.hops
        return write_text(_contract(self.entity, self.version), self.newest, lists)

    @classmethod
    def decode(
        cls, entity: Entity, text: str, owner: str, version: str = SCHEMA_VERSION
    ) -> "EntityState":
        """The state that `encode` wrote, for features of the same version.

        Raises:
            StateError: Another format, written for other features, or damaged; it names `owner`.
        """
        contract = _contract(entity, version)
        newest, (recent, hops, reported, reported_hops) = read_text(contract, text, owner)
        spent, told = SourceState(recent, hops), SourceState(reported, reported_hops)
        return cls(entity, newest, spent, told, version)


def _folded(kept: SourceState, events: Ints, newest: int, schedule: Ints) -> SourceState:
    return SourceState(*fold(kept.recent, kept.hops, events, newest, schedule, REMEMBERED))


def _merged(one: SourceState, other: SourceState, newest: int, schedule: Ints) -> SourceState:
    hops = np.concatenate([one.hops, other.hops])
    return SourceState(*fold(one.recent, hops, other.recent, newest, schedule, REMEMBERED))
