"""Draws the transactions of a period, day by day, and the fraud reports that follow them."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline_code.common.lake import Landing
from pipeline_code.common.schema import CUSTOMERS, FRAUD_REPORTS, TRANSACTIONS
from pipeline_code.landing import REPORT_DELAY
from pipeline_code.simulate.fraud import commit_frauds
from pipeline_code.simulate.world import (
    Purpose,
    SimulationConfig,
    World,
    build_world,
    random_stream,
)

__all__ = ["Simulation", "simulate"]

SECONDS_PER_DAY = 86_400
MICROSECONDS = 1_000_000
NOON = SECONDS_PER_DAY / 2
SPREAD = 20_000.0  # seconds around noon
NIGHT_ENDS = 6 * 3600
# Ids stay the same however a period is cut, because they count within their day.
IDS_PER_DAY = 10_000_000
# What part of a drifted day's transactions move into the night, per unit of factor above 1.
NIGHT_SHARE_PER_FACTOR = 0.3
LARGEST_NIGHT_SHARE = 0.6

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Simulation:
    """A period's tables, in the lake's schemas.

    `fraud_reports` are those of the period's transactions; the last ones arrive after its end.
    `customers` is the whole registry, whoever bought something or not.
    """

    transactions: pa.Table
    fraud_reports: pa.Table
    customers: pa.Table

    def landing(self) -> Landing:
        """The same tables, to be written in the lake's layout."""
        return Landing(
            transactions=self.transactions,
            fraud_reports=self.fraud_reports,
            customers=self.customers,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Day:
    ids: Integers
    times: Integers
    customers: Integers
    terminals: Integers
    amounts: Integers
    scenarios: npt.NDArray[np.int8]


def simulate(config: SimulationConfig) -> Simulation:
    """Simulates the days [start, start + days).

    simulate(SimulationConfig(start=date(2018, 4, 1), days=60, customers=200, terminals=400))
    """
    world = build_world(config)
    first = _days_since_epoch(config.start)
    days = [_simulate_day(config, world, day) for day in range(first, first + config.days)]
    column = {
        name: np.concatenate([getattr(day, name) for day in days])
        for name in ("ids", "times", "customers", "terminals", "amounts", "scenarios")
    }
    is_fraud = column["scenarios"] > 0
    fraud = {name: values[is_fraud] for name, values in column.items()}
    reported = fraud["times"] + int(REPORT_DELAY.total_seconds()) * MICROSECONDS
    return Simulation(
        transactions=_table(
            TRANSACTIONS,
            column["ids"],
            column["times"],
            column["customers"],
            column["terminals"],
            column["amounts"],
        ),
        fraud_reports=_table(
            FRAUD_REPORTS,
            fraud["ids"],
            fraud["customers"],
            fraud["terminals"],
            fraud["times"],
            reported,
            fraud["scenarios"],
        ),
        customers=_table(CUSTOMERS, np.arange(config.customers, dtype=np.int64)),
    )


def _simulate_day(config: SimulationConfig, world: World, day: int) -> _Day:
    random = random_stream(config, Purpose.TRANSACTIONS, day)
    customers = np.repeat(
        np.arange(config.customers), random.poisson(world.transactions_per_day)
    ).astype(np.int64)
    seconds = _times_of_day(random, len(customers))
    terminals = _terminals(random, world, customers)
    amounts = _amounts(random, world, customers)
    amounts, scenarios = commit_frauds(
        config, day, customers=customers, terminals=terminals, amounts=amounts
    )
    if config.drift_start is not None and day >= _days_since_epoch(config.drift_start):
        amounts, seconds = _drifted(config, day, amounts, seconds)
    order = np.argsort(seconds, kind="stable")
    return _Day(
        ids=day * IDS_PER_DAY + np.arange(len(order)),
        times=(day * SECONDS_PER_DAY + seconds[order]) * MICROSECONDS,
        customers=customers[order],
        terminals=terminals[order],
        amounts=amounts[order],
        scenarios=scenarios[order],
    )


def _times_of_day(random: np.random.Generator, count: int) -> Integers:
    """Whole seconds around noon; the few beyond midnight come round to the day's other end."""
    return random.normal(NOON, SPREAD, count).astype(np.int64) % SECONDS_PER_DAY


def _terminals(random: np.random.Generator, world: World, customers: Integers) -> Integers:
    first = world.first_reachable[customers]
    choices = world.first_reachable[customers + 1] - first
    return world.reachable[first + (random.random(len(customers)) * choices).astype(np.int64)]


def _amounts(random: np.random.Generator, world: World, customers: Integers) -> Integers:
    """Minor units around each customer's mean; at least one cent."""
    mean = world.amount_mean[customers]
    drawn = random.normal(mean, world.amount_deviation[customers])
    # A negative amount is drawn again, from a distribution that has none.
    drawn = np.where(drawn < 0, random.uniform(0, 2 * mean), drawn)
    return np.maximum(np.rint(drawn * 100), 1).astype(np.int64)


def _drifted(
    config: SimulationConfig, day: int, amounts: Integers, seconds: Integers
) -> tuple[Integers, Integers]:
    """Amounts inflated, and a part of the transactions moved into the night.

    It comes after the frauds: a dear day does not make more of them.
    """
    random = random_stream(config, Purpose.DRIFT, day)
    inflated = np.maximum(np.rint(amounts * config.drift_factor), 1).astype(np.int64)
    share = min(NIGHT_SHARE_PER_FACTOR * max(config.drift_factor - 1, 0), LARGEST_NIGHT_SHARE)
    moved = random.random(len(seconds)) < share
    return inflated, np.where(moved, random.integers(0, NIGHT_ENDS, len(seconds)), seconds)


def _days_since_epoch(day: date) -> int:
    return int(np.datetime64(day, "D").astype(np.int64))


def _table(schema: pa.Schema, *columns: npt.NDArray[np.generic]) -> pa.Table:
    arrays = [
        pa.array(values).cast(field.type) for values, field in zip(columns, schema, strict=True)
    ]
    return pa.table(arrays, schema=schema)
