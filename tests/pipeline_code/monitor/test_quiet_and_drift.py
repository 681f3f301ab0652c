"""A quiet week raises nothing, whatever the seed; a week that drifts is found."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from pipeline_code.features.batch import compute
from pipeline_code.features.definitions import ENTITIES, FEATURE_NAMES, FEATURES
from pipeline_code.features.windows import Period, Windows
from pipeline_code.monitor.columns import Column
from pipeline_code.monitor.constraints import Constraints, suggest
from pipeline_code.monitor.drift import Buckets
from pipeline_code.monitor.statistics import Baseline, describe
from pipeline_code.monitor.violations import Analysis, analyze
from pipeline_code.simulate.simulation import simulate
from pipeline_code.simulate.world import SimulationConfig

START = date(2024, 1, 1)
DAY = timedelta(days=1)


@dataclass
class World:
    """A simulated history, the baseline of its training rows, and the week after it."""

    constraints: Constraints
    baselines: dict[str, Baseline]
    week: pa.Table
    history_end: datetime

    def analyze(self, period: Period | None = None) -> Analysis:
        rows = self.week if period is None else self.week.filter(pa.array(period.mask(self.week)))
        columns = {name: Column(rows[name].to_numpy()) for name in FEATURE_NAMES}
        return analyze(columns, rows.num_rows, self.constraints, self.baselines)


def world(*, customers: int, seed: int, history_days: int = 66, factor: float = 1.0) -> World:
    drift = START + history_days * DAY if factor != 1 else None
    landing = simulate(
        SimulationConfig(
            start=START,
            days=history_days + 7,
            customers=customers,
            terminals=2 * customers,
            seed=seed,
            drift_start=drift,
            drift_factor=factor,
        )
    ).landing()
    end = datetime(START.year, START.month, START.day, tzinfo=UTC) + history_days * DAY
    rows = compute(landing.transactions, landing.fraud_reports)
    windows = Windows(as_of=end, train_days=7, test_days=7)
    train = rows.filter(pa.array(windows.train.mask(rows)))
    columns = {name: Column(train[name].to_numpy()) for name in FEATURE_NAMES}
    buckets = {name: Buckets.of(column.numbers) for name, column in columns.items()}
    owners = {entity: train[entity.record_identifier].to_numpy() for entity in ENTITIES}
    return World(
        constraints=Constraints.parse(
            suggest(
                columns,
                buckets,
                {feature.name: owners[feature.owner] for feature in FEATURES},
                history_days - 28,
            )
        ),
        baselines=Baseline.parse(describe(columns, train.num_rows, buckets)),
        week=rows.filter(pa.array(Period(end, end + 7 * DAY).mask(rows))),
        history_end=end,
    )


@pytest.mark.parametrize("customers", [80, 250, 600])
@pytest.mark.parametrize("seed", range(4))
def test_a_quiet_week_raises_nothing(customers: int, seed: int) -> None:
    assert world(customers=customers, seed=seed).analyze().violations == ()


@pytest.mark.parametrize("seed", range(2))
def test_a_quiet_day_and_a_quiet_night_raise_no_drift(seed: int) -> None:
    quiet = world(customers=600, seed=seed)
    for day in range(7):
        start = quiet.history_end + day * DAY
        for period in (Period(start, start + DAY), Period(start, start + timedelta(hours=9))):
            assert quiet.analyze(period).broken == ()


@pytest.mark.parametrize("history_days", [35, 45])
def test_windows_that_were_not_full_yet_raise_nothing(history_days: int) -> None:
    quiet = world(customers=300, seed=1, history_days=history_days)
    assert quiet.analyze().violations == ()
    assert "customer_count_30d" not in quiet.analyze().distances
    assert "amount_minor" in quiet.analyze().distances


@pytest.mark.parametrize("customers", [80, 250, 600])
@pytest.mark.parametrize("factor", [2.0, 3.0])
def test_inflated_amounts_are_found(customers: int, factor: float) -> None:
    analysis = world(customers=customers, seed=2, factor=factor).analyze()
    drifted = {violation.feature_name for violation in analysis.broken}
    assert "amount_over_customer_mean_30d" in drifted
    assert {v.constraint_check_type for v in analysis.broken} == {"baseline_drift_check"}


def test_inflation_is_found_within_its_first_day() -> None:
    drifted = world(customers=600, seed=3, factor=2.0)
    first_day = Period(drifted.history_end, drifted.history_end + DAY)
    assert "amount_minor" in {v.feature_name for v in drifted.analyze(first_day).broken}


def test_halved_amounts_are_found_as_well() -> None:
    drifted = world(customers=600, seed=3, factor=0.5)
    assert "amount_minor" in {v.feature_name for v in drifted.analyze().broken}


def test_thresholds_do_not_depend_on_the_run() -> None:
    first, second = (world(customers=80, seed=1).constraints for _ in range(2))
    assert first == second
    assert all(np.isfinite(constraint.threshold) for constraint in first.features)
