"""A user's file brought into a lake: all of it or nothing, once, and with what was beside it."""

import gzip
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from operations.data.ingestion import ingest
from operations.data.own.lake_store import LakeStore, make_key
from operations.data.own.mapping import Times
from operations.data.own.preview import preview
from operations.data.own.receipts import Receipts
from operations.data.own.scoring_inputs import mapped_input, read_transactions
from operations.data.own.settings import read_mapping
from operations.errors import OperationError
from operations.target import Target
from pipeline_code.common.schema import CUSTOMERS, TRANSACTIONS
from pipeline_code.contracts.pipelines import FINGERPRINTED_PREFIXES

HEADER = "number,at,card,shop,sum,colour,label"
LINES = [
    "t1,2024-07-01 10:00:00,anna,s1,12.50,red,0",
    "t2,2024-07-02 10:00:00,anna,s2,7.00,blue,1",
    "t3,2024-07-02 11:00:00,ben,s2,1.00,red,0",
]
MAPPING = read_mapping(
    columns=[
        "number=transaction_id",
        "at=event_time",
        "card=customer_id",
        "shop=terminal_id",
        "sum=amount",
        "label=is_fraud",
    ]
)
OPTIONS: dict[str, Any] = {"online": False, "register_customers": False}


@pytest.fixture
def target(target_with: Callable[..., Target], request: pytest.FixtureRequest) -> Target:
    """An environment that has a raw bucket and nothing else."""
    bucket = f"raw-{abs(hash(request.node.name))}"
    made = target_with(RawBucketName=bucket)
    made.client("s3").create_bucket(Bucket=bucket)
    return made


def write_lines(folder: Path, *lines: str, name: str = "week.csv") -> Path:
    file = folder / name
    file.write_text("\n".join([HEADER, *lines]))
    return file


def bring(target: Target, file: Path, **more: Any) -> dict[str, Any]:
    return ingest(target, file, mapping=MAPPING, **{**OPTIONS, **more})


def objects(target: Target, prefix: str = "") -> dict[str, bytes]:
    s3, bucket = target.client("s3"), target.output("RawBucketName")
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    return {
        item["Key"]: s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read() for item in listed
    }


def rows(target: Target, prefix: str) -> list[dict[str, Any]]:
    files = [pq.read_table(io.BytesIO(body)) for body in objects(target, prefix).values()]
    found: list[dict[str, Any]] = pa.concat_tables(files).to_pylist()
    return found


def test_a_file_comes_in_once_and_all_that_it_says_is_kept(target: Target, tmp_path: Path) -> None:
    file = write_lines(tmp_path, *LINES)
    result = bring(target, file)
    assert (result["transactions"], result["fraud_reports"]) == (3, 1)
    assert result["kept_columns"] == ["number", "colour"]
    assert result["assumed_report_times"] == 1
    before = objects(target)
    bring(target, file)
    bring(target, write_lines(tmp_path, *reversed(LINES)))
    after = objects(target)
    # It is another file, of the same rows.
    assert {key for key in after if key not in before} <= {*objects(target, "own_data/files/")}
    assert before.items() <= after.items()

    names = {row["id"]: row["text"] for row in rows(target, "own_data/identifiers/customer/")}
    kept = {row["transaction_id"]: row for row in rows(target, "own_data/columns/")}
    found = {
        kept[row["transaction_id"]]["number"]: (
            names[row["customer_id"]],
            kept[row["transaction_id"]]["colour"],
        )
        for row in rows(target, "transactions/")
    }
    assert found == {"t1": ("anna", "red"), "t2": ("anna", "blue"), "t3": ("ben", "red")}
    # What is kept is no part of what models are made of, nor of what a version of the data is.
    assert not any("own_data/".startswith(prefix) for prefix in FINGERPRINTED_PREFIXES)


def test_ids_are_those_of_the_files_before(target: Target, tmp_path: Path) -> None:
    bring(target, write_lines(tmp_path, LINES[0]))
    first = rows(target, "transactions/")
    new = "t9,2024-07-09 10:00:00,anna,s3,1.00,red,0"
    bring(target, write_lines(tmp_path, new, name="next.csv"))
    assert {row["customer_id"] for row in rows(target, "transactions/")} == {
        first[0]["customer_id"]
    }
    assert [row["text"] for row in rows(target, "own_data/identifiers/customer/")] == ["anna"]
    assert sorted(row["text"] for row in rows(target, "own_data/identifiers/terminal/")) == [
        "s1",
        "s3",
    ]


