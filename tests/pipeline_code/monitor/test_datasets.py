"""A batch's rows are the same records in every format that Model Monitor knows."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from pipeline_code.common.exits import BadInput
from pipeline_code.features.definitions import FEATURE_NAMES
from pipeline_code.monitor.datasets import DatasetFormat, Kind, read_dataset

ROWS = 40


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
    records = read_dataset(tmp_path, form)
    assert (records.count, records.files) == (ROWS, 2)
    assert list(records.columns) == list(FEATURE_NAMES)
    for name, column in records.columns.items():
        assert column.numbers.tolist() == table[name].to_pylist()
    assert records.scores is not None
    assert records.scores.numbers.tolist() == scores["score"].to_pylist()


def test_what_is_missing_or_no_number_is_counted(tmp_path: Path, table: pa.Table) -> None:
    first, second = FEATURE_NAMES[:2]
    table = table.set_column(0, first, pa.array([None, float("nan"), *[1.0] * (ROWS - 2)]))
    table = table.set_column(1, second, pa.array(["many"] * ROWS))
    pq.write_table(table.append_column("customer_id", pa.array(range(ROWS))), tmp_path / "a")
    columns = read_dataset(tmp_path, DatasetFormat(Kind.PARQUET)).columns
    assert (columns[first].missing, columns[first].wrong) == (1, 1)
    assert (columns[second].present, columns[second].wrong) == (ROWS, ROWS)
    # Whom a row is about is no feature; anything else would be told as a column too many.
    assert list(columns) == list(FEATURE_NAMES)


def test_no_files_are_no_records(tmp_path: Path) -> None:
    records = read_dataset(tmp_path, DatasetFormat(Kind.PARQUET))
    assert (records.count, records.columns, records.scores) == (0, {}, None)


def test_files_that_differ_are_refused(tmp_path: Path, table: pa.Table) -> None:
    pq.write_table(table, tmp_path / "a")
    pq.write_table(table.drop_columns([FEATURE_NAMES[3]]), tmp_path / "b")
    with pytest.raises(BadInput, match=f"same columns, got {FEATURE_NAMES[3]}"):
        read_dataset(tmp_path, DatasetFormat(Kind.PARQUET))


@pytest.mark.parametrize("kind", [Kind.PARQUET, Kind.JSON_LINES, Kind.CSV])
def test_a_file_of_another_format_is_refused_by_name(tmp_path: Path, kind: Kind) -> None:
    (tmp_path / "part").write_text("{")
    with pytest.raises(BadInput, match=f"part: file must be readable {kind}"):
        read_dataset(tmp_path, DatasetFormat(kind))
