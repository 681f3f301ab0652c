"""Feature rows in which fraud can be learnt, and what an evaluation job finds at its inputs."""

import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_code.common.model_digest import model_digest
from pipeline_code.evaluate.assessment import Artifact, Assessment
from pipeline_code.evaluate.evaluation import evaluate
from pipeline_code.evaluate.gate import Candidate, Champion, Limits, decide
from pipeline_code.features.definitions import FEATURE_NAMES, SCHEMA_VERSION, SCHEMA_VERSION_KEY
from pipeline_code.quality.importance import importances
from pipeline_code.quality.scored import ScoredRows
from pipeline_code.train.archive import unpacked
from pipeline_code.train.model import Model, fit
from pipeline_code.train.parameters import Parameters
from pipeline_code.train.rows import FeatureRows

DAY = 86_400_000_000
# 2018-07-01, the day on which the training rows begin.
START = 1_530_403_200_000_000


def feature_table(first_day: int, days: int, seed: int, rows_a_day: int = 400) -> pa.Table:
    """Rows of so many days; frauds are the large amounts at risky terminals, with some noise."""
    generator = np.random.default_rng(seed)
    count = days * rows_a_day
    columns: dict[str, Any] = {name: generator.integers(0, 50, count) for name in FEATURE_NAMES}
    amount = generator.integers(100, 40_000, count)
    risk = generator.random(count)
    fraud = (amount > 24_000) & (risk > 0.8) | (generator.random(count) < 0.003)
    time = START + first_day * DAY + np.arange(count) * (DAY // rows_a_day)
    columns |= {
        "transaction_id": np.arange(count) + first_day * rows_a_day,
        "event_time": pa.array(time).cast(pa.timestamp("us", tz="UTC")),
        "customer_id": generator.integers(0, 300, count),
        "terminal_id": generator.integers(0, 100, count),
        "amount_minor": amount,
        "terminal_risk_7d": risk,
        "is_fraud": fraud.astype(np.int8),
    }
    return pa.table(columns, metadata={SCHEMA_VERSION_KEY: SCHEMA_VERSION})


def fit_rows(table: pa.Table, rounds: int = 60) -> Model:
    rows = FeatureRows(table)
    first, last = rows.period()
    return fit(
        rows.matrix(),
        rows.labels(),
        parameters=Parameters(rounds=rounds, trees_per_round=4, max_depth=4, row_share=0.7),
        first_event=first,
        last_event=last,
    )


def digest_of(archive: Path) -> str:
    """The digest of the files in a model.tar.gz."""
    with unpacked(archive) as folder:
        return model_digest(folder)


def archive(model: Model, folder: Path) -> Path:
    """A model.tar.gz as SageMaker makes it of a training job's model folder."""
    model.save(folder / "unpacked")
    file = folder / "model.tar.gz"
    with tarfile.open(file, "w:gz") as tar:
        for part in sorted((folder / "unpacked").iterdir()):
            tar.add(part, part.name)
    return file


@pytest.fixture(scope="session")
def train_table() -> pa.Table:
    return feature_table(0, 7, seed=1)


@pytest.fixture(scope="session")
def test_table() -> pa.Table:
    return feature_table(14, 7, seed=2)


@pytest.fixture(scope="session")
def trained(train_table: pa.Table) -> Model:
    return fit_rows(train_table)


@pytest.fixture
def job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained: Model, test_table: pa.Table
) -> Path:
    """The root of an evaluation job whose inputs are in place."""
    return prepare_job(tmp_path, monkeypatch, trained, test_table)


def prepare_job(
    root: Path, monkeypatch: pytest.MonkeyPatch, trained: Model, test_table: pa.Table
) -> Path:
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(root))
    monkeypatch.delenv("MODEL_PACKAGE_GROUP", raising=False)
    inputs = root / "processing" / "input"
    (inputs / "model").mkdir(parents=True)
    archive(trained, inputs / "model")
    (inputs / "test").mkdir()
    pq.write_table(test_table, inputs / "test" / "part-0.parquet")
    return root


@pytest.fixture(scope="session")
def assessment(trained: Model, train_table: pa.Table, test_table: pa.Table) -> Assessment:
    """A good model that has passed the gate against a weaker champion."""
    rows = FeatureRows(test_table)
    evaluation = evaluate(trained, rows, reviews_per_day=20)
    candidate = Candidate(
        average_precision=evaluation.metrics["average_precision"].value,
        bias=evaluation.bias,
        calibration=evaluation.calibration.expected_calibration_error,
        latency=0.25,
        size=0.5,
    )
    return Assessment(
        metadata=trained.metadata,
        evaluation=evaluation,
        importances=importances(trained, rows.matrix()),
        removed=41,
        rival=ScoredRows.of(fit_rows(train_table, rounds=2), rows),
        gate=decide(candidate, Champion(arn="arn:champion", average_precision=0.5), Limits()),
        artifact=Artifact(sha256="ab" * 32, digest="cd" * 32, size=0.5, latency=0.25),
    )
