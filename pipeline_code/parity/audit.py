"""Judges what the endpoint answered: equal to batch, late, degraded, or a defect.

Of each captured request there are three vectors:

    answered   what the endpoint answered
    stored     what the state says that it had then, by the offline store
    batch      what training computes for it, from the raw lake

They ought to be one. If the response is not batch's, it is `late` if it is the stored state's, that
state is exactly the lake's events without some, and those have come since: they had not arrived
when the request was answered. All else is a defect.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline_code.features.definitions import FEATURE_NAMES
from pipeline_code.features.events import Transaction
from pipeline_code.features.online import vector
from pipeline_code.features.state import EntityState
from pipeline_code.features.store.records import Key
from pipeline_code.parity.arrived import arrived, lacks
from pipeline_code.parity.history import StateHistory
from pipeline_code.parity.lake import KnownEvents
from pipeline_code.parity.requests import AuditedRequest

__all__ = ["Audit", "AuditOutcome", "AuditResult", "judge"]

Vector = npt.NDArray[np.float64]
State = EntityState | None


class AuditOutcome(StrEnum):
    """What became of one request."""

    EQUAL = "the answer is batch's"
    LATE = "an event had not arrived when the request was answered"
    DEGRADED = "the endpoint could not read a state, and said so"
    # The rest are defects.
    ANSWER = "the answer is not what the stored state says"
    STATE = "the stored state is not made of the lake's events"
    LOST = "an event of the lake is in no stored state"

    @property
    def is_defect(self) -> bool:
        """Whether an operator has to mend something."""
        return self in (AuditOutcome.ANSWER, AuditOutcome.STATE, AuditOutcome.LOST)


@dataclass(frozen=True, slots=True, eq=False)
class AuditResult:
    """One request's outcome.

    Attributes:
        row: The request.
        batch: Batch's vector.
        outcome: What became of it.
        confirmed: Whether the response is also what the offline store says; not, if the record is
            older than was looked for.
    """

    row: AuditedRequest
    batch: Vector
    outcome: AuditOutcome
    confirmed: bool

    def document(self) -> dict[str, Any]:
        """The difference, for the report."""
        unequal = np.flatnonzero(self.row.answered != self.batch)
        index = int(unequal[0]) if len(unequal) else None
        return {
            "transaction_id": self.row.request.transaction_id,
            "event_time": self.row.request.event_time.isoformat(),
            "outcome": self.outcome.name.lower(),
            "reason": self.outcome.value,
            "feature": None if index is None else FEATURE_NAMES[index],
            "answered": None if index is None else float(self.row.answered[index]),
            "batch": None if index is None else float(self.batch[index]),
        }


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit found.

    Attributes:
        judged: Every request, in the order of event times.
    """

    judged: list[AuditResult] = field(default_factory=list)

    @property
    def differences(self) -> list[AuditResult]:
        """The requests that are not equal."""
        return [each for each in self.judged if each.outcome is not AuditOutcome.EQUAL]

    def document(self) -> dict[str, Any]:
        """The counts, for the report and for metrics."""
        counts = Counter(each.outcome for each in self.judged)
        differences = self.differences
        return {
            "rows": len(self.judged),
            "mismatches": len(differences),
            "late": counts[AuditOutcome.LATE],
            "degraded": counts[AuditOutcome.DEGRADED],
            "defects": sum(each.outcome.is_defect for each in self.judged),
            "confirmed": sum(each.confirmed for each in self.judged),
            "first_difference": differences[0].document() if differences else None,
        }


def judge(
    rows: Collection[AuditedRequest], known: KnownEvents, held: Mapping[Key, StateHistory]
) -> Iterator[AuditResult]:
    """Judges each request, in the order of event times.

    Args:
        rows: Captured requests.
        known: The lake's events of their customers and terminals.
        held: What the online store may have held of those.
    """
    batch = known.batch(rows)
    ids = {row: row.request.transaction_id for row in rows}
    for row in sorted(rows, key=lambda row: (row.event_time, ids[row])):
        expected = batch[ids[row]] if ids[row] in batch else known.alone(row)
        yield _judge(row, expected, known, [held[key] for key in row.keys])


def _judge(
    row: AuditedRequest, expected: Vector, known: KnownEvents, held: list[StateHistory]
) -> AuditResult:
    answering = [
        states
        for states in product(*(each.states(row.time) for each in held))
        if np.array_equal(_vector(states, row.request), row.answered)
    ]
    equal = np.array_equal(expected, row.answered)
    found = all(each.knows(row.time) for each in held)
    if not answering and (found or not equal):
        outcome = AuditOutcome.DEGRADED if _is_degraded(row, held) else AuditOutcome.ANSWER
        return AuditResult(row, expected, outcome, confirmed=False)
    if equal:
        return AuditResult(row, expected, AuditOutcome.EQUAL, confirmed=bool(answering) and found)
    outcome = _explained(row, known, held, answering)
    return AuditResult(row, expected, outcome, confirmed=outcome is AuditOutcome.LATE)


def _is_degraded(row: AuditedRequest, held: list[StateHistory]) -> bool:
    """Whether the response says that a state was not read, and is what comes of that.

    One of the two may have been known all the same, from the endpoint's cache.
    """
    return row.degraded and any(
        np.array_equal(_vector(states, row.request), row.answered)
        for states in product(*([*each.states(row.time), None] for each in held))
    )


def _explained(
    row: AuditedRequest,
    known: KnownEvents,
    held: list[StateHistory],
    answering: Iterable[tuple[State, ...]],
) -> AuditOutcome:
    """Why a response that is its states' is not batch's."""
    for states in answering:
        made = tuple(
            EntityState(key.entity).fold(*arrived(known.events(key), state))
            for key, state in zip(row.keys, states, strict=True)
        )
        if np.array_equal(_vector(made, row.request), row.answered):
            lost = any(
                _missing(known, each, state, row.event_time)
                for each, state in zip(held, states, strict=True)
            )
            return AuditOutcome.LOST if lost else AuditOutcome.LATE
    return AuditOutcome.STATE


def _vector(states: tuple[State, ...], request: Transaction) -> Vector:
    customer, terminal = states
    return np.array(vector(customer, terminal, request), np.float64)


def _missing(known: KnownEvents, held: StateHistory, state: State, time: int) -> bool:
    """Whether the lake has an event that the state lacked and that has not come since either."""
    newest = None if held.newest is None else held.newest.state(held.key)
    events = known.events(held.key)
    then, now = (lacks(held.key.entity, events, each, time) for each in (state, newest))
    return any(np.isin(had, has).any() for had, has in zip(then, now, strict=True))