def test_a_check_shows_what_would_land_and_changes_nothing(target: Target, tmp_path: Path) -> None:
    file = write_lines(tmp_path, *LINES)
    shown = preview(target, file, MAPPING, register_customers=False)
    assert objects(target) == {}
    assert shown["faults"] is None
    assert not shown["ids_are_final"]
    bring(target, file)
    before = objects(target)
    shown = preview(target, file, MAPPING, register_customers=False)
    assert objects(target) == before
    assert shown["ids_are_final"]
    landed = {row["transaction_id"]: row for row in rows(target, "transactions/")}
    assert len(shown["first_rows"]) == len(landed) == 3
    for row in shown["first_rows"]:
        assert landed[row["transaction_id"]].items() <= row.items()
    assert [row["kept"]["number"] for row in shown["first_rows"]] == ["t1", "t2", "t3"]
    assert [bool(row["reported_as_fraud"]) for row in shown["first_rows"]] == [False, True, False]


def test_all_faults_come_at_once_and_nothing_lands(target: Target, tmp_path: Path) -> None:
    bring(target, write_lines(tmp_path, LINES[0]))
    before = objects(target)
    ahead = (datetime.now(UTC) + timedelta(days=3)).strftime("%Y-%m-%d %H:%M:%S")
    file = write_lines(
        tmp_path,
        "t1,2024-07-01 10:00:00,anna,s1,99.00,red,0",
        "too,short",
        "t1,2024-07-01 10:00:00,anna,s1,12.50,red,0",
        "t4,never,anna,s1,12.50,red,0",
        f"t5,{ahead},anna,s1,12.50,red,0",
        "t6,2024-07-01 10:00:00,carla,s1,12.50,red,0",
    )
    with pytest.raises(OperationError) as refusal:
        bring(target, file)
    lines = str(refusal.value).splitlines()
    assert "got 5 faults" in lines[0]
    assert [line.partition(":")[0].strip() for line in lines[1:]] == [
        "row",
        "event_time",
        "future",
        "unknown_customer",
        "duplicate_transaction",
    ]
    told = {line.partition(":")[0].strip(): line for line in lines[1:]}
    assert "row 1: " in told["row"]
    assert "row 3: " in told["event_time"]
    assert "row 4: " in told["future"]
    assert "row 5: " in told["unknown_customer"]
    assert "--register-customers" in told["unknown_customer"]
    assert "row 2: " in told["duplicate_transaction"]
    assert "week.csv, row 0" in told["duplicate_transaction"]
    assert objects(target) == before
    assert preview(target, file, MAPPING, register_customers=False)["faults"] == str(refusal.value)


def test_faults_of_a_folder_name_their_files(target: Target, tmp_path: Path) -> None:
    day = tmp_path / "transactions" / "event_date=2024-07-01"
    day.mkdir(parents=True)
    row = {
        "transaction_id": 1,
        "event_time": datetime(2024, 7, 1, tzinfo=UTC),
        "customer_id": 1,
        "terminal_id": 1,
        "amount_minor": -5,
    }
    pq.write_table(pa.Table.from_pylist([row], TRANSACTIONS), day / "a.parquet")
    (tmp_path / "customers").mkdir()
    pq.write_table(pa.table([[1]], CUSTOMERS), tmp_path / "customers" / "a.parquet")
    (day / "b.csv").touch()
    with pytest.raises(OperationError) as refusal:
        ingest(target, tmp_path, **OPTIONS)
    text, folder = str(refusal.value), "transactions/event_date=2024-07-01"
    assert f"negative_amount: row 0 of {folder}/a.parquet: amount_minor must be" in text
    assert f"unexpected_file: {folder}/b.csv: data must be in .parquet files" in text


def test_new_customers_are_taken_if_that_is_said(target: Target, tmp_path: Path) -> None:
    bring(target, write_lines(tmp_path, LINES[0]))
    bring(target, write_lines(tmp_path, *LINES), register_customers=True)
    customers = {row["customer_id"] for row in rows(target, "customers/")}
    names = rows(target, "own_data/identifiers/customer/")
    assert customers == {row["id"] for row in names}
    assert {row["text"] for row in names} == {"anna", "ben"}


