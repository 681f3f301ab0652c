"""The baseline from files of training rows."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_code.common.exits import BadInput
from pipeline_code.features.definitions import FEATURES, SCHEMA_VERSION
from pipeline_code.monitor.data_quality import baseline as data_quality_baseline
from pipeline_code.monitor.data_quality.analysis import analyze
from pipeline_code.monitor.data_quality.baseline import compute, compute_of_rows
from tests.pipeline_code.monitor.documented_forms import check
from tests.pipeline_code.monitor.feature_chunks import chunk_of

METADATA = {b"feature_schema_version": SCHEMA_VERSION.encode(), b"history_days": b"20"}


def training_rows(count: int, seed: int = 0) -> pa.Table:
    random = np.random.default_rng(seed)
    start = np.datetime64("2024-01-01", "us").astype(np.int64)
    moments = start + np.sort(random.integers(0, 7 * 86_400_000_000, count))
    columns: dict[str, Any] = {
        "event_time": pa.array(moments, pa.timestamp("us", tz="UTC")),
        "customer_id": random.integers(0, count // 10, count),
        "terminal_id": random.integers(0, count // 5, count),
    }
    for feature in FEATURES:
        drawn: np.ndarray = random.lognormal(3, 1, count)
        if feature.unit == "0 or 1":
            drawn = random.integers(0, 2, count)
        whole = feature.store_type == "Integral"
        columns[feature.name] = (np.round(drawn) if whole else drawn).astype(np.float32)
    return pa.table(columns).replace_schema_metadata(METADATA)


ROWS = training_rows(3_000)


def write(folder: Path, *tables: pa.Table) -> Path:
    for place, table in enumerate(tables):
        pq.write_table(table, folder / f"part-{place}.parquet", row_group_size=700)
    return folder


def test_files_make_the_baseline_that_their_rows_make(tmp_path: Path) -> None:
    documents = compute(write(tmp_path, ROWS.slice(0, 1_100), ROWS.slice(1_100)))
    assert documents == compute_of_rows(ROWS, history_days=20)


def test_the_order_of_rows_changes_no_count(tmp_path: Path) -> None:
    shuffled = ROWS.take(np.random.default_rng(1).permutation(ROWS.num_rows))
    first, second = compute_of_rows(ROWS, 60)[0], compute_of_rows(shuffled, 60)[0]
    for one, other in zip(first["features"], second["features"], strict=True):
        kinds = [f["numerical_statistics"]["distribution"] for f in (one, other)]
        assert kinds[0] == kinds[1]


def test_a_large_baseline_is_drawn_from_by_some_of_its_owners(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(data_quality_baseline, "MOST_DRAWN_FROM", 1_000)
    statistics, constraints = compute_of_rows(ROWS, 60)
    check("constraints", constraints)
    assert statistics["dataset"]["item_count"] == ROWS.num_rows
    comparison = constraints["features"][0]["monitoringConfigOverrides"]["distribution_constraints"]
    largest = comparison["small_sample_allowance"]["records"][-1]
    assert 300 < largest < 700
    assert analyze([chunk_of(training_rows(3_000, 1))], statistics, constraints).broken == ()


def test_windows_that_were_not_full_are_not_compared(tmp_path: Path) -> None:
    _, constraints = compute(write(tmp_path, ROWS))
    comparisons = {
        feature["name"]: feature["monitoringConfigOverrides"]["distribution_constraints"]
        for feature in constraints["features"]
    }
    assert comparisons["customer_count_7d"]["perform_comparison"] == "Enabled"
    month = comparisons["customer_count_30d"]
    assert month["perform_comparison"] == "Disabled"
    assert "needs 30 days of history" in month["reason"]
    assert "follows the calendar" in comparisons["is_night"]["reason"]


def test_flags_have_a_domain_and_counts_have_none(tmp_path: Path) -> None:
    _, constraints = compute(write(tmp_path, ROWS))
    domains = {
        feature["name"]: feature["string_constraints"]["domains"]
        for feature in constraints["features"]
        if "string_constraints" in feature
    }
    assert domains == {"is_weekend": ["0", "1"], "is_night": ["0", "1"]}


@pytest.mark.parametrize("column", ["event_time", "customer_id", "amount_minor"])
def test_a_null_is_refused_by_its_file_and_column(tmp_path: Path, column: str) -> None:
    place = ROWS.schema.get_field_index(column)
    nulls = pa.nulls(ROWS.num_rows, ROWS.schema.field(column).type)
    write(tmp_path, ROWS, ROWS.set_column(place, column, nulls))
    with pytest.raises(BadInput, match=f"part-1.parquet column {column} must have a value in"):
        compute(tmp_path)


def test_files_without_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="train must hold at least one row, got none"):
        compute(write(tmp_path, ROWS.slice(0, 0)))
