"""A simulated world, a model trained in it, and the weeks that it then scores."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline_code.captures.chunks import Chunk
from pipeline_code.captures.ground_truth import LabelledRecords
from pipeline_code.features.batch import compute
from pipeline_code.features.windows import Period
from pipeline_code.quality.reviews import CardDays
from pipeline_code.quality.scored import ScoredRows
from pipeline_code.simulate.simulation import simulate
from pipeline_code.simulate.world import SimulationConfig
from pipeline_code.train.batches import LABEL
from pipeline_code.train.model import Model, fit
from pipeline_code.train.parameters import Parameters
from pipeline_code.train.rows import FeatureRows
from tests.pipeline_code.monitor import model_weeks

START = date(2024, 1, 1)
DAY = timedelta(days=1)
WEEK = timedelta(days=7)
HISTORY_DAYS = 42
REVIEWS_PER_DAY = 20


@dataclass(frozen=True)
class ScoredWeeks:
    """Week 0 is what the model was evaluated on; the weeks after it are traffic."""

    model: Model
    rows: pa.Table
    threshold: float

    def week(self, number: int) -> FeatureRows:
        """The rows of a week, from 0 on."""
        start = _day(HISTORY_DAYS) + number * WEEK
        return FeatureRows(self.rows.filter(pa.array(Period(start, start + WEEK).mask(self.rows))))

    def scored(self, number: int) -> ScoredRows:
        """A week as evaluation has it."""
        return ScoredRows.of(self.model, self.week(number))

    def labelled(
        self, number: int, labels: npt.NDArray[np.int8] | None = None, size: int = 5_000
    ) -> list[LabelledRecords]:
        """A week as captures and ground truth tell it; with other labels, if some are given."""
        week = self.week(number)
        scores = self.model.predict(week.matrix()).astype(np.float64)
        predictions = model_weeks.predictions(week, scores, [None] * len(week))
        known = week.labels() if labels is None else labels
        return [
            labelled(predictions.slice(start, size), known[start : start + size])
            for start in range(0, len(week), size)
        ]


def scored_weeks(*, customers: int, weeks: int, seed: int) -> ScoredWeeks:
    """Simulates the world, trains a small model on a week of it, and leaves the labels' delay."""
    landing = simulate(
        SimulationConfig(
            start=START,
            days=HISTORY_DAYS + 7 * weeks,
            customers=customers,
            terminals=2 * customers,
            seed=seed,
        )
    ).landing()
    rows = compute(landing.transactions, landing.fraud_reports)
    reported = pc.is_in(rows["transaction_id"], landing.fraud_reports["transaction_id"])
    rows = rows.append_column(LABEL, reported.cast(pa.int8()))
    train = FeatureRows(
        rows.filter(pa.array(Period(_day(HISTORY_DAYS - 21), _day(HISTORY_DAYS - 7)).mask(rows)))
    )
    first, last = train.period()
    model = fit(
        train.matrix(),
        train.labels(),
        parameters=Parameters(rounds=20, trees_per_round=2, max_depth=5),
        first_event=first,
        last_event=last,
    )
    world = ScoredWeeks(model, rows, threshold=0.0)
    threshold = CardDays.of(world.scored(0)).threshold(REVIEWS_PER_DAY)
    return ScoredWeeks(model, rows, threshold)


def labelled(predictions: pa.Table, labels: npt.NDArray[np.int8]) -> LabelledRecords:
    """Predictions whose features nobody asks for."""
    nothing = np.zeros(0, np.int64)
    empty = np.zeros((0, predictions.num_rows))
    return LabelledRecords(Chunk((), empty, nothing, nothing, predictions), labels)


def _day(number: int) -> datetime:
    return datetime(START.year, START.month, START.day, tzinfo=UTC) + number * DAY
