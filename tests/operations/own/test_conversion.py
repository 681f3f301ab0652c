"""A mapped file lands as it would had it been written in the lake's columns; no fault is untold."""

import gzip
import io
import json
import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operations.data.own.conversion import OwnFile, read_own
from operations.data.own.faults import listing
from operations.data.own.identifiers import DICTIONARY, Identifiers
from operations.data.own.kept import write_kept
from operations.data.own.mapping import FileMapping
from operations.data.own.settings import read_mapping
from pipeline_code.common.exits import BadInput
from pipeline_code.common.lake import write
from pipeline_code.common.schema import read
from pipeline_code.simulate.simulation import simulate
from pipeline_code.simulate.world import SimulationConfig
from tests.operations.own import other_bank

from .stores import Store

Row = dict[str, Any]
THEIRS = {
    "number": "transaction_id",
    "at": "event_time",
    "card": "customer_id",
    "shop": "terminal_id",
    "sum": "amount",
    "label": "is_fraud",
}


def own_file(path: Path, mapping: FileMapping, folder: Path | None = None) -> OwnFile:
    """The file; what it becomes is written to the folder."""
    identifiers = Identifiers(Store())
    own = read_own(path, mapping, identifiers)
    if folder is not None:
        assert own.examination.findings.report().passed, own.examination.findings.report().message()
        write(own.examination.landing, folder)
        write_kept(own, identifiers, folder)
    return own


def read_text(folder: Path, text: str, *columns: str, name: str = "f.csv", **more: Any) -> OwnFile:
    (folder / name).write_text(text)
    return own_file(folder / name, read_mapping(columns=columns, **more))


def rows_of(own: OwnFile) -> list[Row]:
    assert own.examination.findings.counts == {}
    rows: list[Row] = own.examination.landing.transactions.to_pylist()
    return rows


def contents(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*.parquet")
    }


def write_rows(file: Path, rows: list[Row]) -> None:
    """The rows in the form that the file's name says."""
    rows = [dict(sorted(row.items())) for row in rows]
    table, kinds, sink = pa.Table.from_pylist(rows), file.suffixes, io.BytesIO()
    if ".parquet" in kinds:
        pq.write_table(table, sink)
    elif ".csv" in kinds:
        pa_csv.write_csv(table, sink)
    else:
        sink.write("".join(json.dumps(row) + "\n" for row in rows).encode())
    data = sink.getvalue()
    file.write_bytes(gzip.compress(data) if kinds[-1] == ".gz" else data)


made_rows = st.lists(
    st.fixed_dictionaries(
        {
            "number": st.integers(0, 2**62).map(lambda number: f"t{number}"),
            "at": st.datetimes(datetime(1990, 1, 1), datetime(2020, 1, 1)).map(str),
            "card": st.integers(0, 9).map(lambda number: f"card {number}"),
            "shop": st.integers(0, 9),
            "sum": st.integers(0, 10**9).map(lambda cents: cents / 100),
            "label": st.integers(0, 1),
            "colour": st.sampled_from(["red", "blue"]),
        }
    ),
    min_size=1,
    max_size=20,
    unique_by=lambda row: row["number"],
)
forms = st.sampled_from([".csv", ".jsonl", ".parquet"]).flatmap(
    lambda kind: st.sampled_from([kind, f"{kind}.gz"])
)


@settings(max_examples=15)
@given(made_rows, forms, forms)
def test_mapped_is_as_renamed_by_hand_in_every_form(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Row], form: str, other: str
) -> None:
    folder = tmp_path_factory.mktemp("files")
    write_rows(folder / f"theirs{form}", rows)
    renamed = [{THEIRS.get(name, name): value for name, value in row.items()} for row in rows]
    write_rows(folder / f"ours{other}", renamed)
    mapping = read_mapping(columns=[f"{a}={b}" for a, b in THEIRS.items()])
    theirs = own_file(folder / f"theirs{form}", mapping, folder / "one")
    ours = own_file(folder / f"ours{other}", FileMapping(), folder / "other")
    for own in (theirs, ours):
        assert own.kept["colour"].to_pylist() == [row["colour"] for row in rows]
        assert own.names is not None
        assert own.names.to_pylist() == [row["number"] for row in rows]
    lake = [
        {name: data for name, data in contents(folder / part).items() if "own_data/c" not in name}
        for part in ("one", "other")
    ]
    assert lake[0] == lake[1]


