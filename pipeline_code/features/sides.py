"""One entity's side of the features: the totals of its events, for each of its rows.

A row has two sides, its terminal's and its customer's. Batch and Spark bring the rows of whole
entities together, for one side after the other, and hand them to this module. What came before the
rows may also be given as the states that are stored of it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from pipeline_code.common.exits import BadInput
from pipeline_code.features.definitions import CUSTOMER, TERMINAL, Entity
from pipeline_code.features.events import NO_REPORTS, Reports, Transactions
from pipeline_code.features.folding import join
from pipeline_code.features.grouping import grouped, repetitions
from pipeline_code.features.kernel import carry, combine, group_totals, recall
from pipeline_code.features.plan import Plan
from pipeline_code.features.state import NO_EVENTS, EntityState, events_of

__all__ = ["CustomerFeatures", "States", "all_features", "customer_features", "terminal_totals"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
# By entity: what is stored of events before the rows, which may be among them again.
States = Mapping[int, EntityState]

# Rows whose totals are in memory at once: few enough for the processor's cache.
BLOCK_ROWS = 1 << 14


@dataclass(frozen=True, slots=True, eq=False)
class CustomerFeatures:
    """Features of whole customers' transactions, in order of time within each customer.

    Attributes:
        rows: Which of the given transactions each column is of; repetitions are left out.
        features: A row a feature, a column a transaction.
        repeated: How many transactions were left out because they repeat another one.
    """

    rows: Ints
    features: Floats
    repeated: int


def terminal_totals(
    rows: Transactions, reports: Reports, plan: Plan, states: States | None = None
) -> tuple[Ints, Ints]:
    """The terminals' totals, terminal by terminal and in order of time.

    Args:
        rows: All transactions of some terminals.
        reports: All fraud reports of those terminals; of others there may be some.
        plan: Which totals.
        states: What came before. If given, all reports are in it, and none may be given.

    Returns:
        Which transaction comes where, and in that order a row of totals (`Plan.indices`) for each.
    """
    side = _Side(TERMINAL, rows, reports, plan, states)
    indices = plan.indices(TERMINAL)
    totals = np.empty((len(rows), len(indices)), np.int64)
    for low, high, operands in side.blocks():
        carry(operands, indices, totals, low, high)
    return side.order, totals


def customer_features(
    rows: Transactions, reports: Reports, totals: Ints, plan: Plan, states: States | None = None
) -> CustomerFeatures:
    """Every feature of each transaction of some customers.

    Args:
        rows: All transactions of some customers.
        reports: All fraud reports of those customers; of others there may be some.
        totals: The transactions' rows of `terminal_totals`, in the order of the transactions.
        plan: Which features.
        states: What came before. If given, all reports are in it, and none may be given.

    Raises:
        BadInput: Two transactions of a customer have one id and differ.
    """
    side = _Side(CUSTOMER, rows, reports, plan, states)
    side.refuse_conflicts(rows)
    indices = plan.indices(TERMINAL)
    features = np.empty((len(plan.features), len(rows)), np.float32)
    for low, high, operands in side.blocks():
        recall(totals, side.order[low:high], indices, operands)
        amounts, times = side.amounts[low:high], side.times[low:high]
        combine(operands, amounts, times, plan.formulas, features, low)
    if not side.repeated.any():
        return CustomerFeatures(side.order, features, 0)
    once = np.flatnonzero(~side.repeated)
    return CustomerFeatures(side.order[once], features[:, once], int(side.repeated.sum()))


def all_features(rows: Transactions, reports: Reports, plan: Plan) -> CustomerFeatures:
    """Every feature of each transaction, where all customers and terminals are in memory.

    Raises:
        BadInput: Two transactions of a customer have one id and differ.
    """
    order, totals = terminal_totals(rows, reports, plan)
    in_place = np.empty_like(totals)
    in_place[order] = totals
    return customer_features(rows, reports, in_place, plan)


@dataclass(frozen=True, slots=True, eq=False)
class _Events:
    """Partial sums of one stream, entity by entity in order of time; an event is one of one."""

    starts: Ints
    times: Ints
    counts: Ints
    sums: Ints
    largest: Ints

    @classmethod
    def of(cls, starts: Ints, times: Ints, amounts: Ints) -> Self:
        return cls(starts, times, np.ones(len(times), np.int64), amounts, amounts)

    @classmethod
    def joined(cls, parts: list[tuple[Ints, Ints, Ints, Ints]]) -> Self:
        starts = np.cumsum([0, *(len(part[0]) for part in parts)], dtype=np.int64)
        columns = [np.concatenate([np.empty(0, np.int64), *of]) for of in zip(*parts, strict=True)]
        return cls(starts, *columns) if parts else cls.of(starts, *np.empty((2, 0), np.int64))

    def where(self, wanted: npt.NDArray[np.bool_]) -> "_Events":
        """Some of the events."""
        before = np.concatenate([[0], np.cumsum(wanted)])
        return _Events.of(before[self.starts], self.times[wanted], self.sums[wanted])


class _Side:
    """Transactions and fraud reports, put together by entity.

    Attributes:
        order: Which transaction comes where.
        times, amounts: The transactions' own, in that order.
        repeated: Which of them repeat an earlier one of their entity, and count no second time.
    """

    def __init__(
        self,
        entity: Entity,
        rows: Transactions,
        reports: Reports,
        plan: Plan,
        before: States | None,
    ) -> None:
        self._entity, self._plan = entity, plan
        self.order, self._starts, names = grouped(rows.owners(entity), rows.times, rows.ids)
        self.times, self.amounts = rows.times[self.order], rows.amounts[self.order]
        self._ids = rows.ids[self.order]
        self.repeated = repetitions(self._starts, self._ids)
        if before is not None:
            assert reports is NO_REPORTS  # noqa: S101 - which would count twice
            self._transactions, self._reports = self._after(before, names)
            return
        events = _Events.of(self._starts, self.times, self.amounts)
        self._transactions = events.where(~self.repeated) if self.repeated.any() else events
        self._reports = _aligned(reports, entity, names)

    def _after(self, states: States, names: Ints) -> tuple[_Events, _Events]:
        """What the states tell of both streams, these rows added as if folded into them."""
        nothing, once = EntityState(self._entity), ~self.repeated
        spent, reported = [], []
        for group, name in enumerate(names.tolist()):
            mine = slice(self._starts[group], self._starts[group + 1])
            rows = events_of(self.times[mine], self._ids[mine], self.amounts[mine])[once[mine]]
            state = states.get(name, nothing)
            known = state.transactions.recent
            # An event that was folded before counts once, as it was then.
            recent = np.concatenate([known, rows[~np.isin(rows[:, 1], known[:, 1])]])
            recent = recent[np.lexsort((recent[:, 1], recent[:, 0]))]
            spent.append(join(recent, state.transactions.hops, NO_EVENTS))
            reported.append(state.partial_sums(reports=True))
        return _Events.joined(spent), _Events.joined(reported)

    def blocks(self) -> Iterator[tuple[int, int, Ints]]:
        """First column, end, and operands of so many columns, this side's totals filled in.

        The operands are overwritten for the next block.
        """
        groups = len(self._starts) - 1
        widest = int(np.diff(self._starts).max(initial=0))
        operands = np.zeros((len(self._plan.operands), BLOCK_ROWS + widest), np.int64)
        first = 0
        while first < groups:
            low = int(self._starts[first])
            last = int(np.searchsorted(self._starts, low + BLOCK_ROWS))
            last = min(last, groups)
            self._write_totals(operands, first, last)
            yield low, int(self._starts[last]), operands
            first = last

    def refuse_conflicts(self, rows: Transactions) -> None:
        """Raises BadInput if a repetition is not the same transaction again."""
        for index in np.flatnonzero(self.repeated).tolist():
            group = int(np.searchsorted(self._starts, index, "right")) - 1
            start = int(self._starts[group])
            original = start + int((self._ids[start:index] == self._ids[index]).argmax())
            one, other = (rows.take(self.order[at : at + 1]) for at in (original, index))
            if (one.times, one.terminals, one.amounts) != (
                other.times,
                other.terminals,
                other.amounts,
            ):
                raise BadInput(
                    "transaction_id must name one transaction, got one twice for a customer with "
                    "another time, terminal or amount; remove the wrong one, which the data check "
                    "finds by file and row"
                )

    def _write_totals(self, operands: Ints, first: int, last: int) -> None:
        for reports, events in ((False, self._transactions), (True, self._reports)):
            group_totals(
                events.starts,
                events.times,
                events.counts,
                events.sums,
                events.largest,
                self._starts,
                self.times,
                self._plan.windows(self._entity, reports=reports),
                operands,
                first,
                last,
            )


def _aligned(reports: Reports, entity: Entity, names: Ints) -> _Events:
    """The reports of the named entities, in the order of the names; none for most of them."""
    reports = reports.timely()
    order, starts, reported = grouped(reports.owners(entity), reports.times, reports.ids)
    # Sorted by time within an entity, so the first of an id is its earliest report.
    kept = ~repetitions(starts, reports.ids[order])
    indices = np.searchsorted(names, reported)
    known = indices < len(names)
    known[known] = names[indices[known]] == reported[known]
    group = np.repeat(np.arange(len(reported)), np.diff(starts))
    kept &= known[group]
    counts = np.bincount(indices[group[kept]] + 1, minlength=len(names) + 1)
    times = reports.times[order[kept]]
    return _Events.of(np.cumsum(counts), times, np.zeros(len(times), np.int64))
