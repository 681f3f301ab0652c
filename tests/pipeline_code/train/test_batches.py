"""Rows reach the algorithm in one order and in equal portions, however their files are cut."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_code.common.exits import BadInput
from pipeline_code.features.definitions import FEATURE_NAMES, SCHEMA_VERSION
from pipeline_code.train import batches as module
from pipeline_code.train.algorithms import find_algorithm
from pipeline_code.train.batches import ArrayBatches, Batch, ParquetBatches, PeriodBatches
from pipeline_code.train.parameters import Parameters
from pipeline_code.train.rows import FeatureRows

from .conftest import make_rows

ROWS = make_rows(700)


def write(folder: Path, cuts: list[int], group_rows: int) -> Path:
    """The rows in as many files as the cuts make."""
    table = pa.table(ROWS).replace_schema_metadata({b"feature_schema_version": SCHEMA_VERSION})
    folder.mkdir(parents=True)
    edges = [0, *sorted(cuts), table.num_rows]
    for number, (start, end) in enumerate(pairwise(edges)):
        part = table.slice(start, end - start)
        pq.write_table(part, folder / f"part-{number:03}.parquet", row_group_size=group_rows)
    return folder


def joined(batches: module.Batches) -> Batch:
    parts = list(batches)
    return Batch(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in Batch.__slots__)
    )


@settings(max_examples=25, deadline=None)
@given(
    cuts=st.lists(st.integers(1, 699), max_size=4, unique=True),
    group_rows=st.integers(20, 800),
    shares=st.integers(1, 4),
    batch_rows=st.integers(1, 800),
)
def test_every_row_is_in_one_share_and_batches_are_full(
    tmp_path_factory: pytest.TempPathFactory,
    cuts: list[int],
    group_rows: int,
    shares: int,
    batch_rows: int,
) -> None:
    folder = write(tmp_path_factory.mktemp("rows") / "train", cuts, group_rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BATCH_ROWS", batch_rows)
        times = []
        for share in range(shares):
            opened = ParquetBatches.open(folder, "train", share, shares)
            parts = list(opened)
            assert all(len(part) == batch_rows for part in parts[:-1])
            assert 0 < len(parts[-1]) <= batch_rows
            times.append(np.concatenate([part.times for part in parts]))
    whole = FeatureRows.read(folder, "train")
    np.testing.assert_array_equal(np.sort(np.concatenate(times)), np.sort(whole.times()))


def test_parquet_and_arrays_give_the_same_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH_ROWS", 64)
    folder = write(tmp_path / "train", [101, 350], 90)
    rows = FeatureRows.read(folder, "train")
    array = Batch(rows.matrix(), rows.labels(), rows.times())
    streamed, kept = list(ParquetBatches.open(folder, "train")), list(ArrayBatches(array))
    assert len(streamed) == len(kept) == 11
    for one, other in zip(streamed, kept, strict=True):
        assert one.rows.tobytes() == other.rows.tobytes()
        assert one.labels.tobytes() == other.labels.tobytes()
        assert one.times.tobytes() == other.times.tobytes()


def test_a_period_leaves_out_what_is_before_and_after(tmp_path: Path) -> None:
    opened = ParquetBatches.open(write(tmp_path / "train", [300], 50), "train")
    times = joined(opened).times
    chosen = joined(PeriodBatches(opened, start=int(times[100]), end=int(times[200])))
    np.testing.assert_array_equal(chosen.times, times[100:200])
    assert not list(PeriodBatches(opened, start=int(times[-1]) + 1))


@pytest.mark.parametrize("rounds", [8])
def test_external_memory_learns_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rounds: int
) -> None:
    monkeypatch.setattr(module, "BATCH_ROWS", 100)
    opened = ParquetBatches.open(write(tmp_path / "train", [300], 50), "train")
    xgboost = find_algorithm("xgboost")
    made = []
    for cache in (None, tmp_path / "cache"):
        data = xgboost.prepare(opened, FEATURE_NAMES, cache=cache)
        boosting = xgboost.begin(data, FEATURE_NAMES, Parameters(rounds=rounds))
        for number in range(rounds):
            boosting.add_round(number)
        made.append(boosting.content(rounds))
    assert list(tmp_path.glob("cache*"))
    assert made[0] == made[1]


def test_a_reader_stops_where_a_file_breaks_a_rule(
    tmp_path: Path, write_rows: Callable[..., None]
) -> None:
    write_rows(tmp_path / "train", ROWS | {"is_fraud": pa.array([0.5] * 700)})
    with pytest.raises(BadInput, match=r"is_fraud must be 0 or 1, got 0\.5 in row 0"):
        list(ParquetBatches.open(tmp_path / "train", "train"))
