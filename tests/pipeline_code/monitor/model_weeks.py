"""A small model of simulated customers, its test week, and weeks that come later."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline_code.captures.chunks import PREDICTIONS, Chunk
from pipeline_code.captures.ground_truth import LabelledRecords
from pipeline_code.features.batch import compute
from pipeline_code.features.definitions import FEATURE_NAMES
from pipeline_code.features.windows import Period, Windows
from pipeline_code.monitor.attribution.baseline import compute as compute_attribution
from pipeline_code.monitor.bias.baseline import compute as compute_bias
from pipeline_code.quality.importance import ExplainedSample
from pipeline_code.quality.reviews import CardDays
from pipeline_code.quality.scored import ScoredRows
from pipeline_code.simulate.simulation import simulate
from pipeline_code.simulate.world import SimulationConfig
from pipeline_code.train.batches import LABEL
from pipeline_code.train.model import Model, fit
from pipeline_code.train.parameters import Parameters
from pipeline_code.train.rows import FeatureRows

START = date(2024, 1, 1)
HISTORY_DAYS = 66
DAY = timedelta(days=1)
BIAS_LIMIT = 0.3


@dataclass(frozen=True, eq=False)
class Weeks:
    """A model, the rows it was tested on, and the rows of the week after its training."""

    model: Model
    test: FeatureRows
    live: FeatureRows


@lru_cache(maxsize=4)
def weeks(customers: int = 300, seed: int = 0, factor: float = 1.0) -> Weeks:
    """One world; in the live week amounts are multiplied by the factor."""
    end = datetime(START.year, START.month, START.day, tzinfo=UTC) + HISTORY_DAYS * DAY
    landing = simulate(
        SimulationConfig(
            start=START,
            days=HISTORY_DAYS + 7,
            customers=customers,
            terminals=2 * customers,
            seed=seed,
            drift_start=None if factor == 1 else START + HISTORY_DAYS * DAY,
            drift_factor=factor,
        )
    ).landing()
    table = compute(landing.transactions, landing.fraud_reports)
    reported = pc.is_in(table["transaction_id"], landing.fraud_reports["transaction_id"])
    table = table.append_column(LABEL, reported.cast(pa.int8()))
    windows = Windows(as_of=end, train_days=7, test_days=7)
    train, test, live = (
        FeatureRows(table.filter(pa.array(period.mask(table))))
        for period in (windows.train, windows.test, Period(end, end + 7 * DAY))
    )
    model = fit(
        train.matrix(),
        train.labels(),
        parameters=Parameters(rounds=15, trees_per_round=2, max_depth=4),
    )
    return Weeks(model, test, live)


def chunks(matrix: np.ndarray, size: int = 1_000) -> Iterator[Chunk]:
    """Feature rows as a reader gives them."""
    for start in range(0, len(matrix), size):
        values = matrix[start : start + size].T.astype(np.float64)
        yield Chunk(
            names=FEATURE_NAMES,
            values=values,
            missing=np.isnan(values).sum(axis=1),
            wrong=np.zeros(len(values), np.int64),
        )


def labelled(
    rows: FeatureRows,
    scores: np.ndarray,
    *,
    labels: np.ndarray | None = None,
    decisions: Sequence[str | None] | None = None,
    size: int = 1_000,
) -> Iterator[LabelledRecords]:
    """Predictions about these rows and what became of them; the rows' own labels if omitted."""
    told = predictions(rows, scores, [None] * len(rows) if decisions is None else decisions)
    known = (rows.labels() if labels is None else labels).astype(np.int8)
    for place, chunk in enumerate(chunks(rows.matrix(), size)):
        part = slice(place * size, place * size + chunk.records)
        predicted = told.slice(part.start, chunk.records)
        yield LabelledRecords(replace(chunk, predictions=predicted), known[part])


def predictions(
    rows: FeatureRows,
    scores: Sequence[float] | np.ndarray,
    decisions: Sequence[str | None],
) -> pa.Table:
    """What a reader tells of the predictions about these rows."""
    count = len(rows)
    return pa.table(
        [
            pa.array([f"request-{place}" for place in range(count)]),
            rows.table["event_time"].cast(pa.timestamp("us", tz="UTC")),
            rows.table["transaction_id"],
            rows.table["event_time"].cast(pa.timestamp("us", tz="UTC")),
            rows.table["customer_id"].cast(pa.int64()),
            rows.table["terminal_id"].cast(pa.int64()),
            pa.array(np.asarray(scores, np.float64)),
            pa.array(decisions, pa.string()),
            pa.array([False] * count),
            pa.array(["arn:model/1"] * count),
        ],
        schema=PREDICTIONS,
    )


def attribution_baseline(week: Weeks) -> tuple[Any, Any]:
    """The documents of a model's test week; they may be changed."""
    statistics, constraints = json.loads(_attribution_text(week))
    return statistics, constraints


@lru_cache(maxsize=4)
def _attribution_text(week: Weeks) -> str:
    explained = ExplainedSample.of(week.model, week.test.matrix())
    return json.dumps(compute_attribution(explained, week.test))


def bias_baseline(week: Weeks) -> tuple[Any, Any, float]:
    """The documents of a model whose users look at one card in fifty each day, and the score."""
    scored = ScoredRows.of(week.model, week.test)
    threshold = CardDays.of(scored).threshold(max(5, len(np.unique(scored.customers)) // 50))
    return *compute_bias(scored, threshold=threshold, limit=BIAS_LIMIT), threshold


def live_scores(week: Weeks) -> np.ndarray:
    return week.model.predict(week.live.matrix()).astype(np.float64)