@settings(max_examples=10)
@given(made_rows, st.randoms(use_true_random=False), st.booleans())
def test_a_file_in_another_order_is_the_same_file(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Row], chance: random.Random, named: bool
) -> None:
    """With ids of its own, and with ids that are made, where rows may be quite alike."""
    folder, mapping = tmp_path_factory.mktemp("files"), dict(THEIRS)
    if not named:
        rows = [{n: v for n, v in row.items() if n != "number"} for row in rows]
        rows += chance.sample(rows, len(rows) // 2)
        del mapping["number"]
    options = read_mapping(columns=[f"{a}={b}" for a, b in mapping.items()])
    write_rows(folder / "one.csv", rows)
    write_rows(folder / "other.csv", chance.sample(rows, len(rows)))
    own = own_file(folder / "one.csv", options, folder / "lake")
    assert len(set(own.kept["transaction_id"].to_pylist())) == len(rows)
    before = contents(folder / "lake")
    own_file(folder / "other.csv", options, folder / "lake")
    assert contents(folder / "lake") == before


BROKEN = {
    "at": ["yesterday", "2019-02-30 10:00:00", "1522576800", ""],
    "card": ["", "-4", "1.5"],
    "shop": ["", "-0.5"],
    "sum": ["ten", "1.234", "-1", "", "1,000.00", "$5"],
    "label": ["2", "maybe", ""],
}
faults = st.lists(
    st.sampled_from(sorted(BROKEN)).flatmap(
        lambda name: st.tuples(st.just(name), st.sampled_from(BROKEN[name]), st.integers(0, 39))
    ),
    max_size=25,
    unique_by=lambda fault: (fault[0], fault[2]),
)


@settings(max_examples=25)
@given(faults, st.sets(st.integers(0, 40), max_size=3))
def test_every_fault_of_a_file_is_told(
    tmp_path_factory: pytest.TempPathFactory,
    injected: list[tuple[str, str, int]],
    short: set[int],
) -> None:
    """Each with its row, its rule and how often that is broken; rows count on past broken ones."""
    rows: list[list[str]] = [
        [f"t{place}", "2019-03-01 10:00:00", f"c{place % 3}", "s", "12.50", "0"]
        for place in range(40)
    ]
    for name, value, place in injected:
        rows[place][list(THEIRS).index(name)] = value
    lines = [";".join(row) for row in rows]
    for row in sorted(short):
        lines.insert(row, "too;short")
    numbers = [row for row, line in enumerate(lines) if line != "too;short"]
    folder = tmp_path_factory.mktemp("files")
    (folder / "f.csv").write_text("\n".join([";".join(THEIRS), *lines]))
    found = own_file(
        folder / "f.csv", read_mapping(columns=[f"{a}={b}" for a, b in THEIRS.items()])
    ).examination
    expected = Counter(THEIRS[name] for name, _, _ in injected)
    expected.update({"row": len(short)} if short else {})
    assert Counter(found.findings.counts) == expected
    report = found.findings.report()
    told = {(each.rule, each.row) for each in report.violations}
    wanted = {(THEIRS[name], numbers[place]) for name, _, place in injected}
    wanted |= {("row", row) for row, line in enumerate(lines) if line == "too;short"}
    assert told <= wanted
    assert len(told) == sum(min(count, 10) for count in expected.values())
    if expected:
        text = listing("f.csv", report)
        assert all(f"\n  {rule}: " in text for rule in expected)
    whole = [
        n
        for n, place in zip(numbers, range(40), strict=True)
        if place not in {place for _, _, place in injected}
    ]
    assert found.rows.tolist() == whole


AT = "transaction_id,customer_id,terminal_id,amount,event_time\n1,1,1,1,"


@pytest.mark.parametrize(
    ("text", "options", "moment"),
    [
        ("2024-07-01 12:00:00", {"time_zone": "Europe/Berlin"}, "2024-07-01T10:00"),
        ("2024-07-01", {"time_zone": "Europe/Berlin"}, "2024-06-30T22:00"),
        ("2024-07-01T12:00:00Z", {"time_zone": "Europe/Berlin"}, "2024-07-01T12:00"),
        ("2024-07-01 12:00+05:30", {"time_zone": "Europe/Berlin"}, "2024-07-01T06:30"),
        # Shown twice: the second time counts. Never shown: half an hour after the clock jumped.
        ("2024-10-27 02:30:00", {"time_zone": "Europe/Berlin"}, "2024-10-27T01:30"),
        ("2024-03-31 02:30:00", {"time_zone": "Europe/Berlin"}, "2024-03-31T01:30"),
        ("1719835200", {"settings": ["time.format=seconds"]}, "2024-07-01T12:00"),
        ("1719835200.5", {"settings": ["time.format=seconds"]}, "2024-07-01T12:00:00.5"),
        ("1719835200123", {"settings": ["time.format=milliseconds"]}, "2024-07-01T12:00:00.123"),
        ("36", {"settings": ["time.format=hours since 2024-07-01"]}, "2024-07-02T12:00"),
        (
            "36",
            {"settings": ["time.format=hours since 2024-07-01"], "time_zone": "Europe/Berlin"},
            "2024-07-02T10:00",
        ),
        ("1/7/2024 2:05 PM", {"settings": ["time.format=%d/%m/%Y %I:%M %p"]}, "2024-07-01T14:05"),
        (
            "20240701 14:05",
            {"settings": ["time.format=['%d.%m.%Y', '%Y%m%d %H:%M']"]},
            "2024-07-01T14:05",
        ),
        ("01Jul24 14:05 +0200", {"settings": ["time.format=%d%b%y %H:%M %z"]}, "2024-07-01T12:05"),
    ],
)
def test_times(tmp_path: Path, text: str, options: dict[str, Any], moment: str) -> None:
    (row,) = rows_of(read_text(tmp_path, AT + text, **options))
    assert row["event_time"] == datetime.fromisoformat(moment).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "settings", "minor"),
    [
        ("12.30", [], 1230),
        ("+12", [], 1200),
        ("12.30 €", [], 1230),
        ("EUR 12.30", [], 1230),
        ("$134.09", ["amount.currency=USD"], 13409),
        ("134.09 USD", ["amount.currency=$"], 13409),
        ("1.234,5", ["amount.decimal=','", "amount.thousands='.'"], 123450),
        ("1 234.50", ["amount.thousands=' '"], 123450),
        ("85.64999999999999", [], 8565),
        ("999999999999.99", [], 99999999999999),
        ("1234", ["amount.minor=true"], 1234),
        ("0.125", ["amount.round=true"], 12),
    ],
)
def test_amounts(tmp_path: Path, text: str, settings: list[str], minor: int) -> None:
    header = "transaction_id;event_time;customer_id;terminal_id;amount"
    line = f"1;2024-07-01;1;1;{text}"
    (row,) = rows_of(read_text(tmp_path, f"{header}\n{line}", settings=settings))
    assert row["amount_minor"] == minor


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("$1.00", []),
        ("1.00 €", ["amount.currency=USD"]),
        ("1,50", []),
        ("12.5", ["amount.minor=true"]),
        ("1e3", []),
        ("nan", []),
        ("inf", []),
        ("-1.00", []),
        ("$-1.00", ["amount.currency=$"]),
        ("1000000000000", []),
        ("€", []),
    ],
)
def test_what_is_no_amount(tmp_path: Path, text: str, settings: list[str]) -> None:
    header = "transaction_id;event_time;customer_id;terminal_id;amount"
    line = f"1;2024-07-01;1;1;{text}"
    own = read_text(tmp_path, f"{header}\n{line}", settings=settings)
    assert own.examination.findings.counts == {"amount": 1}


