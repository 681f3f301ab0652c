"""The batch driver in memory: features of a table of transactions, from all events.

`pipeline_code.features.sharded` is the same for files of any size.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline_code.common.schema import UTC_MICROSECONDS
from pipeline_code.features.definitions import FEATURE_NAMES
from pipeline_code.features.events import Reports, Transactions
from pipeline_code.features.plan import plan_of
from pipeline_code.features.sides import all_features

__all__ = ["FEATURE_ROWS", "compute", "feature_table"]

# What every driver answers: who and when, then the features in their order.
FEATURE_ROWS = pa.schema(
    [
        ("transaction_id", pa.int64()),
        ("event_time", UTC_MICROSECONDS),
        ("customer_id", pa.int64()),
        ("terminal_id", pa.int64()),
        *((name, pa.float32()) for name in FEATURE_NAMES),
    ]
)


def compute(
    transactions: pa.Table, reports: pa.Table, *, wanted: npt.NDArray[np.bool_] | None = None
) -> pa.Table:
    """The features of every transaction, each as of its own event time.

    Args:
        transactions: The lake's transactions, in any order. One that comes again counts once.
        reports: The lake's fraud reports; one counts from its report time on.
        wanted: Which transactions to answer for; all others still count as events. If omitted, all.

    Returns:
        FEATURE_ROWS, in the order of `transactions`, without the repetitions.

    Raises:
        BadInput: A value is missing, or an id names two different transactions of a customer.
    """
    rows, reported = Transactions.from_table(transactions), Reports.from_table(reports)
    answer = all_features(rows, reported, plan_of())
    order = np.argsort(answer.rows)
    if wanted is not None:
        order = order[wanted[answer.rows[order]]]
    return feature_table(rows.take(answer.rows[order]), answer.features[:, order])


def feature_table(rows: Transactions, features: npt.NDArray[np.float32]) -> pa.Table:
    """Transactions and their features [a row a feature] as FEATURE_ROWS."""
    times = pa.array(rows.times).cast(UTC_MICROSECONDS)
    columns = [rows.ids, times, rows.customers, rows.terminals, *features]
    return pa.table(list(map(pa.array, columns)), schema=FEATURE_ROWS)
