"""The online driver: one request's features from two states and the request itself."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pipeline_code.features.definitions import CUSTOMER, TERMINAL, Entity
from pipeline_code.features.events import Transaction, epoch_microseconds
from pipeline_code.features.folding import add_kept_totals
from pipeline_code.features.kernel import combine
from pipeline_code.features.plan import Plan, plan_of
from pipeline_code.features.state import NO_EVENTS, EntityState

__all__ = ["stored_values", "vector"]

# Which state, the windows over one of its streams, and whether that is the one of reports.
Table = tuple[int, npt.NDArray[np.int64], bool]

_UNKNOWN = {entity: EntityState(entity) for entity in (CUSTOMER, TERMINAL)}


def vector(
    customer: EntityState | None, terminal: EntityState | None, transaction: Transaction
) -> list[float]:
    """The request's features in the order of FEATURE_NAMES, bit-equal to batch.

    Args:
        customer: The state of the transaction's customer; None if nothing is known of it.
        terminal: The state of its terminal; None if nothing is known of it.
        transaction: The request. It counts as an event itself, once, folded before or not.

    Raises:
        ValueError: Its time has no time zone.
    """
    time = epoch_microseconds(transaction.event_time)
    request = np.array([[time, transaction.transaction_id, transaction.amount_minor]], np.int64)
    known = (
        _UNKNOWN[CUSTOMER] if customer is None else customer,
        _UNKNOWN[TERMINAL] if terminal is None else terminal,
    )
    return _evaluated(plan_of(), _TABLES, known, request, time, transaction.amount_minor)


def stored_values(state: EntityState, time: int, plan: Plan) -> list[float]:
    """Features of one entity alone, as of a time and without a request, in the plan's order."""
    return _evaluated(plan, _tables(plan, (state.entity,)), (state,), NO_EVENTS, time, 0)


def _evaluated(
    plan: Plan,
    tables: Sequence[Table],
    states: tuple[EntityState, ...],
    request: npt.NDArray[np.int64],
    time: int,
    amount: int,
) -> list[float]:
    operands = np.zeros((len(plan.operands), 1), np.int64)
    features = np.empty((len(plan.features), 1), np.float32)
    asked, amounts = np.array([time], np.int64), np.array([amount], np.int64)
    for index, windows, reports in tables:
        state = states[index]
        kept, event = (state.reports, NO_EVENTS) if reports else (state.transactions, request)
        add_kept_totals(kept.recent, kept.hops, event, asked, windows, operands)
    combine(operands, amounts, asked, plan.formulas, features, 0)
    values: list[float] = features[:, 0].tolist()
    return values


def _tables(plan: Plan, entities: Sequence[Entity]) -> Sequence[Table]:
    return [
        (index, plan.windows(entity, reports=reports), reports)
        for index, entity in enumerate(entities)
        for reports in (False, True)
        if plan.keeps(entity, reports=reports)
    ]


# Asked with every request, for microseconds in all.
_TABLES = _tables(plan_of(), (CUSTOMER, TERMINAL))
