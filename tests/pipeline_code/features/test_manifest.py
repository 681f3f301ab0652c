"""The job's record of what it read, against an S3 that keeps versions."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest

from local_aws.server import EmbeddedAws, free_port
from pipeline_code.__main__ import main
from pipeline_code.common.exits import BadInput
from pipeline_code.common.lake import Landing, write
from pipeline_code.common.schema import CUSTOMERS
from pipeline_code.features.files.manifest import Manifest
from tests.pipeline_code.features.small_streams import reports_of, reports_table, transactions_table
from tests.pipeline_code.features.test_entry import history


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with EmbeddedAws(tmp_path_factory.mktemp("embedded") / "state", free_port()) as aws:
        yield aws.environment()


@pytest.fixture(autouse=True)
def connected(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment.items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


@pytest.fixture
def s3() -> Any:
    return boto3.client("s3")


@pytest.fixture
def bucket(s3: Any) -> str:
    name = f"raw-{uuid4().hex[:8]}"
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


def put(s3: Any, bucket: str, key: str, body: bytes) -> str:
    version: str = s3.put_object(Bucket=bucket, Key=key, Body=body)["VersionId"]
    return version


def copied(folder: Path, name: str, body: bytes) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(body)
    return folder


def versions(manifest: Manifest) -> dict[str, str]:
    return {each.key: each.version_id for each in manifest.objects}


def test_the_newest_version_of_the_size_that_was_read(s3: Any, bucket: str, tmp_path: Path) -> None:
    key = "transactions/event_date=2024-03-01/a.parquet"
    put(s3, bucket, key, b"four")
    read = put(s3, bucket, key, b"same")
    put(s3, bucket, key, b"longer")  # landed since
    folder = copied(tmp_path / "transactions", "event_date=2024-03-01/a.parquet", b"same")
    assert versions(Manifest.of(s3, f"s3://{bucket}", [folder])) == {key: read}


def test_an_object_that_was_deleted_since_is_found(s3: Any, bucket: str, tmp_path: Path) -> None:
    read = put(s3, bucket, "lake/fraud_reports/a.parquet", b"four")
    s3.delete_object(Bucket=bucket, Key="lake/fraud_reports/a.parquet")
    folder = copied(tmp_path / "fraud_reports", "a.parquet", b"four")
    manifest = Manifest.of(s3, f"s3://{bucket}/lake/", [folder])
    assert versions(manifest) == {"lake/fraud_reports/a.parquet": read}


def test_what_was_not_read_is_not_in_it(s3: Any, bucket: str, tmp_path: Path) -> None:
    for key in ("a.parquet", "b.parquet", "_marks.parquet"):
        put(s3, bucket, f"transactions/{key}", b"four")
    folder = copied(tmp_path / "transactions", "a.parquet", b"four")
    copied(folder, "_marks.parquet", b"four")
    manifest = Manifest.of(s3, f"s3://{bucket}", [folder])
    assert list(versions(manifest)) == ["transactions/a.parquet"]


def test_more_objects_than_a_page_holds(s3: Any, bucket: str, tmp_path: Path) -> None:
    folder = tmp_path / "transactions"
    for number in range(1001):
        s3.put_object(Bucket=bucket, Key=f"transactions/{number:04}.parquet", Body=b"1")
        copied(folder, f"{number:04}.parquet", b"1")
    manifest = Manifest.of(s3, f"s3://{bucket}", [folder])
    keys = [each.key for each in manifest.objects]
    assert (len(keys), keys) == (1001, sorted(keys))


@pytest.mark.parametrize("body", [b"other", None])
def test_a_file_that_is_no_object_is_refused(
    s3: Any, bucket: str, tmp_path: Path, body: bytes | None
) -> None:
    if body is not None:
        put(s3, bucket, "transactions/a.parquet", body)
    folder = copied(tmp_path / "transactions", "a.parquet", b"four")
    with pytest.raises(BadInput, match=r"the first: transactions/a.parquet \(4 bytes\); the data"):
        Manifest.of(s3, f"s3://{bucket}", [folder])


@pytest.mark.parametrize("uri", ["", "raw", "/raw", "https://raw/transactions", "s3:///raw"])
def test_only_uris_of_s3(s3: Any, uri: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="raw-uri must be like s3://bucket/prefix, got"):
        Manifest.of(s3, uri, [tmp_path])


def test_without_versioning_the_version_is_null(s3: Any, tmp_path: Path) -> None:
    name = f"raw-{uuid4().hex[:8]}"
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="transactions/a.parquet", Body=b"four")
    folder = copied(tmp_path / "transactions", "a.parquet", b"four")
    assert versions(Manifest.of(s3, f"s3://{name}", [folder])) == {"transactions/a.parquet": "null"}


def test_the_job_writes_it_beside_the_summary(
    s3: Any, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    rows = history()
    landing = Landing(
        transactions=transactions_table(rows),
        fraud_reports=reports_table(reports_of(rows)),
        customers=CUSTOMERS.empty_table(),
    )
    expected = {}
    inputs = tmp_path / "processing" / "input"
    for file in write(landing, inputs):
        key = file.relative_to(inputs).as_posix()
        expected[key] = put(s3, bucket, key, file.read_bytes())
    arguments = ["features", "--train-days", "7", "--test-days", "7"]
    assert main([*arguments, "--raw-uri", f"s3://{bucket}"]) == 0
    summary = tmp_path / "processing" / "output" / "summary"
    document = json.loads((summary / "sources.json").read_text())
    assert document["bucket"] == bucket
    assert {each["key"]: each["version_id"] for each in document["objects"]} == expected
    for each in document["objects"]:
        head = s3.head_object(Bucket=bucket, Key=each["key"], VersionId=each["version_id"])
        assert (head["ContentLength"], head["ETag"].strip('"')) == (each["size"], each["etag"])


def test_the_job_fails_when_the_data_changed(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    rows = history()
    landing = Landing(
        transactions=transactions_table(rows),
        fraud_reports=reports_table(reports_of(rows)),
        customers=CUSTOMERS.empty_table(),
    )
    write(landing, tmp_path / "processing" / "input")
    arguments = ["features", "--train-days", "7", "--test-days", "7"]
    assert main([*arguments, "--raw-uri", f"s3://{bucket}"]) == 1
    assert "the data changed while it was read" in (tmp_path / "output/message").read_text()
    assert not list((tmp_path / "processing/output").rglob("*.*"))