LABELLED = "customer_id,terminal_id,amount,event_time,is_fraud"


@pytest.mark.parametrize(
    ("marks", "settings", "frauds"),
    [
        (["0", "1", "0.0", "1.0"], [], [1, 3]),
        (["No", "Yes", "n", "TRUE"], [], [1, 3]),
        (["", "CB", "ok", "cb"], ["fraud.values=CB"], [1, 3]),
        (["1", "2", "3", ""], ["fraud.values=[2, 3]"], [1, 2]),
    ],
)
def test_marks_of_fraud_become_reports(
    tmp_path: Path, marks: list[str], settings: list[str], frauds: list[int]
) -> None:
    lines = [f"{place},1,1,2024-07-01,{mark}" for place, mark in enumerate(marks)]
    own = read_text(
        tmp_path,
        "\n".join([LABELLED, *lines]),
        settings=[*settings, "fraud.report_delay_days=2"],
    )
    rows_of(own)
    reports = own.examination.landing.fraud_reports.to_pylist()
    assert [report["customer_id"] for report in reports] == frauds
    delays = {report["report_time"] - report["event_time"] for report in reports}
    assert delays == {timedelta(days=2)}
    assert own.examination.assumed_reports == len(frauds)


def test_refunds_are_left_out_if_the_mapping_says_so(tmp_path: Path) -> None:
    text = f"{LABELLED}\n1,1,-5.00,2024-07-01,0\n2,,-1.00,2024-07-01,0\n3,1,7.00,2024-07-01,0"
    own = read_text(tmp_path, text, settings=["amount.negative=leave out"])
    assert [row["customer_id"] for row in rows_of(own)] == [3]
    assert (own.total, own.left_out) == (3, 2)


