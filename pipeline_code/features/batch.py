"""The batch driver: features of many transactions at once, from all events."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline_code.common.schema import UTC_MICROSECONDS
from pipeline_code.features.definitions import CUSTOMER, FEATURES, TERMINAL
from pipeline_code.features.events import Reports, Transactions, streams
from pipeline_code.features.kernel import Queries, evaluate, window_totals

__all__ = ["compute"]


def compute(
    transactions: pa.Table, reports: pa.Table, *, wanted: npt.NDArray[np.bool_] | None = None
) -> pa.Table:
    """The features of every transaction, each as of its own event time.

    Args:
        transactions: The lake's transactions, in any order.
        reports: The lake's fraud reports; one counts from its report time on.
        wanted: Which transactions to answer for; all others still count as events. If omitted, all.

    Returns:
        transaction_id, event_time, customer_id, terminal_id and a float64 column per feature, in
        the order of `transactions`.

    Raises:
        BadInput: A value is missing, or a transaction id comes twice.
    """
    events = Transactions.from_table(transactions)
    events.refuse_repeated()
    rows = np.arange(len(events.ids)) if wanted is None else np.flatnonzero(wanted)
    times, amounts = events.times[rows], events.amounts[rows]
    totals = window_totals(
        streams(events, Reports.from_table(reports)),
        {
            CUSTOMER: Queries(events.customers[rows], times),
            TERMINAL: Queries(events.terminals[rows], times),
        },
    )
    columns = {
        "transaction_id": pa.array(events.ids[rows]),
        "event_time": pa.array(times).cast(UTC_MICROSECONDS),
        "customer_id": pa.array(events.customers[rows]),
        "terminal_id": pa.array(events.terminals[rows]),
    }
    for feature in FEATURES:
        columns[feature.name] = pa.array(evaluate(feature, totals, amounts, times))
    return pa.table(columns)
