"""The online driver in one process: folds, request-time vectors, and the size of a state.

    python -m benchmarks.online --json -

The peer is what a store without states has to do: the batch driver over the entity's own events,
for each request. Folds are as a consumer does them, from stored text to stored text, without the
store's own time; vectors are from states in memory, and from stored text.

JSON, by kind of traffic (a customer's usual two transactions a day; a busy entity's thousand):
folds_per_second, vector_microseconds, vector_from_text_microseconds, state_bytes, times_batch.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.measuring import add_json, show
from pipeline_code.features.definitions import CUSTOMER, ENTITIES, TERMINAL, Entity
from pipeline_code.features.events import EPOCH, Reports, Transaction, Transactions
from pipeline_code.features.online import vector
from pipeline_code.features.plan import plan_of
from pipeline_code.features.sides import all_features
from pipeline_code.features.state import EntityState, events_of

DAY = 86_400_000_000
DAYS = 60
START = 1_530_403_200_000_000
SECONDS_PER_FIGURE = 1.0


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_json(parser)
    arguments = parser.parse_args()
    result: dict[str, Any] = {}
    for kind, daily in (("usual", 2), ("busy", 1_000)):
        figures = _measure(History.drawn(daily * DAYS))
        result |= {f"{kind}_{name}": value for name, value in figures.items()}
    show(result, arguments.json)


@dataclass(frozen=True, slots=True)
class History:
    """The events of one customer at one terminal."""

    rows: Transactions
    reports: Reports

    @classmethod
    def drawn(cls, count: int) -> "History":
        random = np.random.default_rng(7)
        times = np.sort(random.integers(START, START + DAYS * DAY, count))
        one, ids = np.ones(count, np.int64), np.arange(count, dtype=np.int64)
        rows = Transactions(
            ids=ids,
            times=times,
            customers=one,
            terminals=one,
            amounts=random.integers(1, 20_000, count),
        )
        frauds = ids[::100]
        reports = Reports(
            ids=frauds,
            times=times[frauds] + 7 * DAY,
            customers=one[frauds],
            terminals=one[frauds],
            scenarios=one[frauds],
            event_times=times[frauds],
        )
        # A state holds what is known when it is asked.
        return cls(rows, reports.take(np.flatnonzero(reports.times <= times[-1])))

    def state(self, entity: Entity) -> EntityState:
        spent = events_of(self.rows.times, self.rows.ids, self.rows.amounts)
        return EntityState(entity).fold(spent, events_of(self.reports.times, self.reports.ids))

    def batch_vector(self) -> npt.NDArray[np.float32]:
        return all_features(self.rows, self.reports, plan_of()).features[:, -1]


def _measure(history: History) -> dict[str, Any]:
    states = {entity: history.state(entity) for entity in ENTITIES}
    texts = {entity: state.encode() for entity, state in states.items()}
    last = len(history.rows) - 1
    request = Transaction(
        transaction_id=int(history.rows.ids[last]),
        event_time=EPOCH + timedelta(microseconds=int(history.rows.times[last])),
        customer_id=1,
        terminal_id=1,
        amount_minor=int(history.rows.amounts[last]),
    )
    event = events_of(history.rows.times[-1:] + 1, np.array([10**9]), history.rows.amounts[-1:])

    def fold() -> str:
        return EntityState.decode(CUSTOMER, texts[CUSTOMER], "customer 1").fold(event).encode()

    def from_text() -> list[float]:
        read = [EntityState.decode(entity, texts[entity], "state") for entity in ENTITIES]
        return vector(read[0], read[1], request)

    def from_states() -> list[float]:
        return vector(states[CUSTOMER], states[TERMINAL], request)

    np.testing.assert_array_equal(np.array(from_text(), np.float32), history.batch_vector())
    asked = _microseconds(from_states)
    return {
        "events": len(history.rows),
        "folds_per_second": round(1e6 / _microseconds(fold)),
        "vector_microseconds": round(asked, 1),
        "vector_from_text_microseconds": round(_microseconds(from_text), 1),
        "state_bytes": len(texts[CUSTOMER]),
        "times_batch": round(_microseconds(history.batch_vector) / asked, 1),
    }


def _microseconds(work: Callable[[], object]) -> float:
    """The median of many calls."""
    work()
    taken: list[float] = []
    until = time.monotonic() + SECONDS_PER_FIGURE
    while time.monotonic() < until:
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return float(np.median(taken)) * 1e6


if __name__ == "__main__":
    main()
