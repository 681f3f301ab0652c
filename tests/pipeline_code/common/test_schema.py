"""Reading a data set's folder."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_code.common.schema import CUSTOMERS, TRANSACTIONS, data_files, read


def test_a_folder_without_files_is_an_empty_table(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        assert read(folder, TRANSACTIONS).equals(TRANSACTIONS.empty_table())


def test_files_come_in_name_order_and_marks_are_not_data(tmp_path: Path) -> None:
    for name, ids in (("b", [3]), ("a", [2, 1]), ("_partial", [9]), (".hidden", [8])):
        pq.write_table(pa.table({"customer_id": ids}), tmp_path / f"{name}.parquet")
    (tmp_path / "notes.txt").write_text("not data")
    assert [file.name for file in data_files(tmp_path)] == ["a.parquet", "b.parquet"]
    assert read(tmp_path, CUSTOMERS)["customer_id"].to_pylist() == [2, 1, 3]


def test_partitions_are_not_read_back_as_columns(tmp_path: Path) -> None:
    folder = tmp_path / "event_date=2018-04-01"
    folder.mkdir()
    pq.write_table(TRANSACTIONS.empty_table(), folder / "part.parquet")
    assert read(tmp_path, TRANSACTIONS).schema.equals(TRANSACTIONS)


def test_a_value_that_does_not_fit_the_schema_is_an_error(tmp_path: Path) -> None:
    pq.write_table(pa.table({"customer_id": [1.5]}), tmp_path / "part.parquet")
    with pytest.raises(pa.ArrowInvalid):
        read(tmp_path, CUSTOMERS)
