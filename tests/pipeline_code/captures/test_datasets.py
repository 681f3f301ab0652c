"""A batch's rows are the same records in every format that Model Monitor knows."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from pipeline_code.captures import datasets
from pipeline_code.captures.chunks import Chunk, Tally
from pipeline_code.captures.datasets import DatasetFormat, Kind, score_chunks
from pipeline_code.captures.interval import Interval
from pipeline_code.captures.reading import read_chunks
from pipeline_code.common.exits import BadInput
from pipeline_code.features.definitions import FEATURE_NAMES

ROWS = 40
PARQUET = DatasetFormat(Kind.PARQUET)


def read(folder: Path, form: DatasetFormat) -> tuple[list[Chunk], Tally]:
    tally = Tally()
    return list(read_chunks(folder, form, Interval(), tally)), tally


@pytest.fixture
def table() -> pa.Table:
    values = np.random.default_rng(1).random((len(FEATURE_NAMES), ROWS)).round(3)
    return pa.table(dict(zip(FEATURE_NAMES, values, strict=True)))


@pytest.mark.parametrize(
    "form",
    [
        DatasetFormat(Kind.CSV),
        DatasetFormat(Kind.CSV, header=True),
        DatasetFormat(Kind.JSON_LINES),
        DatasetFormat(Kind.PARQUET),
    ],
)
def test_every_format_holds_the_same(tmp_path: Path, table: pa.Table, form: DatasetFormat) -> None:
    scores = pa.table({"score": np.linspace(0, 1, ROWS)})
    for name, given in (("rows", table), ("rows.out", scores)):
        file = tmp_path / name
        if form.kind is Kind.PARQUET:
            pq.write_table(given, file)
        elif form.kind is Kind.CSV:
            pa_csv.write_csv(given, file, pa_csv.WriteOptions(include_header=form.header))
        else:
            file.write_text("\n".join(map(json.dumps, given.to_pylist())))
    (chunk,), tally = read(tmp_path, form)
    assert tally == Tally(records=ROWS, files=2)
    assert chunk.names == FEATURE_NAMES
    for name, values in zip(chunk.names, chunk.values.tolist(), strict=True):
        assert values == table[name].to_pylist()
    (answers,) = score_chunks(tmp_path, form)
    assert (answers.names, answers.values[0].tolist()) == (("score",), scores["score"].to_pylist())


def test_what_is_missing_or_no_number_is_counted(tmp_path: Path, table: pa.Table) -> None:
    first, second = FEATURE_NAMES[:2]
    table = table.set_column(0, first, pa.array([None, float("nan"), *[1.0] * (ROWS - 2)]))
    table = table.set_column(1, second, pa.array(["many"] * ROWS))
    pq.write_table(table.append_column("customer_id", pa.array(range(ROWS))), tmp_path / "a")
    (chunk,), _ = read(tmp_path, PARQUET)
    assert (chunk.missing[0], chunk.wrong[0]) == (1, 1)
    assert (chunk.missing[1], chunk.wrong[1]) == (0, ROWS)
    assert np.isnan(chunk.values[1]).all()
    # Whom a row is about is no feature; anything else would be told as a column too many.
    assert chunk.names == FEATURE_NAMES


def test_a_large_file_is_read_some_rows_at_a_time(
    tmp_path: Path, table: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets, "ROWS_AT_ONCE", 15)
    pq.write_table(table, tmp_path / "a")
    chunks, tally = read(tmp_path, PARQUET)
    assert [chunk.records for chunk in chunks] == [15, 15, 10]
    assert tally == Tally(records=ROWS, files=1)
    whole = np.concatenate([chunk.values for chunk in chunks], axis=1)
    np.testing.assert_array_equal(whole[0], table[FEATURE_NAMES[0]])


def test_no_files_are_no_records(tmp_path: Path) -> None:
    assert read(tmp_path, PARQUET) == ([], Tally())
    assert list(score_chunks(tmp_path, PARQUET)) == []


def test_files_that_differ_are_refused(tmp_path: Path, table: pa.Table) -> None:
    pq.write_table(table, tmp_path / "a")
    pq.write_table(table.drop_columns([FEATURE_NAMES[3]]), tmp_path / "b")
    with pytest.raises(BadInput, match=f"same columns, got {FEATURE_NAMES[3]}"):
        read(tmp_path, PARQUET)


@pytest.mark.parametrize("kind", [Kind.PARQUET, Kind.JSON_LINES, Kind.CSV])
def test_a_file_of_another_format_is_refused_by_name(tmp_path: Path, kind: Kind) -> None:
    (tmp_path / "part").write_text("{")
    with pytest.raises(BadInput, match=f"part: file must be readable {kind}"):
        read(tmp_path, DatasetFormat(kind))