def test_a_mapping_is_corrected_by_replacing_what_came_of_it(
    target: Target, tmp_path: Path
) -> None:
    file = write_lines(tmp_path, *LINES)
    other = write_lines(tmp_path, LINES[0], name="other.csv")
    bring(target, file)
    bring(target, other)
    wrong = objects(target)
    right = MAPPING.model_copy(update={"time": Times(zone="Asia/Tokyo")})
    with pytest.raises(OperationError, match=r"week.csv must land as it did before.*--replace"):
        ingest(target, file, **OPTIONS, mapping=right)
    assert objects(target) == wrong
    done = ingest(target, file, **OPTIONS, mapping=right, replace=True)
    assert done["replaced_objects"] == 2
    hours = sorted(row["event_time"].hour for row in rows(target, "transactions/"))
    assert hours == [1, 1, 2, 10]
    again = ingest(target, other, **OPTIONS, mapping=right, replace=True)
    assert again["replaced_objects"] == 1
    assert len(rows(target, "transactions/")) == len(LINES)
    assert len(rows(target, "fraud_reports/")) == 1


def test_what_was_published_is_not_taken_back(target: Target, tmp_path: Path) -> None:
    file, (old, new) = write_lines(tmp_path, LINES[0]), (tmp_path / "old", tmp_path / "new")
    for folder in (old, new):
        (folder / "transactions").mkdir(parents=True)
        (folder / "transactions" / f"{folder.name}.parquet").touch()
    Receipts(target, file, [old], online=True).keep([])
    assert Receipts(target, file, [old], online=False).stale(replace=False) == []
    with pytest.raises(OperationError, match="what was published cannot be taken back"):
        Receipts(target, file, [new], online=False).stale(replace=True)


def test_of_two_who_make_the_key_one_does(target: Target) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: LakeStore(target, make_key).key(), range(8)))
    assert len(keys) == 1
    assert {len(key) for key in keys} == {32}


def test_a_key_that_is_none_stops_everything(target: Target, tmp_path: Path) -> None:
    bucket = target.output("RawBucketName")
    target.client("s3").put_object(Bucket=bucket, Key="own_data/key", Body=b"short")
    with pytest.raises(OperationError, match=r"own_data/key must hold 32 bytes, got 5; restore"):
        bring(target, write_lines(tmp_path, LINES[0]))


def test_what_is_asked_about_has_the_ids_that_landed(target: Target, tmp_path: Path) -> None:
    file = write_lines(tmp_path, *LINES)
    with pytest.raises(OperationError, match="must have a key for ids that are text"):
        read_transactions(target, file, MAPPING)
    bring(target, file)
    landed = sorted(rows(target, "transactions/"), key=str)
    transactions, names = read_transactions(target, file, MAPPING)
    assert sorted(transactions.to_pylist(), key=str) == landed
    assert sorted(names.values()) == ["t1", "t2", "t3"]
    with mapped_input(target, str(file), MAPPING) as (source, uri):
        assert sorted(pq.read_table(source).to_pylist(), key=str) == landed
    assert uri is not None
    assert {row["transaction_id"]: row["name"] for row in rows(target, "own_data/asked/")} == names
    with mapped_input(target, "s3://bucket/prefix", None) as unmapped:
        assert unmapped == ("s3://bucket/prefix", None)
    plain = tmp_path / "plain.csv"
    plain.write_text("transaction_id,event_time,customer_id,terminal_id,amount\n7,2024-07-01,1,1,5")
    with mapped_input(target, str(plain), None) as unmapped:
        assert unmapped == (str(plain), None)
    (tmp_path / "plain.csv.gz").write_bytes(gzip.compress(plain.read_bytes()))
    with mapped_input(target, str(tmp_path / "plain.csv.gz"), None) as (source, uri):
        assert (pq.read_table(source)["transaction_id"].to_pylist(), uri) == ([7], None)


def test_a_mapping_is_of_a_file(target: Target, tmp_path: Path) -> None:
    with pytest.raises(OperationError, match="a mapping must be of a file, got the folder"):
        bring(target, tmp_path)
