"""A simulated week, transaction by transaction: one score, whichever way it is asked for."""

import http.client
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_code.features import batch
from pipeline_code.features.definitions import ENTITIES, FEATURE_NAMES, Entity
from pipeline_code.features.state import EntityState, events_of
from pipeline_code.simulate.simulation import simulate
from pipeline_code.simulate.world import SimulationConfig
from pipeline_code.train.model import Model, fit
from pipeline_code.train.parameters import Parameters

from .conftest import Server, Store, store_environment

Ints = npt.NDArray[np.int64]

WEEK_START = date(2018, 7, 10)
# Some days before it, so that most windows have something in them.
CONFIG = SimulationConfig(start=date(2018, 6, 5), days=42, customers=40, terminals=60, seed=11)


@dataclass
class Week:
    """The simulated days, their features by the batch driver, and a model of those before."""

    transactions: pa.Table
    reports: pa.Table
    features: npt.NDArray[np.float32]
    asked: Ints
    model: Model


@pytest.fixture(scope="module")
def week() -> Week:
    simulation = simulate(CONFIG)
    transactions, reports = simulation.transactions, simulation.fraud_reports
    computed = batch.compute(transactions, reports)
    features = np.column_stack([computed[name].to_numpy() for name in FEATURE_NAMES])
    days = integers(transactions, "event_time").astype("datetime64[us]").astype("datetime64[D]")
    in_week = days >= np.datetime64(WEEK_START)
    # So few customers have few frauds: any other rule teaches a model as well.
    labels = features[:, 0] > np.median(features[:, 0])
    parameters = Parameters(rounds=20, max_depth=5, allow_constant_features=True)
    model = fit(features[~in_week], labels[~in_week], parameters=parameters)
    return Week(transactions, reports, features, np.flatnonzero(in_week), model)


def integers(table: pa.Table, name: str) -> Ints:
    return np.asarray(table[name].cast(pa.int64()).to_numpy())


@dataclass
class Owners:
    """The states of one kind of entity, brought up to a moment when they are needed."""

    entity: Entity
    week: Week
    states: dict[int, EntityState] = field(default_factory=dict)
    until: dict[int, int] = field(default_factory=dict)

    def put(self, store: Store, owner: int, now: int) -> None:
        before = self.until.get(owner, 0)
        state = self.states.get(owner, EntityState(self.entity))
        spent = self._between(self.week.transactions, "event_time", owner, before, now)
        told = self._between(self.week.reports, "report_time", owner, before, now)
        amounts = integers(spent, "amount_minor")
        self.states[owner] = state.fold(
            events_of(integers(spent, "event_time"), integers(spent, "transaction_id"), amounts),
            events_of(integers(told, "report_time"), integers(told, "transaction_id")),
        )
        self.until[owner] = now
        store.put(self.entity.name, owner, self.states[owner])

    def _between(self, table: pa.Table, time: str, owner: int, after: int, now: int) -> pa.Table:
        own = integers(table, self.entity.record_identifier) == owner
        times = integers(table, time)
        return table.filter(pa.array(own & (times > after) & (times <= now)))


def raw(row: dict[str, Any]) -> bytes:
    document = {
        "transaction_id": row["transaction_id"],
        "event_time": row["event_time"].isoformat(),
        "customer_id": row["customer_id"],
        "terminal_id": row["terminal_id"],
        "amount": f"{row['amount_minor'] / 100:.2f}",
    }
    return json.dumps(document).encode()


def scores_of_raw(week: Week, server: Server, store: Store) -> list[float]:
    """Each transaction asked for at its own time, with the states of that time."""
    owners = [Owners(entity, week) for entity in ENTITIES]
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    scores = []
    for place in week.asked.tolist():
        row = week.transactions.slice(place, 1).to_pylist()[0]
        now = int(integers(week.transactions, "event_time")[place])
        for side in owners:
            side.put(store, row[side.entity.record_identifier], now)
        connection.request("POST", "/invocations", raw(row), {"content-type": "application/json"})
        answer = json.loads(connection.getresponse().read())
        assert answer["degraded"] is False
        assert list(answer["features"].values()) == week.features[place].tolist()
        scores.append(answer["score"])
    connection.close()
    return scores


def scores_of_csv(week: Week, server: Server) -> list[float]:
    lines = [",".join(map(repr, row)) for row in week.features[week.asked].tolist()]
    answer = server.invoke("\n".join(lines), "text/csv")
    assert answer.status == 200
    return [float(line) for line in answer.body.split()]


def scores_of_parquet(week: Week, server: Server) -> list[float]:
    """As batch transform sends them."""
    rows = week.features[week.asked]
    columns = {name: rows[:, place] for place, name in enumerate(FEATURE_NAMES)}
    ids = integers(week.transactions, "transaction_id")[week.asked]
    file = io.BytesIO()
    pq.write_table(pa.table({"transaction_id": ids} | columns), file)
    answer = server.invoke(file.getvalue(), "application/x-parquet")
    assert answer.status == 200
    table = pq.read_table(io.BytesIO(answer.body))
    assert table["transaction_id"].to_pylist() == ids.tolist()
    scores: list[float] = table["score"].to_pylist()
    return scores


@pytest.mark.parametrize("compiled", [False, True], ids=["library", "compiled"])
def test_a_model_alone_gives_the_same_bits_compiled_or_not(week: Week, compiled: bool) -> None:
    rows = week.features[week.asked]
    model = week.model.compiled() if compiled else week.model
    alone = np.concatenate([model.predict(rows[place : place + 1]) for place in range(len(rows))])
    assert alone.tobytes() == week.model.predict(rows).tobytes()


def test_a_week_has_one_score_whichever_way_it_is_asked_for(
    week: Week, store: Store, start: Callable[..., Server], tmp_path: Path
) -> None:
    week.model.save(tmp_path / "model")
    environment = store_environment(store) | {"SERVE_STORE_BUDGET_MILLISECONDS": "10000"}
    server = start(environment, tmp_path / "model").wait_ready()
    offline = week.model.predict(week.features[week.asked]).tolist()
    assert len(offline) > 300
    assert len(set(offline)) > 100
    assert scores_of_raw(week, server, store) == offline
    assert scores_of_csv(week, server) == offline
    assert scores_of_parquet(week, server) == offline
    store.records.clear()
