"""Reading a data set's folder."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_code.common.schema import (
    CUSTOMERS,
    TRANSACTIONS,
    data_files,
    open_file,
    read,
    types_of,
)


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


def test_times_as_firehose_writes_them_are_read_as_ours(tmp_path: Path) -> None:
    times = [
        datetime(2018, 4, 1, 10, 0, 0, 123456, tzinfo=UTC),
        # Nanoseconds, in which Arrow would read them, end in 2262.
        datetime(2500, 1, 1, tzinfo=UTC),
    ]
    row = {"transaction_id": 1, "customer_id": 2, "terminal_id": 3, "amount_minor": 4}
    table = pa.Table.from_pylist([{**row, "event_time": at} for at in times], schema=TRANSACTIONS)
    file = tmp_path / "part.parquet"
    pq.write_table(table, file, use_deprecated_int96_timestamps=True, store_schema=False)
    assert pq.read_metadata(file).schema.column(1).physical_type == "INT96"
    assert read(tmp_path, TRANSACTIONS).equals(table)
    with open_file(file) as parquet:
        assert types_of(parquet).equals(TRANSACTIONS)


def test_a_time_without_a_zone_that_is_not_firehoses_keeps_its_type(tmp_path: Path) -> None:
    file = tmp_path / "part.parquet"
    naive = pa.array([datetime(2018, 4, 1)], pa.timestamp("us"))
    pq.write_table(pa.table({"event_time": naive}), file)
    with open_file(file) as parquet:
        assert types_of(parquet).field("event_time").type == pa.timestamp("us")
