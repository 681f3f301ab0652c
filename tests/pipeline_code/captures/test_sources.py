"""Captures are streamed from S3: the interval's hours alone, and nothing half written."""

import json
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ResponseStreamingError

from local_aws.server import EmbeddedAws, free_port
from pipeline_code.captures import blocks, sources
from pipeline_code.captures.chunks import Tally
from pipeline_code.captures.datasets import DatasetFormat
from pipeline_code.captures.interval import Interval
from pipeline_code.captures.reading import read_chunks
from pipeline_code.captures.sources import S3File, capture_files
from pipeline_code.common.exits import BadInput
from tests.pipeline_code.captures.capture_files import answer_line

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    with EmbeddedAws(tmp_path_factory.mktemp("aws") / "state", free_port()) as embedded:
        yield embedded


@pytest.fixture
def bucket(aws: EmbeddedAws, monkeypatch: pytest.MonkeyPatch) -> "Bucket":
    for name, value in aws.environment().items():
        monkeypatch.setenv(name, value)
    # It keeps the credentials of whichever test asked first.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    return Bucket(aws)


class Bucket:
    """Captures in S3."""

    def __init__(self, aws: EmbeddedAws) -> None:
        self.s3, self.name = aws.session().client("s3"), f"captures-{uuid.uuid4().hex[:8]}"
        self.s3.create_bucket(Bucket=self.name)
        self.uri = f"s3://{self.name}/fraud/primary/"

    def put(self, key: str, *lines: str, end: str = "\n", root: str = "fraud/primary") -> str:
        key = f"{root}/{key}"
        body = "\n".join(lines) + (end if lines else "")
        self.s3.put_object(Bucket=self.name, Key=key, Body=body.encode())
        return key


def line(number: int, moment: datetime = NOON) -> str:
    return answer_line({"n": number}, time=f"{moment:%Y-%m-%dT%H:%M:%SZ}")


def read(uri: str, interval: Interval = Interval()) -> tuple[list[float], Tally]:  # noqa: B008
    tally = Tally()
    chunks = read_chunks(uri, DatasetFormat(), interval, tally)
    return [number for chunk in chunks for number in chunk.values[0].tolist()], tally


def found(uri: str, interval: Interval) -> list[str]:
    return [file.name.removeprefix(uri) for file in capture_files(uri, interval)]


def test_only_the_hours_of_the_interval_are_read(bucket: Bucket) -> None:
    for day in ("2024/02/29", "2024/03/01", "2024/03/02"):
        for hour in (0, 10, 11, 12, 13, 14, 23):
            bucket.put(f"{day}/{hour:02}/30-00-000-a.jsonl", line(hour))
    assert found(bucket.uri, Interval(NOON, NOON + 2 * HOUR)) == [
        "2024/03/01/12/30-00-000-a.jsonl",
        "2024/03/01/13/30-00-000-a.jsonl",
    ]
    assert len(found(bucket.uri, Interval())) == 21
    assert len(found(bucket.uri, Interval(start=NOON))) == 11
    assert len(found(bucket.uri, Interval(end=NOON))) == 10


def test_an_exchange_may_be_in_a_file_of_the_neighbouring_hour(bucket: Bucket) -> None:
    begun_before = bucket.put("2024/03/01/11/58-00-000-a.jsonl", line(1), line(2, NOON - HOUR))
    bucket.put("2024/03/01/11/10-00-000-a.jsonl", line(3, NOON - HOUR))
    written_after = bucket.put("2024/03/01/13/01-30-000-a.jsonl", line(4, NOON + HOUR / 2))
    bucket.put("2024/03/01/13/30-00-000-a.jsonl", line(5, NOON + HOUR))
    unnamed = bucket.put("2024/03/01/13/part.jsonl", line(6, NOON + HOUR))
    interval = Interval(NOON, NOON + HOUR)
    keys = [f"fraud/primary/{name}" for name in found(bucket.uri, interval)]
    assert keys == [begun_before, written_after, unnamed]
    assert read(bucket.uri, interval) == ([1, 4], Tally(records=2, files=3, outside=2))


