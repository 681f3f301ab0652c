"""A batch's input: nothing is lost, nothing is guessed, and every refusal says where and why."""

import csv
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.data.own.local import read_landing
from pipeline_code.batch.batch_input import REFUSED, BatchInput
from pipeline_code.common.exits import BadInput
from tests.pipeline_code.features.small_streams import Row, transactions_table, unhurried

HEADER = ["transaction_id", "event_time", "customer_id", "terminal_id", "amount"]
GOOD = ["7", "2025-03-01T10:00:00Z", "1", "2", "12.30"]
BROKEN = {
    "transaction_id": ["", "x", "-1", "1.5", str(2**63)],
    "event_time": ["", "yesterday", "1999-12-31T23:59:59Z", "2100-01-01T00:00:00Z", "2025"],
    "customer_id": ["", "-5", "1e3", "None"],
    "terminal_id": ["", "0x1"],
    "amount": ["", "1.234", "-1", "NaN", "inf", "1_0", "1000000000000000000"],
}


def write_csv(file: Path, rows: list[list[str]], header: list[str] = HEADER) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="") as out:
        csv.writer(out).writerows([header, *rows])


def read_rows(folder: Path, rows: list[list[str]], header: list[str] = HEADER) -> BatchInput:
    write_csv(folder / "rows.csv", rows, header)
    return BatchInput.read(folder)


def good(id_: int, **changed: str) -> list[str]:
    values = dict(zip(HEADER, GOOD, strict=True)) | {"transaction_id": str(id_)} | changed
    return [values[name] for name in HEADER]


def test_a_users_file_is_read_as_ingestion_reads_it(tmp_path: Path) -> None:
    rows = [
        good(5),
        good(3, event_time="2025-03-01T10:00:00.25Z"),
        good(4, event_time="2025-03-01T10:00:00+02:00", amount="0"),
    ]
    asked = read_rows(tmp_path / "in", rows)
    expected = read_landing(tmp_path / "in" / "rows.csv").transactions.sort_by("transaction_id")
    found = [asked.rows.ids, asked.rows.times, asked.rows.customers, asked.rows.terminals]
    columns = [expected.column(place).cast(pa.int64()).to_pylist() for place in range(5)]
    assert [[*map(int, values)] for values in (*found, asked.rows.amounts)] == columns
    assert asked.sources.tolist() == [[0, 1], [0, 2], [0, 0]]
    assert (asked.refused, asked.repeated, asked.total) == ([], 0, 3)


def test_parquet_of_the_lake_is_read_beside_csv(tmp_path: Path) -> None:
    lake = transactions_table([Row(id=1, time=10**15, customer=1, terminal=2, amount=33)])
    pq.write_table(lake, tmp_path / "day.parquet")
    (tmp_path / "_SUCCESS.csv").write_text("a mark of another program")
    asked = read_rows(tmp_path, [good(2)])
    assert asked.rows.amounts.tolist() == [33, 1230]
    assert asked.files == ["day.parquet", "rows.csv"]


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in BROKEN.items() for value in values]
)
def test_a_value_that_breaks_a_rule_refuses_its_row_alone(
    tmp_path: Path, name: str, value: str
) -> None:
    asked = read_rows(tmp_path, [good(1), good(2, **{name: value}), good(3)])
    (refused,) = asked.refused
    assert (refused.file, refused.row) == ("rows.csv", 1)
    assert refused.reason.startswith(f"{name} must be ")
    assert refused.reason.endswith(f"got {value!a}" if value else "got null")
    assert asked.rows.ids.tolist() == [1, 3]


@st.composite
def some_rows(draw: st.DrawFn) -> list[list[str]]:
    rows = []
    for _ in range(draw(st.integers(1, 12))):
        row = good(draw(st.integers(0, 5)), amount=draw(st.sampled_from(["1", "2"])))
        for place, name in enumerate(HEADER):
            if draw(st.integers(0, 9)) == 0:
                row[place] = draw(st.sampled_from(BROKEN[name]))
        rows.append(row[:4] if draw(st.integers(0, 9)) == 0 else row)
    return rows


