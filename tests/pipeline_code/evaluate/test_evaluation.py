"""The evaluation as a whole: always told in JSON, and the same in the job and in the backtest."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_code.common.exits import BadInput
from pipeline_code.evaluate.backtest import History
from pipeline_code.evaluate.entry import main
from pipeline_code.evaluate.evaluation import measured
from pipeline_code.evaluate.model_quality import binary_classification_metrics
from pipeline_code.evaluate.protocol import Fold
from pipeline_code.features.definitions import SCHEMA_VERSION, SCHEMA_VERSION_KEY
from pipeline_code.landing import prepare
from pipeline_code.train.model import fit
from pipeline_code.train.parameters import Parameters
from tests.pipeline_code.evaluate.conftest import archive
from tests.pipeline_code.evaluate.test_backtest import transactions
from tests.pipeline_code.quality.some_rows import Row, mixed_rows, random_rows, scored

QUICK = Parameters(rounds=5, max_depth=4)


@given(mixed_rows(), st.integers(1, 40))
@settings(max_examples=20, deadline=None)
def test_whatever_the_rows_every_figure_is_a_number(rows: list[Row], per_day: int) -> None:
    evaluation = measured(scored(rows), per_day)
    # A condition of the pipeline cannot read what is not JSON: NaN and infinity are none.
    json.dumps(evaluation.sections(), allow_nan=False)
    metrics = binary_classification_metrics(evaluation)
    json.dumps(metrics, allow_nan=False)
    assert all(0 <= metrics[name]["value"] <= 1 for name in evaluation.rates)
    assert 0 <= evaluation.card_recall <= 1
    assert 0 <= evaluation.bias <= 1


def test_the_cost_curve_has_the_reviews_there_are() -> None:
    evaluation = measured(random_rows(2000), 17)
    points = {point.per_day: point for point in evaluation.cost_curve}
    assert points[17].saved_share == evaluation.metrics["saved_share"].value
    assert list(points) == sorted(points)


def test_no_reviews_are_refused() -> None:
    with pytest.raises(BadInput, match="reviews_per_day must be at least 1, got 0"):
        measured(random_rows(100), 0)


def by_job(root: Path, monkeypatch: pytest.MonkeyPatch, fold: Fold) -> dict[str, Any]:
    """A fold by the evaluation job: its test window's rows, reports and model at the inputs."""
    history, landing = History.build(transactions()), prepare(transactions())
    training = fold.is_training(history.days)
    rows = history.rows.filter(training)
    first, last = rows.period()
    model = fit(rows.matrix(), rows.labels(), parameters=QUICK, first_event=first, last_event=last)
    inputs = root / "processing" / "input"
    for name in ("model", "test", "fraud_reports"):
        (inputs / name).mkdir(parents=True)
    archive(model, inputs / "model")
    window = history.rows.filter(fold.is_testing(history.days)).table
    labelled = window.replace_schema_metadata({SCHEMA_VERSION_KEY: SCHEMA_VERSION})
    pq.write_table(labelled, inputs / "test" / "part-00000.parquet")
    pq.write_table(landing.fraud_reports, inputs / "fraud_reports" / "part-0.parquet")
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(root))
    monkeypatch.delenv("MODEL_PACKAGE_GROUP", raising=False)
    assert main(["--average-precision-floor", "0", "--champion-tolerance", "1"]) == 0
    file = root / "processing" / "output" / "evaluation" / "evaluation.json"
    document: dict[str, Any] = json.loads(file.read_text())
    return document


def test_job_and_backtest_measure_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fold = Fold(train_start=date(2018, 6, 22))
    told = by_job(tmp_path, monkeypatch, fold)
    history = History.build(transactions())
    expected = history.run(fold, QUICK, reviews_per_day=100, report=None)
    metrics = told["binary_classification_metrics"]
    for name in ("auc_roc", "average_precision", "card_precision_at_100", "saved_share", "recall"):
        assert metrics[name]["value"] == expected[name]
    assert told["rows"]["test"] == expected["test_rows"]
    testing = int(np.sum(fold.is_testing(history.days)))
    assert told["rows"]["test_removed"] == testing - expected["test_rows"] > 0


def test_scenarios_come_from_the_file() -> None:
    data = transactions()
    told = History.build(data.append_column("fraud_scenario", data["is_fraud"].cast(pa.int8())))
    assert set(told.rows.scenarios()[told.labels == 1].tolist()) == {1}
    assert not told.rows.scenarios()[told.labels == 0].any()
