"""The online driver: one request's features from two states and the request itself."""

from pipeline_code.features.definitions import CUSTOMER, FEATURES, TERMINAL
from pipeline_code.features.events import NO_REPORTS, Reports, Transaction, Transactions
from pipeline_code.features.kernel import Queries, evaluate, window_totals
from pipeline_code.features.state import EntityState

__all__ = ["fold", "vector"]


def fold(
    state: EntityState, transactions: Transactions, reports: Reports = NO_REPORTS
) -> EntityState:
    """The state with the events added; all of them must be of the state's own entity."""
    return state.fold(
        ids=transactions.ids,
        times=transactions.times,
        amounts=transactions.amounts,
        report_ids=reports.ids,
        report_times=reports.times,
    )


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
    request = Transactions.one(transaction)
    known_customer = EntityState.empty(CUSTOMER) if customer is None else customer
    known_terminal = EntityState.empty(TERMINAL) if terminal is None else terminal
    known_customer = known_customer.with_request(
        request.ids, times=request.times, amounts=request.amounts
    )
    totals = window_totals(
        known_customer.streams(transaction.customer_id)
        | known_terminal.streams(transaction.terminal_id),
        {
            CUSTOMER: Queries(request.customers, request.times),
            TERMINAL: Queries(request.terminals, request.times),
        },
    )
    return [
        float(evaluate(feature, totals, request.amounts, request.times)[0]) for feature in FEATURES
    ]
