"""What holds in every simulated world, and what each setting changes."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_code.check import check
from pipeline_code.check.sources import TableSource
from pipeline_code.common.schema import CUSTOMERS, FRAUD_REPORTS, TRANSACTIONS
from pipeline_code.landing import REPORT_DELAY
from pipeline_code.simulate import Simulation, SimulationConfig, simulate
from pipeline_code.simulate.fraud import (
    AMOUNT_OVER_THRESHOLD,
    COMPROMISED_TERMINAL,
    LEAKED_CARD,
    compromised_terminals,
    leaked_cards,
)
from pipeline_code.simulate.world import build_world

START = date(2018, 4, 1)
SMALL = SimulationConfig(start=START, days=60, customers=200, terminals=400, seed=7)

configs = st.builds(
    SimulationConfig,
    start=st.dates(date(1969, 12, 1), date(2030, 1, 1)),
    days=st.integers(1, 12),
    customers=st.integers(1, 60),
    terminals=st.integers(1, 80),
    seed=st.integers(0, 2**40),
    drift_start=st.none() | st.dates(date(1970, 1, 1), date(2030, 1, 1)),
)


@pytest.fixture(scope="module")
def small() -> Simulation:
    return simulate(SMALL)


def day_numbers(table: pa.Table) -> np.ndarray:
    first = np.datetime64(START, "D").astype(int)
    return table["event_time"].cast(pa.int64()).to_numpy() // 86_400_000_000 - first


@settings(max_examples=40, deadline=None)
@given(configs, st.data())
def test_a_period_cut_in_two_is_the_same_period(
    config: SimulationConfig, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, config.days), label="cut")
    pieces = [
        simulate(replace(config, start=config.start + timedelta(days=start), days=days))
        for start, days in ((0, cut), (cut, config.days - cut))
        if days > 0
    ]
    whole = simulate(config)
    for name in ("transactions", "fraud_reports"):
        joined = pa.concat_tables(getattr(piece, name) for piece in pieces)
        assert joined.equals(getattr(whole, name))
    assert all(piece.customers.equals(whole.customers) for piece in pieces)


@settings(max_examples=40, deadline=None)
@given(configs)
def test_every_simulation_has_the_lakes_types_and_breaks_no_rule(
    config: SimulationConfig,
) -> None:
    simulation = simulate(config)
    assert simulation.transactions.schema == TRANSACTIONS
    assert simulation.fraud_reports.schema == FRAUD_REPORTS
    assert simulation.customers.schema == CUSTOMERS
    report = check(
        transactions=[TableSource("transactions/", simulation.transactions)],
        fraud_reports=[TableSource("fraud_reports/", simulation.fraud_reports)],
        customers=[TableSource("customers/", simulation.customers)],
    )
    # A very small world may sell nothing for some days.
    assert set(report.counts) <= ({"empty"} if simulation.transactions.num_rows == 0 else set())


def test_another_seed_is_another_world() -> None:
    config = replace(SMALL, days=2)
    assert not simulate(config).transactions.equals(simulate(replace(config, seed=8)).transactions)


def test_frauds_are_one_to_two_percent_and_in_every_week(small: Simulation) -> None:
    share = small.fraud_reports.num_rows / small.transactions.num_rows
    assert 0.01 < share < 0.02
    assert np.bincount(day_numbers(small.fraud_reports) // 7).min() >= 15
    assert set(small.fraud_reports["fraud_scenario"].to_pylist()) == {1, 2, 3}


def test_reports_arrive_a_week_after_their_transaction(small: Simulation) -> None:
    reports = small.fraud_reports
    delays = pc.unique(pc.subtract(reports["report_time"], reports["event_time"])).to_pylist()
    assert delays == [REPORT_DELAY] == [timedelta(days=7)]


def test_only_frauds_are_over_the_threshold(small: Simulation) -> None:
    joined = small.transactions.join(
        small.fraud_reports.select(["transaction_id", "fraud_scenario"]), "transaction_id"
    )
    honest = joined.filter(pc.is_null(joined["fraud_scenario"]))
    assert pc.max(honest["amount_minor"]).as_py() <= 220_00
    large = joined.filter(pc.equal(joined["fraud_scenario"], AMOUNT_OVER_THRESHOLD))
    assert pc.min(large["amount_minor"]).as_py() > 220_00


def test_every_transaction_at_a_compromised_terminal_is_a_fraud(small: Simulation) -> None:
    first = int(np.datetime64(START, "D").astype(int))
    days, fraud = (
        day_numbers(small.transactions),
        np.isin(small.transactions["transaction_id"], small.fraud_reports["transaction_id"]),
    )
    terminals = small.transactions["terminal_id"].to_numpy()
    for day in range(SMALL.days):
        bad = np.isin(terminals, compromised_terminals(SMALL, first + day)) & (days == day)
        assert fraud[bad].all()


@pytest.mark.parametrize(("affected", "lasting"), [(compromised_terminals, 28), (leaked_cards, 14)])
def test_who_is_hit_stays_hit_for_the_stated_days(
    affected: Callable[..., Any], lasting: int
) -> None:
    # So few that hardly anybody is hit again meanwhile.
    shares: dict[str, Any] = {"compromised_terminal_share": 0.00003, "leaked_card_share": 0.00003}
    config = replace(SMALL, customers=3_000_000, terminals=3_000_000, **shares)
    hit = [set(affected(config, day).tolist()) for day in range(17_600, 17_600 + 3 * lasting)]
    stays = [
        sum(member in day for day in hit)
        for member in hit[lasting] - hit[lasting - 1]
        if member not in hit[2 * lasting]
    ]
    assert stays
    assert set(stays) == {lasting}


def test_a_leaked_card_is_misused_for_a_third_of_its_transactions() -> None:
    config = replace(SMALL, days=10, customers=1000, leaked_card_share=1.0, large_amount_share=0.0)
    config = replace(config, compromised_terminal_share=0.0)
    first = int(np.datetime64(START, "D").astype(int))
    simulation = simulate(config)
    assert set(simulation.fraud_reports["fraud_scenario"].to_pylist()) == {LEAKED_CARD}
    leaked = np.concatenate([leaked_cards(config, first + day) for day in range(config.days)])
    share_leaked = len(leaked) / (config.days * config.customers)
    share_fraud = simulation.fraud_reports.num_rows / simulation.transactions.num_rows
    assert share_fraud == pytest.approx(share_leaked / 3, rel=0.1)


@pytest.mark.parametrize(
    ("share", "scenario"),
    [
        ("large_amount_share", AMOUNT_OVER_THRESHOLD),
        ("compromised_terminal_share", COMPROMISED_TERMINAL),
        ("leaked_card_share", LEAKED_CARD),
    ],
)
def test_a_share_of_zero_switches_a_scenario_off(share: str, scenario: int) -> None:
    none: dict[str, Any] = {share: 0.0}
    reports = simulate(replace(SMALL, days=21, **none)).fraud_reports
    assert set(reports["fraud_scenario"].to_pylist()) == {1, 2, 3} - {scenario}


def test_drift_begins_on_its_day_and_keeps_the_frauds(small: Simulation) -> None:
    drifted = simulate(replace(SMALL, drift_start=START + timedelta(days=50), drift_factor=2.0))
    before = day_numbers(small.transactions) < 50
    was = small.transactions.filter(pa.array(~before))
    now = drifted.transactions.filter(pa.array(day_numbers(drifted.transactions) >= 50))
    assert drifted.transactions.slice(0, before.sum()).equals(
        small.transactions.slice(0, before.sum())
    )
    amount = [pc.mean(table["amount_minor"]).as_py() for table in (was, now)]
    assert amount[1] == pytest.approx(2 * amount[0], rel=0.001)
    night = [(pc.hour(table["event_time"]).to_numpy() < 6).mean() for table in (was, now)]
    assert night[1] > night[0] + 0.2
    assert drifted.fraud_reports.num_rows == small.fraud_reports.num_rows


def test_a_drift_factor_of_one_changes_nothing(small: Simulation) -> None:
    same = simulate(replace(SMALL, drift_start=START, drift_factor=1.0))
    assert same.transactions.equals(small.transactions)


def test_customers_go_to_terminals_within_reach() -> None:
    world = build_world(replace(SMALL, customers=500, terminals=10_000))
    reachable = np.diff(world.first_reachable)
    # A circle of radius 5 in a square of side 100, fewer at the edges.
    assert 55 < reachable.mean() < 79
    assert len(world.reachable) == world.first_reachable[-1]


def test_everybody_finds_a_terminal_even_in_a_desert() -> None:
    world = build_world(replace(SMALL, customers=300, terminals=3))
    assert np.diff(world.first_reachable).min() >= 1


@pytest.mark.parametrize(
    ("setting", "rule"),
    [
        ({"days": 0}, "days must be at least 1, got 0"),
        ({"customers": 0}, "customers must be at least 1, got 0"),
        ({"customers": 5_000_000}, "customers must be at most 4000000, got 5000000"),
        ({"terminals": -1}, "terminals must be at least 1, got -1"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
        ({"large_amount_share": 1.5}, "large_amount_share must be between 0 and 1, got 1.5"),
        ({"leaked_card_share": -0.1}, "leaked_card_share must be between 0 and 1, got -0.1"),
        ({"drift_factor": 0.0}, "drift_factor must be above 0, got 0.0"),
        ({"drift_factor": float("nan")}, "drift_factor must be above 0, got nan"),
    ],
)
def test_impossible_settings_are_refused(setting: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        replace(SMALL, **setting)
