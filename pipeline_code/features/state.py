"""What the online store keeps of an entity: its recent events, not its features.

A stored feature goes stale as its window slides; from stored events any later moment can be asked.

Guarantees:
    Folding is order-free: the same events in any order and any batches leave the same state.
    An event counts once: repeated ids are refused within the horizon, older events are dropped.
    A state that another version of the code wrote, or that is damaged, is never misread.
"""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache

import numpy as np

from pipeline_code.features.definitions import FEATURES, Entity, Measure, Stream, Total, horizon
from pipeline_code.features.events import first_of_each, stream_events
from pipeline_code.features.kernel import Events, Ints, microseconds
from pipeline_code.features.state_text import Header, StateError, read_text, write_text

__all__ = ["EntityState", "StateError", "StateTooLargeError"]

# Feature Store's limit of a String value, in bytes.
LARGEST_TEXT = 350 * 1024
NO_EVENT_YET = np.iinfo(np.int64).min // 2
EMPTY = np.empty(0, np.int64)
EMPTY.flags.writeable = False


class StateTooLargeError(StateError):
    """An entity has more recent events than a record can hold."""


def _nothing() -> Ints:
    return EMPTY


@cache
def _totals_of(entity: Entity) -> list[Total]:
    return [total for feature in FEATURES for total in feature.totals if total.entity == entity]


@dataclass(frozen=True, slots=True)
class _Kept:
    """Which columns an entity's features need; the others are not stored."""

    transactions: bool
    amounts: bool
    reports: bool


@cache
def _kept(entity: Entity) -> _Kept:
    totals = _totals_of(entity)
    return _Kept(
        transactions=any(total.stream is not Stream.REPORTS for total in totals),
        amounts=any(total.measure is Measure.AMOUNT for total in totals),
        reports=any(total.stream is Stream.REPORTS for total in totals),
    )


@dataclass(frozen=True, slots=True, eq=False)
class EntityState:
    """One customer's or terminal's events within the horizon, ordered by time and id.

    EntityState.empty(CUSTOMER).fold(ids=..., times=..., amounts=...).encode("customer 7")
    """

    entity: Entity
    newest: int = NO_EVENT_YET
    ids: Ints = field(default_factory=_nothing)
    times: Ints = field(default_factory=_nothing)
    amounts: Ints = field(default_factory=_nothing)
    report_ids: Ints = field(default_factory=_nothing)
    report_times: Ints = field(default_factory=_nothing)

    @classmethod
    def empty(cls, entity: Entity) -> "EntityState":
        """The state of an entity of which nothing is known."""
        return cls(entity)

    def fold(
        self,
        *,
        ids: Ints = EMPTY,
        times: Ints = EMPTY,
        amounts: Ints = EMPTY,
        report_ids: Ints = EMPTY,
        report_times: Ints = EMPTY,
    ) -> "EntityState":
        """The state with these transactions and reports of the entity added.

        Of a repeated id the earliest row stays, whichever came first. What is older than the
        horizon, counted back from the newest event ever folded, is dropped: no request can need it.
        """
        kept = _kept(self.entity)
        newest = max([self.newest, *(int(new.max()) for new in (times, report_times) if len(new))])
        oldest = newest - microseconds(horizon(self.entity))
        if not kept.transactions:
            ids = times = amounts = EMPTY
        if not kept.amounts:
            amounts = np.zeros(len(ids), np.int64)
        if not kept.reports:
            report_ids = report_times = EMPTY
        return EntityState(
            self.entity,
            newest,
            *_merged(oldest, (self.ids, ids), (self.times, times), (self.amounts, amounts)),
            *_merged(oldest, (self.report_ids, report_ids), (self.report_times, report_times)),
        )

    def with_request(self, ids: Ints, *, times: Ints, amounts: Ints) -> "EntityState":
        """The events and one request among them, whatever its age; itself if it was folded."""
        if (self.ids == ids).any():
            return self
        return replace(
            self,
            ids=np.concatenate([self.ids, ids]),
            times=np.concatenate([self.times, times]),
            amounts=np.concatenate([self.amounts, amounts]),
        )

    def encode(self, owner: str) -> str:
        """The state as text for a String feature; equal states give equal text.

        Raises:
            StateTooLargeError: The text would be longer than Feature Store takes; it names `owner`.
        """
        header = Header(
            horizon_seconds=horizon(self.entity) // timedelta(seconds=1),
            newest=self.newest,
            transactions=len(self.ids),
            reports=len(self.report_ids),
        )
        columns = [_steps(self.times), self.ids]
        columns += [self.amounts] if _kept(self.entity).amounts else []
        columns += [_steps(self.report_times), self.report_ids]
        text = write_text(header, columns)
        if len(text) > LARGEST_TEXT:
            raise StateTooLargeError(
                f"state of {owner} must be at most {LARGEST_TEXT} bytes, got {len(text)} for "
                f"{len(self.ids)} transactions in {horizon(self.entity).days} days; "
                "exclude that entity or shorten the features' windows"
            )
        return text

    @classmethod
    def decode(cls, entity: Entity, text: str, owner: str) -> "EntityState":
        """The state that `encode` wrote.

        Raises:
            StateError: Another format or a shorter horizon than the features need, or damaged.
        """
        has_amounts = _kept(entity).amounts
        header, columns = read_text(text, owner, columns_of_transactions=3 if has_amounts else 2)
        if header.horizon_seconds < horizon(entity) // timedelta(seconds=1):
            raise StateError(
                f"state of {owner} must reach back {horizon(entity).days} days, got "
                f"{timedelta(seconds=header.horizon_seconds).days}; run `features` to write it anew"
            )
        times, ids, *amounts = columns[:-2]
        return cls(
            entity,
            header.newest,
            ids,
            np.cumsum(times),
            amounts[0] if has_amounts else np.zeros(len(ids), np.int64),
            columns[-1],
            np.cumsum(columns[-2]),
        )

    @property
    def keeps_reports(self) -> bool:
        """Whether a report of the entity changes its state."""
        return _kept(self.entity).reports

    def streams(self, entity_id: int) -> dict[tuple[Entity, Stream], Events]:
        """The entity's streams, for the kernel."""
        used = dict.fromkeys(total.stream for total in _totals_of(self.entity))
        return {(self.entity, stream): self._stream(stream, entity_id) for stream in used}

    def _stream(self, stream: Stream, entity_id: int) -> Events:
        times = self.report_times if stream is Stream.REPORTS else self.times
        owners = np.full(len(times), entity_id, np.int64)
        return stream_events(stream, owners=owners, times=times, amounts=self.amounts)


def _merged(oldest: int, *pairs: tuple[Ints, Ints]) -> tuple[Ints, ...]:
    """Columns (ids, times, others), old and new together: each id once, none too old, in order."""
    (old_ids, new_ids), (old_times, _), *_ = pairs
    if len(new_ids) == 0 and (len(old_ids) == 0 or old_times[0] >= oldest):
        return tuple(old for old, _ in pairs)
    ids, times, *others = (np.concatenate(pair) for pair in pairs)
    rows = first_of_each(ids, times, *others)
    rows = rows[times[rows] >= oldest]
    rows = rows[np.lexsort((ids[rows], times[rows]))]
    return tuple(column[rows] for column in (ids, times, *others))


def _steps(times: Ints) -> Ints:
    steps = times.copy()
    steps[1:] -= times[:-1]
    return steps
