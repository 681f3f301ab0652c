"""The world of the servers' benchmark: transactions, the states they need, the true scores."""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline_code.features import batch
from pipeline_code.features.definitions import CUSTOMER, ENTITIES, FEATURE_NAMES, TERMINAL
from pipeline_code.features.state import EntityState, events_of
from pipeline_code.features.store.records import Key
from pipeline_code.simulate.simulation import simulate
from pipeline_code.simulate.world import SimulationConfig
from pipeline_code.train.model import Model, fit
from pipeline_code.train.parameters import Parameters

__all__ = ["GROUPS", "World", "build_world"]

GROUPS = {CUSTOMER: "benchmark-customer", TERMINAL: "benchmark-terminal"}
START = date(2018, 6, 1)
DAYS = 45
# The model: what MLflow's users and ours would both deploy.
PARAMETERS = Parameters(rounds=300, trees_per_round=1, max_depth=5)
MOST_REQUESTS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A model, and requests of a day, each of another customer at another terminal.

    Attributes:
        model: The model.
        transactions: Raw ones, as JSON.
        rows: Their features, by the batch driver.
        scores: Their scores, by the library.
        states: What is known of each customer and terminal at the request, as the store has it.
    """

    model: Model
    transactions: list[bytes]
    rows: npt.NDArray[np.float32]
    scores: list[float]
    states: dict[Key, str]

    def csv_rows(self) -> list[bytes]:
        """Each request's features as a line of CSV."""
        return [",".join(map(repr, row)).encode() for row in self.rows.tolist()]

    def json_rows(self) -> list[bytes]:
        """Each request's features as a line of JSON."""
        named = (dict(zip(FEATURE_NAMES, row, strict=True)) for row in self.rows.tolist())
        return [json.dumps(row).encode() for row in named]

    def write_states(self, file: Path) -> None:
        """The states as a file for the store's process."""
        records = [[GROUPS[key.entity], str(key.id), text] for key, text in self.states.items()]
        file.write_text(json.dumps(records), encoding="utf-8")


def build_world() -> World:
    """Simulates the history, learns the model from it, and picks the requests from its last day."""
    simulation = simulate(SimulationConfig(start=START, days=DAYS, customers=200, terminals=400))
    transactions, reports = simulation.transactions, simulation.fraud_reports
    features = batch.compute(transactions, reports)
    rows = np.column_stack([features[name].to_numpy() for name in FEATURE_NAMES])
    labels = np.isin(_ints(transactions, "transaction_id"), _ints(reports, "transaction_id"))
    last_day = datetime.combine(START + timedelta(days=DAYS - 1), datetime.min.time(), UTC)
    times = _ints(transactions, "event_time")
    earlier = times < int(last_day.timestamp() * 1e6)
    model = fit(rows[earlier], labels[earlier], parameters=PARAMETERS)
    chosen = _apart(transactions, np.flatnonzero(~earlier))
    states = {
        Key(entity, int(_ints(transactions, entity.record_identifier)[place])): _state(
            entity, transactions, reports, place
        )
        for place in chosen
        for entity in ENTITIES
    }
    return World(
        model=model,
        transactions=[_raw(transactions.slice(place, 1).to_pylist()[0]) for place in chosen],
        rows=rows[chosen],
        scores=model.predict(rows[chosen]).tolist(),
        states=states,
    )


def _apart(transactions: pa.Table, places: npt.NDArray[np.int64]) -> list[int]:
    """Transactions that share neither a customer nor a terminal."""
    columns = [_ints(transactions, entity.record_identifier) for entity in ENTITIES]
    seen: list[set[int]] = [set() for _ in ENTITIES]
    chosen: list[int] = []
    for place in places.tolist():
        owners = [int(column[place]) for column in columns]
        if len(chosen) < MOST_REQUESTS and not any(
            owner in known for owner, known in zip(owners, seen, strict=True)
        ):
            chosen.append(place)
            for owner, known in zip(owners, seen, strict=True):
                known.add(owner)
    return chosen


def _state(entity: Any, transactions: pa.Table, reports: pa.Table, place: int) -> str:
    """What is known of one side of a transaction at its time."""
    now = _ints(transactions, "event_time")[place]
    owner = _ints(transactions, entity.record_identifier)[place]

    def known(table: pa.Table, time: str) -> pa.Table:
        own = _ints(table, entity.record_identifier) == owner
        return table.filter(pa.array(own & (_ints(table, time) <= now)))

    spent, told = known(transactions, "event_time"), known(reports, "report_time")
    columns = (_ints(spent, name) for name in ("event_time", "transaction_id", "amount_minor"))
    reported = events_of(_ints(told, "report_time"), _ints(told, "transaction_id"))
    return EntityState(entity).fold(events_of(*columns), reported).encode()


def _raw(row: dict[str, Any]) -> bytes:
    document = {
        "transaction_id": row["transaction_id"],
        "event_time": row["event_time"].isoformat(),
        "customer_id": row["customer_id"],
        "terminal_id": row["terminal_id"],
        "amount": f"{row['amount_minor'] / 100:.2f}",
    }
    return json.dumps(document).encode()


def _ints(table: pa.Table, name: str) -> npt.NDArray[np.int64]:
    values: npt.NDArray[np.int64] = table[name].cast(pa.int64()).to_numpy()
    return values
