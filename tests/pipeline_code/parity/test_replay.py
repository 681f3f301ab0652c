"""The replay finds no difference where there is none, and finds one where there is."""

from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline_code.common.exits import BadInput
from pipeline_code.features.definitions import FEATURE_NAMES
from pipeline_code.features.online import vector
from pipeline_code.features.state import NO_EVENTS, EntityState
from pipeline_code.parity import replay as replay_module
from pipeline_code.parity.replay import Parity, replay
from pipeline_code.simulate.simulation import simulate
from pipeline_code.simulate.world import SimulationConfig


@pytest.fixture(scope="module")
def events() -> tuple[pa.Table, pa.Table]:
    drawn = simulate(
        SimulationConfig(start=date(2025, 1, 1), days=70, customers=40, terminals=60, seed=3)
    )
    return drawn.transactions, drawn.fraud_reports


@pytest.mark.parametrize(("late", "processes"), [(0.0, 1), (0.5, 2)])
def test_online_equals_batch_whatever_the_order(
    events: tuple[pa.Table, pa.Table], late: float, processes: int
) -> None:
    found = replay(*events, late_share=late, processes=processes)
    assert (found.rows, found.mismatches) == (events[0].num_rows, 0)
    assert found.repeated_events > 100
    assert found.first_difference is None


def test_repeated_rows_of_a_file_are_asked_about_once(events: tuple[pa.Table, pa.Table]) -> None:
    transactions, reports = events
    again = pa.concat_tables([transactions, transactions.slice(100, 50)])
    assert replay(again, reports, processes=1).rows == transactions.num_rows


def test_one_id_for_two_customers_is_refused(events: tuple[pa.Table, pa.Table]) -> None:
    transactions, reports = events
    first = transactions["customer_id"][0].as_py()
    place = int(np.argmax(transactions["customer_id"].to_numpy() != first))
    ids = transactions["transaction_id"].to_numpy().copy()
    ids[place] = ids[0]
    column = transactions.schema.get_field_index("transaction_id")
    confused = transactions.set_column(column, "transaction_id", pa.array(ids))
    with pytest.raises(BadInput, match="must name one transaction, got one for customers"):
        replay(confused, reports, processes=1)


def losing(fold: Callable[..., Any]) -> Callable[..., Any]:
    """A fold that loses the events of every fiftieth call."""
    calls = iter(range(10**9))

    def faulty(self: Any, transactions: Any, reports: Any = NO_EVENTS) -> Any:
        kept = slice(0, 0) if next(calls) % 50 == 49 else slice(None)
        return fold(self, transactions[kept], reports)

    return faulty


def test_a_defect_is_found_and_named(
    events: tuple[pa.Table, pa.Table], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EntityState, "fold", losing(EntityState.fold))
    found = replay(*events, processes=1)
    assert found.mismatches > 0
    assert found.first_difference is not None
    assert found.first_difference.feature in FEATURE_NAMES
    assert found.first_difference.batch != found.first_difference.online


def test_one_bit_is_a_mismatch(
    events: tuple[pa.Table, pa.Table], monkeypatch: pytest.MonkeyPatch
) -> None:
    def nudged(*arguments: Any) -> list[float]:
        values = vector(*arguments)
        values[8] = float(np.nextafter(np.float32(values[8]), np.float32(np.inf)))
        return values

    monkeypatch.setattr(replay_module, "vector", nudged)
    found = replay(*events, processes=1)
    assert found.mismatches == found.rows
    assert found.first_difference is not None
    assert found.first_difference.feature == FEATURE_NAMES[8]


def test_shares_add_up_and_the_first_difference_stays() -> None:
    assert Parity(rows=1) + Parity(rows=2, mismatches=1) == Parity(rows=3, mismatches=1)
