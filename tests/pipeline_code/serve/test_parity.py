"""Training and serving see the same numbers: a replayed stream, asked request by request."""

from datetime import datetime

import numpy as np
import pyarrow as pa

from pipeline_code.common.schema import FRAUD_REPORTS, TRANSACTIONS
from pipeline_code.features import batch
from pipeline_code.features.definitions import CUSTOMER, FEATURE_NAMES, TERMINAL
from pipeline_code.features.state import EntityState, events_of
from pipeline_code.train.model import Model

from .conftest import Server, Store

DAY = 86_400_000_000
START = 1_530_403_200_000_000
ASKED = 60


def stream(count: int = 600) -> tuple[pa.Table, pa.Table]:
    """Two months of a few customers and terminals; a tenth is reported a week later."""
    generator = np.random.default_rng(6)
    times = np.sort(START + generator.integers(0, 60 * DAY, count))
    columns = {
        "transaction_id": np.arange(count),
        "event_time": times,
        "customer_id": generator.integers(0, 5, count),
        "terminal_id": generator.integers(0, 5, count),
        "amount_minor": generator.integers(0, 50_000, count),
    }
    transactions = pa.table({name: pa.array(values) for name, values in columns.items()})
    reported = transactions.filter(pa.array(generator.random(count) < 0.1)).drop_columns(
        ["amount_minor"]
    )
    delayed = reported["event_time"].to_numpy() + 7 * DAY + generator.integers(0, DAY)
    reports = reported.append_column("report_time", pa.array(delayed)).append_column(
        "fraud_scenario", pa.array(np.ones(reported.num_rows, np.int8))
    )
    return transactions.cast(TRANSACTIONS), reports.select(FRAUD_REPORTS.names).cast(FRAUD_REPORTS)


def integers(table: pa.Table, name: str) -> np.ndarray:
    return np.asarray(table[name].cast(pa.int64()).to_numpy())


def remember(store: Store, transactions: pa.Table, reports: pa.Table, before: int) -> None:
    """Puts into the store what was known before a moment."""
    seen = transactions.filter(pa.array(integers(transactions, "event_time") < before))
    told = reports.filter(pa.array(integers(reports, "report_time") < before))
    for entity in (CUSTOMER, TERMINAL):
        for owner in range(5):
            mine = seen.filter(pa.array(integers(seen, entity.record_identifier) == owner))
            about = told.filter(pa.array(integers(told, entity.record_identifier) == owner))
            columns = ("event_time", "transaction_id", "amount_minor")
            state = EntityState(entity).fold(
                events_of(*(integers(mine, name) for name in columns)),
                events_of(integers(about, "report_time"), integers(about, "transaction_id")),
            )
            store.put(entity.name, owner, state)


def test_the_endpoint_answers_with_the_features_and_score_of_batch(
    server: Server, store: Store, model: Model
) -> None:
    transactions, reports = stream()
    features = batch.compute(transactions, reports)
    expected = np.column_stack([features[name].to_numpy() for name in FEATURE_NAMES])
    scores = model.predict(expected)
    rows = transactions.to_pylist()
    for place in range(len(rows) - ASKED, len(rows)):
        row = rows[place]
        moment: datetime = row["event_time"]
        remember(store, transactions, reports, integers(transactions, "event_time")[place])
        answer = server.score(
            {
                "transaction_id": row["transaction_id"],
                "event_time": moment.isoformat(),
                "customer_id": row["customer_id"],
                "terminal_id": row["terminal_id"],
                "amount": f"{row['amount_minor'] / 100:.2f}",
            }
        )
        assert answer["degraded"] is False
        assert list(answer["features"].values()) == expected[place].tolist()
        assert answer["score"] == float(scores[place])
    store.records.clear()
    assert expected[-ASKED:, FEATURE_NAMES.index("terminal_risk_30d")].min() > 0
