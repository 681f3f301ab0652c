"""A job's private `/opt/ml`, and feature rows in which fraud can be learnt."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_code.features.definitions import FEATURE_NAMES, SCHEMA_VERSION

START = 1_530_000_000_000_000


@pytest.fixture
def ml_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root under which the job's inputs and outputs lie."""
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    return tmp_path


def make_rows(count: int = 2000, seed: int = 1) -> dict[str, pa.Array]:
    """Columns of feature rows; frauds are the large amounts at risky terminals, with some noise."""
    generator = np.random.default_rng(seed)
    columns = {name: pa.array(generator.integers(0, 50, count)) for name in FEATURE_NAMES}
    amount = generator.integers(100, 40_000, count)
    risk = generator.random(count)
    fraud = (amount > 22_000) & (risk > 0.7) | (generator.random(count) < 0.005)
    return columns | {
        "transaction_id": pa.array(np.arange(count)),
        "event_time": pa.array(START + np.arange(count) * 60_000_000).cast(
            pa.timestamp("us", tz="UTC")
        ),
        "customer_id": pa.array(generator.integers(0, 100, count)),
        "terminal_id": pa.array(generator.integers(0, 100, count)),
        "amount_minor": pa.array(amount),
        "terminal_risk_7d": pa.array(risk),
        "is_fraud": pa.array(fraud.astype(np.int8)),
    }


@pytest.fixture
def write_rows() -> Callable[..., None]:
    """Writes feature rows as `features` does."""

    def write(folder: Path, columns: dict[str, pa.Array], version: str | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        key = {} if version == "" else {b"feature_schema_version": version or SCHEMA_VERSION}
        table = pa.table(columns).replace_schema_metadata(key)
        pq.write_table(table, folder / "part-0.parquet")

    return write