def test_all_variants_below_the_prefix_are_read(bucket: Bucket) -> None:
    bucket.put("2024/03/01/12/00-00-000-a.jsonl", line(1))
    bucket.put("2024/03/01/12/00-00-000-a.jsonl", line(2), root="fraud/shadow")
    bucket.put("notes.jsonl", "no capture", root="fraud")
    assert read(f"s3://{bucket.name}/fraud/")[0] == [1, 2]
    assert read(f"s3://{bucket.name}")[0] == [1, 2]
    assert read(bucket.uri)[0] == [1]


def test_many_objects_and_large_ones_are_read_whole(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1_000)
    monkeypatch.setattr(blocks, "LINE_BYTES", 64)
    for minute in range(8):
        numbers = range(minute * 10, minute * 10 + 10)
        bucket.put(f"2024/03/01/12/{minute:02}-00-000-a.jsonl", *map(line, numbers))
    bucket.put("2024/03/01/12/30-00-000-a.jsonl")
    assert read(bucket.uri) == ([*range(80)], Tally(records=80, files=9))


def test_nothing_there_are_no_records(bucket: Bucket) -> None:
    assert read(bucket.uri) == ([], Tally())


def test_an_object_that_is_cut_off_is_read_again_as_it_is_then(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "2024/03/01/12/00-00-000-a.jsonl"
    bucket.put(name, line(1), line(2)[:100], end="")
    paused = threading.Event()

    def pause(_: float) -> None:
        bucket.put(name, line(1), line(2), line(3))
        paused.set()

    monkeypatch.setattr(time, "sleep", pause)
    assert read(bucket.uri)[0] == [1, 2, 3]
    assert paused.is_set()


@pytest.mark.parametrize("end", ["", "\n"])
def test_an_object_that_stays_cut_off_is_refused_by_line(
    bucket: Bucket, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "PAUSE_SECONDS", 0)
    key = bucket.put("2024/03/01/12/00-00-000-a.jsonl", line(1), line(2)[:100], end=end)
    with pytest.raises(BadInput, match=f"s3://{bucket.name}/{key}, line 2: must be JSON"):
        read(bucket.uri)


def test_half_a_character_is_cut_off_too(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "PAUSE_SECONDS", 0)
    key = "fraud/primary/2024/03/01/12/00-00-000-a.jsonl"
    body = line(1).encode() + b"\n" + json.dumps("é", ensure_ascii=False).encode()[:2]
    bucket.s3.put_object(Bucket=bucket.name, Key=key, Body=body)
    with pytest.raises(BadInput, match="line 2: must be UTF-8 text"):
        read(bucket.uri)


def test_an_object_that_is_replaced_or_gone_is_refused_by_name(bucket: Bucket) -> None:
    key = bucket.put("2024/03/01/12/00-00-000-a.jsonl", line(1))
    (file,) = capture_files(bucket.uri, Interval())
    bucket.put("2024/03/01/12/00-00-000-a.jsonl", line(2), line(3))
    with pytest.raises(BadInput, match=f"s3://{bucket.name}/{key}: object must be readable"):
        file.read(0, file.size)
    bucket.s3.delete_object(Bucket=bucket.name, Key=key)
    for call in (lambda: file.read(0, file.size), file.again):
        with pytest.raises(BadInput, match=f"s3://{bucket.name}/{key}: object must be readable"):
            call()


def test_a_connection_that_breaks_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    broken = Broken(failures=2)
    assert S3File(broken, "bucket", "key", 4, "tag").read(0, 4) == b"text"
    with pytest.raises(BadInput, match=r"s3://bucket/key: .*Connection broken"):
        S3File(Broken(failures=3), "bucket", "key", 4, "tag").read(0, 4)


class Broken:
    """S3 whose answers break off, which no emulator does when it is asked to."""

    def __init__(self, failures: int) -> None:
        self._failures = failures

    def get_object(self, **_: Any) -> dict[str, Any]:
        return {"Body": self}

    def read(self) -> bytes:
        self._failures -= 1
        if self._failures >= 0:
            raise ResponseStreamingError(error="Connection broken")
        return b"text"


def test_a_local_file_that_shrinks_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("text")
    (file,) = capture_files(tmp_path, Interval())
    path.write_text("t")
    with pytest.raises(BadInput, match=r"a\.jsonl: file must not change while it is read"):
        file.read(0, file.size)
