"""Every rule is kept by good data, and named with file, row and value when it is broken."""

import json
import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from pipeline_code.__main__ import main
from pipeline_code.check import check_folders, check_landing
from pipeline_code.check.findings import EXAMPLES_PER_RULE
from pipeline_code.common.lake import write
from pipeline_code.common.schema import CUSTOMERS
from pipeline_code.landing import prepare
from pipeline_code.simulate import SimulationConfig, simulate

SIMULATION = simulate(
    SimulationConfig(start=date(2018, 4, 1), days=5, customers=30, terminals=40, seed=3)
)
Change = Callable[[pa.Table], pa.Table]


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A good lake, placed as the inputs of a processing job."""
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    folder = tmp_path / "processing" / "input"
    write(SIMULATION.landing(), folder)
    return folder


def only_file(folder: Path) -> Path:
    (file,) = folder.glob("*.parquet")
    return file


def change(lake: Path, folder: str, how: Change) -> str:
    """Rewrites one file of the lake; returns its name as the lake has it."""
    file = only_file(lake / folder)
    # Without this, Arrow would take the folder's name for a column.
    pq.write_table(how(pq.read_table(file, partitioning=None)), file)
    return file.relative_to(lake).as_posix()


def with_value(name: str, row: int, value: object) -> Change:
    def how(table: pa.Table) -> pa.Table:
        field = table.schema.field(name)
        values = table[name].to_pylist()
        values[row] = value
        return table.set_column(table.column_names.index(name), field, pa.array(values, field.type))

    return how


def message(lake: Path) -> str:
    """Runs the entry; returns what SageMaker would show."""
    assert main(["check"]) == 1
    return (lake.parents[1] / "output" / "message").read_text()


def document(lake: Path) -> dict[str, Any]:
    file = lake.parent / "output" / "report" / "check.json"
    return dict(json.loads(file.read_text()))


DAY = "transactions/event_date=2018-04-03"
REPORTS = "fraud_reports/report_date=2018-04-10"


def test_good_data_passes(lake: Path) -> None:
    assert main(["check"]) == 0
    content = document(lake)
    assert content["passed"] is True
    assert content["violations"] == {}
    assert content["rows"] == {
        "transactions": SIMULATION.transactions.num_rows,
        "fraud_reports": SIMULATION.fraud_reports.num_rows,
    }
    assert content["files"]["transactions"] == 5


def as_type(name: str, wanted: pa.DataType) -> Change:
    def how(table: pa.Table) -> pa.Table:
        return table.set_column(table.column_names.index(name), name, table[name].cast(wanted))

    return how


def text_amount(table: pa.Table) -> pa.Table:
    values = [str(value) for value in table["amount_minor"].to_pylist()]
    values[4] = "12,50"
    return table.set_column(4, "amount_minor", pa.array(values))


@pytest.mark.parametrize(
    ("folder", "how", "row", "words"),
    [
        (DAY, with_value("amount_minor", 7, -5), 7, ["negative_amount", "got -5"]),
        (DAY, with_value("terminal_id", 3, None), 3, ["null", "terminal_id"]),
        (
            DAY,
            with_value("event_time", 0, datetime(2018, 4, 2, 23, 59, 59, tzinfo=UTC)),
            0,
            ["outside_partition", "2018-04-03", "2018-04-02T23:59:59"],
        ),
        (DAY, lambda table: table.drop(["amount_minor"]), 0, ["missing_column", "amount_minor"]),
        (
            DAY,
            lambda table: table.append_column("amount", table["amount_minor"]),
            0,
            ["extra_column", "got amount"],
        ),
        (
            DAY,
            lambda table: table.append_column("customer_id", table["customer_id"]),
            0,
            ["duplicate_column", "customer_id"],
        ),
        (
            DAY,
            as_type("terminal_id", pa.int32()),
            0,
            ["wrong_type", "terminal_id must be of type int64, got int32"],
        ),
        (
            DAY,
            as_type("terminal_id", pa.string()),
            0,
            ["wrong_type", "terminal_id must be of type int64, got string (rows count from 0)"],
        ),
        (DAY, text_amount, 4, ["wrong_type", "amount_minor", "got string", "'12,50'"]),
        (
            DAY,
            as_type("event_time", pa.timestamp("us")),
            0,
            ["wrong_type", "event_time", "timestamp[us, tz=UTC]"],
        ),
        (
            REPORTS,
            with_value("event_time", 1, datetime(2018, 4, 10, 23, 59, 59, 999_999, tzinfo=UTC)),
            1,
            ["report_before_transaction", "2018-04-10T23:59:59"],
        ),
        (
            REPORTS,
            with_value("transaction_id", 0, 4),
            0,
            ["unknown_transaction", "must be in transactions/"],
        ),
        (REPORTS, with_value("customer_id", 1, 29), 1, ["contradicts_transaction", "customer_id"]),
        (
            REPORTS,
            with_value("report_time", 1, datetime(2018, 4, 11, tzinfo=UTC)),
            1,
            ["outside_partition", "report_time"],
        ),
    ],
)
def test_a_broken_rule_names_file_row_and_value(
    lake: Path, folder: str, how: Change, row: int, words: list[str]
) -> None:
    file = change(lake, folder, how)
    text = message(lake)
    assert text.startswith(f"{file}, row {row}: {words[0]}: ")
    for word in words:
        assert word in text
    assert "(rows count from 0)" in text
    example = document(lake)["violations"][words[0]]["examples"][0]
    assert (example["file"], example["row"]) == (file, row)


def test_a_duplicate_within_a_file(lake: Path) -> None:
    first = pq.read_table(only_file(lake / DAY), partitioning=None)["transaction_id"][3].as_py()
    file = change(lake, DAY, with_value("transaction_id", 9, first))
    text = message(lake)
    assert text.startswith(f"{file}, row 9: duplicate_transaction: ")
    assert f"got that of {file}, row 3" in text
    # It is logged.
    assert str(first) not in text.replace(file, "")


def test_a_duplicate_across_files_names_both(lake: Path) -> None:
    other = only_file(lake / "transactions/event_date=2018-04-01")
    id_ = pq.read_table(other, partitioning=None)["transaction_id"][2].as_py()
    file = change(lake, DAY, with_value("transaction_id", 0, id_))
    text = message(lake)
    assert text.startswith(f"{file}, row 0: duplicate_transaction: ")
    assert f"got that of {other.relative_to(lake).as_posix()}, row 2" in text


def test_a_file_that_landed_twice_is_a_note_that_counts_its_rows(lake: Path) -> None:
    file = only_file(lake / DAY)
    (file.parent / "zz-copy.parquet").write_bytes(file.read_bytes())
    assert main(["check"]) == 0
    rows = pq.read_metadata(file).num_rows
    assert document(lake)["notes"] == {"repeated_transactions": rows}


def test_a_file_that_landed_again_with_other_values_is_refused(lake: Path) -> None:
    file = only_file(lake / DAY)
    table = pq.read_table(file, partitioning=None)
    cheaper = table.set_column(4, "amount_minor", pc.subtract(table["amount_minor"], 1))
    pq.write_table(cheaper, file.parent / "zz-copy.parquet")
    assert message(lake).startswith(f"{DAY}/zz-copy.parquet, row 0: duplicate_transaction: ")
    found = document(lake)["violations"]["duplicate_transaction"]
    assert found["count"] == table.num_rows
    assert len(found["examples"]) == EXAMPLES_PER_RULE


def test_a_report_that_comes_again_is_a_note(lake: Path) -> None:
    change(lake, REPORTS, lambda table: pa.concat_tables([table, table.slice(0, 1)]))
    report = check_folders(transactions=lake / "transactions", fraud_reports=lake / "fraud_reports")
    assert (report.counts, report.notes) == ({}, {"repeated_reports": 1})


def test_another_report_of_a_transaction(lake: Path) -> None:
    def with_another(table: pa.Table) -> pa.Table:
        other = table.slice(0, 1)
        scenario = pc.add(other["fraud_scenario"], pa.scalar(1, pa.int8()))
        return pa.concat_tables([table, other.set_column(5, "fraud_scenario", scenario)])

    file = change(lake, REPORTS, with_another)
    report = check_folders(transactions=lake / "transactions", fraud_reports=lake / "fraud_reports")
    assert report.counts == {"duplicate_report": 1}
    assert report.violations[0].file == file


def test_a_file_that_firehose_wrote_is_checked_as_ours(lake: Path) -> None:
    file = only_file(lake / DAY)
    pq.write_table(
        pq.read_table(file, partitioning=None),
        file,
        use_deprecated_int96_timestamps=True,
        store_schema=False,
    )
    assert main(["check"]) == 0


def test_a_row_of_firehose_in_the_wrong_folder_is_named(lake: Path) -> None:
    def how(table: pa.Table) -> pa.Table:
        return with_value("event_time", 2, datetime(2018, 4, 9, tzinfo=UTC))(table)

    file = change(lake, DAY, how)
    table = pq.read_table(lake / file, partitioning=None)
    pq.write_table(table, lake / file, use_deprecated_int96_timestamps=True, store_schema=False)
    assert message(lake).startswith(f"{file}, row 2: outside_partition: ")


def test_corrupt_files_are_named(lake: Path) -> None:
    whole = only_file(lake / DAY)
    whole.write_bytes(whole.read_bytes()[:-20])
    text = message(lake)
    assert text.startswith(f"{whole.relative_to(lake).as_posix()}: unreadable: ")
    # Reports of its transactions are not blamed for it.
    assert list(document(lake)["violations"]) == ["unreadable"]


def test_pages_that_are_corrupt_behind_a_good_footer(lake: Path) -> None:
    file = only_file(lake / DAY)
    content = bytearray(file.read_bytes())
    content[4:400] = bytes(396)
    file.write_bytes(content)
    assert "unreadable" in message(lake)


def test_a_file_outside_of_its_folder(lake: Path) -> None:
    file = only_file(lake / DAY)
    for place in ("part.parquet", "event_date=yesterday/part.parquet"):
        (lake / "transactions" / place).parent.mkdir(exist_ok=True)
        (lake / "transactions" / place).write_bytes(file.read_bytes())
    report = check_folders(transactions=lake / "transactions", fraud_reports=lake / "fraud_reports")
    assert report.counts == {"wrong_folder": 2}
    assert "event_date=YYYY-MM-DD" in report.message()


def test_a_file_of_another_kind(lake: Path) -> None:
    (lake / DAY / "rows.csv").write_text("1,2\n")
    (lake / DAY / "_SUCCESS").write_text("")
    assert message(lake).startswith(f"{DAY}/rows.csv: unexpected_file: ")


def test_no_data_at_all(lake: Path) -> None:
    for file in (lake / "transactions").rglob("*.parquet"):
        file.unlink()
    assert message(lake).startswith("transactions/: empty: ")


def test_an_empty_registry_is_found_before_a_file_lands() -> None:
    report = check_landing(prepare(user_rows()), "week.parquet", CUSTOMERS.empty_table())
    assert report.counts == {"empty": 1}
    assert report.message().startswith("customers/: empty: ")


def test_whose_transactions_the_lake_holds_does_not_matter(lake: Path) -> None:
    """The stream lands transactions of whoever comes; no ingestion has registered them."""
    shutil.rmtree(lake / "customers")
    assert main(["check"]) == 0
    assert document(lake)["passed"] is True


def test_a_lake_without_reports_is_good(lake: Path) -> None:
    for file in (lake / "fraud_reports").rglob("*.parquet"):
        file.unlink()
    assert main(["check"]) == 0


def test_all_violations_are_counted_and_few_are_shown(lake: Path) -> None:
    zeros = lambda table: table.set_column(  # noqa: E731
        4, "amount_minor", pa.array([-1] * table.num_rows)
    )
    change(lake, DAY, zeros)
    rows = pq.read_metadata(only_file(lake / DAY)).num_rows
    change(lake, "transactions/event_date=2018-04-04", with_value("terminal_id", 1, None))
    text = message(lake)
    assert rows > EXAMPLES_PER_RULE
    assert f"and {rows} more violations" in text
    assert f"negative_amount {rows}" in text
    found = document(lake)["violations"]
    assert found["negative_amount"]["count"] == rows
    assert len(found["negative_amount"]["examples"]) == EXAMPLES_PER_RULE
    assert found["null"]["count"] == 1


def test_rows_are_counted_over_the_pieces_of_a_file(
    lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline_code.check.sources.BATCH_ROWS", 3)
    change(lake, DAY, with_value("amount_minor", 10, -1))
    assert ", row 10: negative_amount" in message(lake)
    change(lake, DAY, text_amount)
    assert ", row 4: wrong_type" in message(lake)


def user_rows(**columns: list[object]) -> pa.Table:
    start = datetime(2018, 4, 1, tzinfo=UTC)
    rows = {
        "transaction_id": [3, 1, 2],
        "event_time": [start + timedelta(days=day) for day in (2, 1, 0)],
        "customer_id": [5, 6, 5],
        "terminal_id": [1, 1, 1],
        "amount": [1.0, 2.0, 3.0],
        "is_fraud": [1, 0, 0],
    }
    return pa.table({**rows, **columns})


def test_a_users_file_is_checked_by_its_own_rows() -> None:
    landing = prepare(user_rows())
    assert check_landing(landing, "week.parquet").passed
    report = check_landing(landing, "week.parquet", pa.table({"customer_id": [5]}))
    assert str(report.violations[0]).startswith("week.parquet, row 1: unknown_customer: ")
    assert "6" not in report.message()


def test_a_users_bad_row_is_found_before_it_lands() -> None:
    report = check_landing(prepare(user_rows(transaction_id=[3, 1, 3])), "week.parquet")
    found = [(violation.rule, violation.row) for violation in report.violations]
    assert found == [("duplicate_transaction", 2)]
