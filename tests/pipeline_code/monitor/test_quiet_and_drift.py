"""A quiet week raises nothing, whatever the seed; a week that drifts is found."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline_code.features.batch import compute
from pipeline_code.features.definitions import FEATURE_NAMES
from pipeline_code.features.windows import Period, Windows
from pipeline_code.monitor.analysis import Analysis
from pipeline_code.monitor.data_quality.analysis import analyze
from pipeline_code.monitor.data_quality.baseline import compute_of_rows
from pipeline_code.simulate.simulation import simulate
from pipeline_code.simulate.world import SimulationConfig
from tests.pipeline_code.monitor.feature_chunks import chunk_of

START = date(2024, 1, 1)
DAY = timedelta(days=1)
# Whether nobody has been at a terminal, in the features about it.
OF_TERMINALS = [name for name in FEATURE_NAMES if name.startswith("terminal")]


@dataclass
class World:
    """A simulated history, the baseline of its training rows, and the week after it."""

    statistics: Any
    constraints: Any
    week: pa.Table
    history_end: datetime

    def analyze(self, period: Period | None = None) -> Analysis:
        rows = self.week if period is None else self.week.filter(pa.array(period.mask(self.week)))
        return self.judge(rows)

    def judge(self, rows: pa.Table) -> Analysis:
        return analyze([chunk_of(rows)], self.statistics, self.constraints)


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
    train = Windows(as_of=end, train_days=7, test_days=7).train
    statistics, constraints = compute_of_rows(
        rows.filter(pa.array(train.mask(rows))), history_days - 28
    )
    week = rows.filter(pa.array(Period(end, end + 7 * DAY).mask(rows)))
    return World(statistics, constraints, week, end)


@pytest.mark.parametrize("customers", [80, 200, 450])
@pytest.mark.parametrize("seed", range(20))
def test_a_quiet_week_raises_nothing(customers: int, seed: int) -> None:
    assert world(customers=customers, seed=seed).analyze().violations == ()


@pytest.mark.parametrize("seed", range(2))
def test_a_quiet_day_and_a_quiet_night_raise_no_drift(seed: int) -> None:
    quiet = world(customers=600, seed=seed)
    for day in range(7):
        start = quiet.history_end + day * DAY
        for period in (Period(start, start + DAY), Period(start, start + timedelta(hours=9))):
            assert quiet.analyze(period).broken == ()


def test_no_hour_of_a_quiet_day_raises_drift() -> None:
    quiet = world(customers=3_000, seed=4, history_days=45)
    judged = 0
    for hour in range(24):
        start = quiet.history_end + timedelta(hours=hour)
        analysis = quiet.analyze(Period(start, start + timedelta(hours=1)))
        assert analysis.broken == ()
        judged += analysis.enough
    assert judged >= 10


@pytest.mark.parametrize("history_days", [35, 45])
def test_windows_that_were_not_full_yet_raise_nothing(history_days: int) -> None:
    quiet = world(customers=300, seed=1, history_days=history_days)
    analysis = quiet.analyze()
    assert analysis.violations == ()
    compared = {measure.dimensions["Feature"] for measure in analysis.measures}
    assert "customer_count_30d" not in compared
    assert "amount_minor" in compared


def drifted(analysis: Analysis) -> set[str]:
    assert {violation.check for violation in analysis.broken} == {"baseline_drift_check"}
    return {violation.subject for violation in analysis.broken}


@pytest.mark.parametrize("customers", [80, 250, 600])
@pytest.mark.parametrize("factor", [1.5, 2.0])
def test_inflated_amounts_are_found(customers: int, factor: float) -> None:
    analysis = world(customers=customers, seed=2, factor=factor).analyze()
    assert "amount_over_customer_mean_30d" in drifted(analysis)


def test_inflation_is_found_within_its_first_day() -> None:
    inflated = world(customers=600, seed=3, factor=2.0)
    first_day = Period(inflated.history_end, inflated.history_end + DAY)
    assert "amount_minor" in drifted(inflated.analyze(first_day))


def test_halved_amounts_are_found_as_well() -> None:
    assert "amount_minor" in drifted(world(customers=600, seed=3, factor=0.5).analyze())


@pytest.fixture(scope="module")
def quiet() -> World:
    return world(customers=600, seed=5)


@pytest.mark.parametrize(("share", "found"), [(1.0, 4), (0.3, 2)])
def test_terminals_that_nobody_used_before_are_found(
    quiet: World, share: float, found: int
) -> None:
    new = np.random.default_rng(0).random(quiet.week.num_rows) < share
    rows = quiet.week
    for name in OF_TERMINALS:
        values = np.where(new, 0, rows[name].to_numpy())
        rows = rows.set_column(rows.schema.get_field_index(name), name, pa.array(values))
    subjects = drifted(quiet.judge(rows))
    assert subjects <= set(OF_TERMINALS)
    assert len(subjects) >= found


def test_a_feature_that_turns_null_for_some_is_found(quiet: World) -> None:
    chunk = chunk_of(quiet.week)
    place = FEATURE_NAMES.index("terminal_risk_7d")
    chunk.values[place, ::10] = np.nan
    chunk.missing[place] = len(chunk.values[place, ::10])
    analysis = analyze([chunk], quiet.statistics, quiet.constraints)
    (violation,) = analysis.broken
    assert (violation.subject, violation.check) == ("terminal_risk_7d", "completeness_check")


def test_a_feature_stuck_at_its_mean_is_found(quiet: World) -> None:
    chunk = chunk_of(quiet.week)
    place = FEATURE_NAMES.index("customer_mean_amount_7d")
    chunk.values[place] = chunk.values[place].mean()
    analysis = analyze([chunk], quiet.statistics, quiet.constraints)
    assert drifted(analysis) == {"customer_mean_amount_7d"}


def test_thresholds_do_not_depend_on_the_run() -> None:
    first, second = (world(customers=80, seed=1) for _ in range(2))
    assert first.constraints == second.constraints
    assert first.statistics == second.statistics