@given(rows=some_rows())
@unhurried
def test_every_row_is_asked_about_repeated_or_refused(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]
) -> None:
    asked = read_rows(tmp_path_factory.mktemp("in"), rows)
    assert asked.total == len(rows)
    refused = {each.row for each in asked.refused}
    assert len(refused) == len(asked.refused)
    whole = {place: tuple(row) for place, row in enumerate(rows) if place not in refused}
    # Each id that is left has one meaning, and is asked about once.
    assert sorted(asked.rows.ids.tolist()) == sorted({int(row[0]) for row in whole.values()})
    assert len(set(whole.values())) == len(asked.rows)
    assert asked.repeated == len(whole) - len(asked.rows)
    # A refused row breaks a rule or shares its id with another meaning.
    for place in refused:
        row = rows[place]
        broken = len(row) < 5 or any(
            value in BROKEN[name] for name, value in zip(HEADER, row, strict=True)
        )
        assert broken or any(other[0] == row[0] and other != row for other in rows)


def test_ids_that_name_two_transactions_are_refused_with_all_their_rows(tmp_path: Path) -> None:
    asked = read_rows(tmp_path, [good(1), good(2), good(1, amount="9"), good(2), good(1)])
    assert [each.row for each in sorted(asked.refused, key=lambda each: each.row)] == [0, 2, 4]
    assert {each.transaction_id for each in asked.refused} == {"1"}
    assert "must name one transaction" in asked.refused[0].reason
    assert (asked.rows.ids.tolist(), asked.repeated) == ([2], 1)


def test_a_row_with_too_few_values_keeps_the_places_of_the_others(tmp_path: Path) -> None:
    asked = read_rows(tmp_path, [good(1), ["2", "x"], good(3, amount="none"), good(4)])
    found = {each.row: each.reason for each in asked.refused}
    assert "as many values as the header" in found[1]
    assert found[2].startswith("amount must be")
    assert asked.sources.tolist() == [[0, 0], [0, 3]]


def test_blank_lines_are_no_rows(tmp_path: Path) -> None:
    lines = [HEADER, [], good(1), [], [], ["2", "x"], good(3), []]
    (tmp_path / "rows.csv").write_text("".join(",".join(line) + "\n" for line in lines))
    asked = BatchInput.read(tmp_path)
    assert asked.rows.ids.tolist() == [1, 3]
    assert len(asked.refused) == 1
    assert asked.total == 3


def test_other_currencies_are_refused(tmp_path: Path) -> None:
    header = [*HEADER, "currency"]
    asked = read_rows(tmp_path, [[*good(1), "EUR"], [*good(2), "USD"], [*good(3), ""]], header)
    assert [each.reason for each in asked.refused] == [
        "currency must be EUR, got 'USD'",
        "currency must be EUR, got null",
    ]


def test_so_many_refused_rows_are_tolerated_and_no_more(tmp_path: Path) -> None:
    asked = read_rows(tmp_path, [good(id_) for id_ in range(9)] + [good(9, amount="x")])
    asked.check(0.1)
    with pytest.raises(
        BadInput, match=r"at most 9\.00%.*1 of 10 refused.*rows\.csv, row 9.*amount"
    ):
        asked.check(0.09)


def test_a_batch_without_any_good_row_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="1 of 1 refused"):
        read_rows(tmp_path, [good(1, amount="x")]).check(1.0)


@pytest.mark.parametrize("content", [None, "header"])
def test_an_input_without_rows_is_refused(tmp_path: Path, content: Any) -> None:
    if content:
        write_csv(tmp_path / "rows.csv", [])
    with pytest.raises(BadInput, match="at least one transaction"):
        BatchInput.read(tmp_path)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (HEADER[:4], "either amount or amount_minor"),
        ([*HEADER, "amount_minor"], "either amount or amount_minor"),
        ([*HEADER[1:], "id"], "columns must be transaction_id"),
        ([*HEADER, "amount"], "present once"),
    ],
)
def test_a_file_without_the_columns_is_refused(
    tmp_path: Path, header: list[str], message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        read_rows(tmp_path, [], header)


def test_what_is_no_parquet_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "day.parquet").write_text("no Parquet")
    with pytest.raises(BadInput, match=r"day\.parquet: file must be readable Parquet"):
        BatchInput.read(tmp_path)


def test_refused_rows_make_a_table(tmp_path: Path) -> None:
    asked = read_rows(tmp_path, [good(1), good(2, amount="x")])
    table = asked.refused_table()
    assert table.schema == REFUSED
    assert table["transaction_id"].to_pylist() == ["2"]
    assert asked.without(asked.rows.ids - 1, "for a reason").refused_table().num_rows == 2
