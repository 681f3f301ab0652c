"""Brings together what the lake, the offline store and the endpoint say of some requests."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline_code.features.definitions import ALLOWED_LATENESS, ENTITIES, Entity
from pipeline_code.features.events import EPOCH
from pipeline_code.features.plan import plan_of
from pipeline_code.features.store.records import Key
from pipeline_code.parity.audit import Audit, AuditOutcome, AuditResult, judge
from pipeline_code.parity.history import StateHistory, states_held
from pipeline_code.parity.lake import read_events
from pipeline_code.parity.objects import Folder
from pipeline_code.parity.requests import AuditedRequest

__all__ = ["Auditor"]


@dataclass(frozen=True, slots=True)
class Auditor:
    """Audits requests from one environment's stores.

    Auditor(lake, stores, timedelta(days=2)).audit(sample.rows).document()

    Args:
        lake: The raw lake.
        stores: Each entity's offline store.
        lookback: How far before the first request records are looked for.
    """

    lake: Folder
    stores: Mapping[Entity, Folder]
    lookback: timedelta

    def audit(self, rows: Collection[AuditedRequest]) -> Audit:
        """Judges every request.

        Raises:
            BadInput: A file cannot be read.
        """
        if not rows:
            return Audit()
        start = min(row.request.event_time for row in rows)
        held = self._held(rows, start - self.lookback)
        last = max([row.event_time for row in rows] + [each.last_event for each in held.values()])
        known = read_events(self.lake, list(held), start, EPOCH + timedelta(microseconds=last))
        judged = list(judge(rows, known, held))
        unsure = [each.row for each in judged if not _is_sure(each, held)]
        if unsure:
            held |= self._held(unsure, start - _longest_memory())
            again = {each.row: each for each in judge(unsure, known, held)}
            judged = [again.get(each.row, each) for each in judged]
        return Audit(judged)

    def _held(self, rows: Collection[AuditedRequest], since: datetime) -> dict[Key, StateHistory]:
        moments: dict[Entity, dict[Key, set[int]]] = {entity: {} for entity in ENTITIES}
        for row in rows:
            for key in row.keys:
                moments[key.entity].setdefault(key, set()).add(row.time)
        return {
            key: held
            for entity, store in self.stores.items()
            for key, held in states_held(store, entity, moments[entity], since).items()
        }


def _is_sure(judged: AuditResult, held: Mapping[Key, StateHistory]) -> bool:
    """Whether older records could not change the outcome."""
    return judged.outcome is AuditOutcome.EQUAL or all(
        held[key].knows(judged.row.time) for key in judged.row.keys
    )


def _longest_memory() -> timedelta:
    """How far before a request the event time of a record can be whose state still matters.

    A job that finds no record gives the first one a time before the oldest event that it knows.
    """
    reaches = [
        int(plan_of().schedule(entity, reports=reports)[-1])
        for entity in ENTITIES
        for reports in (False, True)
    ]
    return timedelta(microseconds=2 * max(reaches)) + ALLOWED_LATENESS
