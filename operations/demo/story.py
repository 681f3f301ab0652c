"""The data that the demo plays: a history, a quiet week and a week that drifts."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from operations.data.events import Stream
from operations.data.own.local import read_landing
from operations.data.own.mapping import FileMapping
from operations.errors import OperationError
from pipeline_code.simulate.simulation import simulate
from pipeline_code.simulate.world import SimulationConfig

WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Scale:
    """How much the demo plays.

    Of a file, everyone's transactions are learned from and folded into the online store, since a
    terminal's risk comes from all who use it; only some customers' are asked about.

    Attributes:
        history_days: Days before the first scored week; features look back 38 days, and the
            training and test windows with the labels' delay take 28 more.
        scored_days: Length of the quiet and of the drifting period.
        customers: Card holders of the simulation, or those of the file that are asked about.
        drift_factor: What the amounts of the drifting period are multiplied by.
    """

    history_days: int = 70
    scored_days: int = 7
    customers: int = 200
    drift_factor: float = 2.0
    seed: int = 7


@dataclass(frozen=True)
class Story:
    """Events, and where the periods meet: history | quiet | drift.

    Attributes:
        customers: The registry of all customers.
        asked: Ids of the customers whose transactions the endpoint is asked about.
    """

    stream: Stream
    customers: pa.Table
    asked: pa.Array
    start: datetime
    quiet: datetime
    drift: datetime
    end: datetime


def simulated(scale: Scale) -> Story:
    """A story from the project's own simulator."""
    start = datetime(2025, 1, 1, tzinfo=UTC)
    quiet = start + timedelta(days=scale.history_days)
    drift = quiet + timedelta(days=scale.scored_days)
    end = drift + timedelta(days=scale.scored_days)
    world = simulate(
        SimulationConfig(
            start=start.date(),
            days=(end - start).days,
            customers=scale.customers,
            terminals=2 * scale.customers,
            seed=scale.seed,
            drift_start=drift.date(),
            drift_factor=scale.drift_factor,
        )
    )
    stream = Stream(world.transactions, world.fraud_reports)
    everyone = world.customers["customer_id"].combine_chunks()
    return Story(stream, world.customers, everyone, start, quiet, drift, end)


def from_file(file: Path, scale: Scale, mapping: FileMapping | None = None) -> Story:
    """A story from the last days of a file.

    The file's last days are real; the drift is put into them by multiplying their amounts.

    Raises:
        OperationError: If the file spans fewer days than the story needs.
    """
    landing = read_landing(file, mapping)
    transactions = landing.transactions.sort_by("event_time")
    reports = landing.fraud_reports
    last = pc.max(transactions["event_time"]).as_py()
    end = last.replace(hour=0, minute=0, second=0, microsecond=0)
    drift = end - timedelta(days=scale.scored_days)
    quiet = drift - timedelta(days=scale.scored_days)
    start = quiet - timedelta(days=scale.history_days)
    first = pc.min(transactions["event_time"]).as_py()
    if first > start:
        raise OperationError(
            f"file must span {(end - start).days} days, got {(last - first).days} in {file}; "
            "give a longer history"
        )
    # A report of a transaction before the story would be of one that the lake does not have.
    reports = reports.filter(
        pc.greater_equal(reports["event_time"], pa.scalar(start, reports["event_time"].type))
    )
    stream = Stream(transactions, reports).between(start, end)
    stream = Stream(_inflate(stream.transactions, drift, scale.drift_factor), stream.fraud_reports)
    asked = _some_customers(landing.customers, scale)
    return Story(stream, landing.customers, asked, start, quiet, drift, end)


def _some_customers(customers: pa.Table, scale: Scale) -> pa.Array:
    everyone = customers["customer_id"].to_numpy()
    count = min(scale.customers, len(everyone))
    chosen = np.random.default_rng(scale.seed).choice(everyone, count, replace=False)
    return pa.array(np.sort(chosen), pa.int64())


def _inflate(transactions: pa.Table, since: datetime, factor: float) -> pa.Table:
    amounts = transactions["amount_minor"].to_numpy().copy()
    times = transactions["event_time"]
    late = pc.greater_equal(times, pa.scalar(since, times.type)).to_numpy()
    amounts[late] = np.rint(amounts[late] * factor).astype(np.int64)
    index = transactions.schema.get_field_index("amount_minor")
    return transactions.set_column(index, "amount_minor", pa.array(amounts, pa.int64()))