def test_columns_are_joined_or_the_same_everywhere(tmp_path: Path) -> None:
    text = "User,Card,Year,Month,Day,Time,Amount\n0,12,2002,9,1,06:21,1\n01,2,2002,9,1,06:21,1"
    (tmp_path / "m.json").write_text(
        json.dumps(
            {
                "columns": {
                    "customer_id": ["User", "Card"],
                    "event_time": ["Year", "Month", "Day", "Time"],
                    "amount": "Amount",
                },
                "constants": {"terminal_id": 7},
                "time": {"format": "%Y %m %d %H:%M"},
            }
        )
    )
    (tmp_path / "f.csv").write_text(text)
    one, other = rows_of(own_file(tmp_path / "f.csv", read_mapping(tmp_path / "m.json")))
    assert one["customer_id"] != other["customer_id"]
    assert one["event_time"] == datetime(2002, 9, 1, 6, 21, tzinfo=UTC)
    assert one["terminal_id"] == 7


def test_numbers_may_be_names(tmp_path: Path) -> None:
    text = "customer_id,terminal_id,amount,event_time\n4000123412341234,-7,1,2024-07-01"
    own = read_text(tmp_path, text, settings=["hash=['customer_id', 'terminal_id']"])
    (row,) = rows_of(own)
    assert row["customer_id"] != 4000123412341234
    assert own.columns["transaction_id"] == "made of the others"


def test_all_else_is_kept_by_name(tmp_path: Path) -> None:
    text = "transaction_id,event_time,customer_id,terminal_id,amount,,a,a,secret\n"
    text += "t1,2024-07-01,1,1,5,0,x,y,z\n"
    own = read_text(tmp_path, text, settings=["leave_out=secret"])
    (row,) = rows_of(own)
    (kept,) = own.kept.to_pylist()
    assert kept == {
        "transaction_id": row["transaction_id"],
        "transaction_id (file)": "t1",
        "column 5": "0",
        "a (1)": "x",
        "a (2)": "y",
    }


def test_columns_that_are_missing_are_told_together_with_what_may_be_meant(tmp_path: Path) -> None:
    own = read_text(tmp_path, "card_no,merchant,ts,amt,label\n1,2,3,4,5", "lable=is_fraud")
    text = listing("f.csv", own.examination.findings.report())
    assert "column lable of is_fraud must be in the file" in text
    assert "is it label?" in text
    assert "--map ts=event_time --map card_no=customer_id --map merchant=terminal_id" in text
    assert "--set constants.terminal_id=0" in text


