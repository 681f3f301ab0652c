"""Replays a file through the online driver's own code and compares every vector with batch.

Each transaction of the file is asked about at its own time, from the states that its customer and
its terminal have by then (`pipeline_code.parity.arrivals`), kept as they are stored: as text.
"""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from random import Random

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline_code.common.exits import BadInput
from pipeline_code.features.batch import compute
from pipeline_code.features.definitions import CUSTOMER, FEATURE_NAMES, TERMINAL
from pipeline_code.features.events import EPOCH, Reports, Transaction, Transactions
from pipeline_code.features.online import vector
from pipeline_code.features.plan import microseconds, plan_of
from pipeline_code.features.sides import all_features
from pipeline_code.parity.arrivals import Arrivals

__all__ = ["Difference", "Parity", "replay"]

Ints = npt.NDArray[np.int64]

LONGEST_DELAY = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Where an online vector differs from the batch vector: the first feature that does."""

    transaction_id: int
    feature: str
    batch: float
    online: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """What a comparison found.

    Attributes:
        rows: Requests compared.
        mismatches: Those of them whose vectors differ in any bit.
        repeated_events: Events that were sent again.
        first_difference: Of the earliest request that differs.
    """

    rows: int = 0
    mismatches: int = 0
    repeated_events: int = 0
    first_difference: Difference | None = None

    def __add__(self, other: "Parity") -> "Parity":
        return Parity(
            rows=self.rows + other.rows,
            mismatches=self.mismatches + other.mismatches,
            repeated_events=self.repeated_events + other.repeated_events,
            first_difference=self.first_difference or other.first_difference,
        )


def replay(
    transactions: pa.Table,
    reports: pa.Table,
    *,
    late_share: float = 0.0,
    seed: int = 7,
    processes: int | None = None,
) -> Parity:
    """Compares every transaction's online vector with its batch vector.

    Args:
        transactions: The lake's transactions.
        reports: The lake's fraud reports.
        late_share: So many of the reports come up to 30 days later than they say, for both.
        seed: Of all that is random.
        processes: How many work at once, each on some customers. If omitted, one a core.

    Raises:
        BadInput: A value is missing, or one id names two transactions.
    """
    rows, known = Transactions.from_table(transactions), Reports.from_table(reports)
    rows = rows.take(_once(rows, compute(transactions, reports)["transaction_id"].to_numpy()))
    known = _delayed(known, late_share, seed)
    share = partial(_replay_share, rows=rows, reports=known, seed=seed)
    shares = processes or multiprocessing.cpu_count()
    if shares == 1:
        return share((0, 1))
    with ProcessPoolExecutor(shares, multiprocessing.get_context("spawn")) as pool:
        return sum(pool.map(share, [(one, shares) for one in range(shares)]), Parity())


def _replay_share(
    share: tuple[int, int], *, rows: Transactions, reports: Reports, seed: int
) -> Parity:
    """Asks about every so manyth customer; their terminals see everybody's events."""
    index, shares = share
    expected = features_of(rows, reports)
    asked = np.flatnonzero(rows.customers % shares == index)
    asked = asked[np.lexsort((rows.ids[asked], rows.times[asked]))]
    random = Random(f"{seed} {index}")  # noqa: S311 - it has to be repeatable
    customers = Arrivals(CUSTOMER, rows, reports, random)
    terminals = Arrivals(TERMINAL, rows, reports, random)
    mismatches, first = 0, None
    for row in asked.tolist():
        request = _request(rows, row)
        time = int(rows.times[row])
        states = (
            customers.state(request.customer_id, time, request.transaction_id),
            terminals.state(request.terminal_id, time, request.transaction_id),
        )
        online = np.array(vector(*states, request), np.float32)
        if not np.array_equal(online, expected[row]):
            mismatches += 1
            first = first or _difference(request.transaction_id, expected[row], online)
    return Parity(
        rows=len(asked),
        mismatches=mismatches,
        repeated_events=customers.repeated + terminals.repeated,
        first_difference=first,
    )


def _delayed(reports: Reports, share: float, seed: int) -> Reports:
    random = np.random.default_rng(seed)
    delays = random.integers(0, microseconds(LONGEST_DELAY), len(reports))
    late = random.random(len(reports)) < share
    return replace(reports, times=reports.times + np.where(late, delays, 0))


def features_of(rows: Transactions, reports: Reports) -> npt.NDArray[np.float32]:
    """The batch driver's vectors, a row a transaction; no transaction may come twice."""
    answer = all_features(rows, reports, plan_of())
    features = np.empty((len(rows), len(FEATURE_NAMES)), np.float32)
    features[answer.rows] = answer.features.T
    return features


def _once(rows: Transactions, ids: Ints) -> Ints:
    """The index of each of the ids, none of which may name two transactions."""
    order = np.argsort(rows.ids, kind="stable")
    if len(np.unique(ids)) != len(ids):
        raise BadInput(
            "transaction_id must name one transaction, got one for customers that differ; the data "
            "check finds the wrong one by file and row: remove it"
        )
    indices: Ints = order[np.searchsorted(rows.ids[order], ids)]
    return indices


def _request(rows: Transactions, row: int) -> Transaction:
    return Transaction(
        transaction_id=int(rows.ids[row]),
        event_time=EPOCH + timedelta(microseconds=int(rows.times[row])),
        customer_id=int(rows.customers[row]),
        terminal_id=int(rows.terminals[row]),
        amount_minor=int(rows.amounts[row]),
    )


def _difference(
    transaction_id: int, batch: npt.NDArray[np.float32], online: npt.NDArray[np.float32]
) -> Difference:
    index = int((batch != online).argmax())
    return Difference(
        transaction_id=transaction_id,
        feature=FEATURE_NAMES[index],
        batch=float(batch[index]),
        online=float(online[index]),
    )
