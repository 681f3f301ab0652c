"""The features of many new transactions after the states of all events before them.

What the online driver answers one by one, in one go and with the batch driver's code: a state is
partial sums, and so is an event.
"""

from collections.abc import Callable, Collection, Iterator

import numpy as np
import numpy.typing as npt

from pipeline_code.features.definitions import CUSTOMER, TERMINAL, Entity
from pipeline_code.features.events import NO_REPORTS, Transactions
from pipeline_code.features.grouping import shard_of
from pipeline_code.features.plan import plan_of
from pipeline_code.features.sides import States, customer_features, terminal_totals

__all__ = ["SHARD_ROWS", "StatesOf", "features_after"]

Ints = npt.NDArray[np.int64]
# The states of some customers or terminals; those of which nothing is known are left out.
StatesOf = Callable[[Entity, Collection[int]], States]

# A shard's states are in memory at once, and a state is larger than a row.
SHARD_ROWS = 50_000


def features_after(
    rows: Transactions, states_of: StatesOf, *, shard_rows: int = SHARD_ROWS
) -> Iterator[tuple[Ints, npt.NDArray[np.float32]]]:
    """The features of transactions, each after its entities' states and the rows before it.

    Bit-equal to asking the online driver row by row in order of time and folding each row into the
    states, as long as no row is older than its state's newest event by more than ALLOWED_LATENESS.

    Args:
        rows: New transactions, each once; one that a state remembers counts no second time.
        states_of: Asked once for each shard of whole terminals, and of whole customers.
        shard_rows: About so many rows are in one shard.

    Yields:
        Places among the rows, and the features at those, a row a feature.
    """
    plan, shards = plan_of(), max(-(-len(rows) // shard_rows), 1)
    totals = np.empty((len(rows), len(plan.indices(TERMINAL))), np.int64)
    for indices in _shards(rows.terminals, shards):
        some = rows.take(indices)
        known = states_of(TERMINAL, np.unique(some.terminals).tolist())
        order, of_shard = terminal_totals(some, NO_REPORTS, plan, known)
        totals[indices[order]] = of_shard
    for indices in _shards(rows.customers, shards):
        some = rows.take(indices)
        known = states_of(CUSTOMER, np.unique(some.customers).tolist())
        answer = customer_features(some, NO_REPORTS, totals[indices], plan, known)
        yield indices[answer.rows], answer.features


def _shards(owners: Ints, shards: int) -> Iterator[Ints]:
    dealt = shard_of(owners, shards)
    for shard in range(shards):
        indices = np.flatnonzero(dealt == shard)
        if len(indices):
            yield indices