def test_two_columns_of_one_name_are_told_apart(tmp_path: Path) -> None:
    text = "at,account,account,amount\n2024-07-01,anna,shop,5\n"
    columns = ["at=event_time", "account (1)=customer_id", "account (2)=terminal_id"]
    own = read_text(tmp_path, text, *columns)
    rows_of(own)
    assert own.kept.column_names == ["transaction_id"]


def test_a_part_of_an_id_may_be_missing_but_not_all(tmp_path: Path) -> None:
    text = "at,a,b,terminal_id,amount\n2024-07-01,1,,1,5\n2024-07-01,,1,1,5\n2024-07-01,,,1,5\n"
    own = read_text(tmp_path, text, "at=event_time", "a+b=customer_id")
    report = own.examination.findings.report()
    assert [(each.rule, each.row) for each in report.violations] == [("customer_id", 2)]
    customers = own.examination.landing.transactions["customer_id"].to_pylist()
    assert len({*customers}) == 2


@pytest.mark.parametrize("delimiter", [",", ";", "|", "\t"])
def test_a_delimiter_is_seen_in_the_header(tmp_path: Path, delimiter: str) -> None:
    text = "\ufefftransaction_id,event_time,customer_id,terminal_id,amount\n1,2024-07-01,1,1,5"
    (row,) = rows_of(read_text(tmp_path, text.replace(",", delimiter)))
    assert row["transaction_id"] == 1


def test_objects_are_seen_whatever_the_files_name_is(tmp_path: Path) -> None:
    text = '{"event_time": "2024-07-01T10:00:00", "customer_id": 1, "terminal_id": 1, "amount": 5'
    own = read_text(tmp_path, f'{text}, "is_fraud": true}}\n', name="transactions.txt")
    assert len(rows_of(own)) == own.examination.landing.fraud_reports.num_rows == 1


def test_lines_of_json_that_are_no_objects_are_told(tmp_path: Path) -> None:
    good = '{"transaction_id": 1, "event_time": "2024-07-01", "customer_id": "1"'
    good += ', "terminal_id": 1, "amount": 12.5, "more": {"a": [1]}}'
    own = read_text(tmp_path, f"{good}\n{{bad\n\n[1]\n{good}\n", name="f.jsonl")
    report = own.examination.findings.report()
    assert [(each.rule, each.row) for each in report.violations] == [("row", 1), ("row", 3)]
    assert own.examination.rows.tolist() == [0, 4]
    assert own.kept["more"].to_pylist() == ['{"a":[1]}'] * 2


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("f.pkl", b"x", "must be CSV"),
        ("f.csv.gz", b"no gzip", "readable CSV"),
        ("f.parquet.gz", gzip.compress(b"PAR1 no more", mtime=0), "readable Parquet"),
        ("f.jsonl", b"[1]\n[2]\n", "JSON object a line"),
        ("f.csv", b"a,b\n\xff\xfe,1\n", "readable CSV.*UTF8"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(BadInput, match=rf"{name}.*{message}|{message}"):
        own_file(tmp_path / name, FileMapping())


def test_the_example_takes_the_other_banks_file(tmp_path: Path) -> None:
    """What its columns become is what they were made of, but for the ids."""
    world = simulate(SimulationConfig(start=date(2025, 3, 20), days=12, customers=20, terminals=30))
    other_bank.write_file(tmp_path / "bank.csv.gz", world.transactions, world.fraud_reports)
    own = own_file(tmp_path / "bank.csv.gz", read_mapping(other_bank.MAPPING), tmp_path / "lake")
    landing = own.examination.landing
    for name in ("event_time", "amount_minor"):
        assert landing.transactions[name].to_pylist() == world.transactions[name].to_pylist()
    assert landing.fraud_reports["report_time"].to_pylist() == (
        world.fraud_reports.sort_by([("event_time", "ascending")])["report_time"].to_pylist()
    )
    names = read(tmp_path / "lake/own_data/identifiers/customer", DICTIONARY)
    texts = dict(zip(names["id"].to_pylist(), names["text"].to_pylist(), strict=True))
    cards = [texts[each] for each in landing.transactions["customer_id"].to_pylist()]
    assert cards == [
        other_bank.card(each) for each in world.transactions["customer_id"].to_pylist()
    ]
    assert own.kept.column_names == ["transaction_id", "channel"]
