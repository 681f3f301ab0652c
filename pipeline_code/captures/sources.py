"""The sources of captures: a folder, or a prefix of S3 of which only some hours are read.

SageMaker writes captures below `<endpoint>/<variant>/yyyy/mm/dd/hh/`, in files named by the minute
and second of their beginning. An exchange may be in the file of the hour before or after its own,
if it was answered near the hour's end: such files of the neighbouring hours are read too.
"""

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from pipeline_code.captures.interval import Interval
from pipeline_code.common.exits import BadInput

__all__ = ["CaptureFile", "LocalFile", "S3File", "capture_files", "open_source"]

# How far a file's hour may be from that of what it holds.
SKEW = timedelta(minutes=10)
EARLIEST, LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
# Endpoint, variant and one folder more may be between a prefix and its years.
DEPTH = 4
ATTEMPTS = 3
PAUSE_SECONDS = 1.0
# As many as there are readers of S3 at the same time.
CONNECTIONS = 16
YEAR_FOLDER = re.compile(r"\d{4}", re.ASCII)
HOUR_FOLDER = re.compile(r"(\d{4}/\d\d/\d\d/\d\d)/", re.ASCII)
FILE_BEGINNING = re.compile(r"(\d\d)-(\d\d)-\d{3}-", re.ASCII)


class CaptureFile(Protocol):
    """One file of captures; messages call it `name`."""

    @property
    def name(self) -> str:
        """What messages call it."""

    @property
    def size(self) -> int:
        """Its length in bytes."""

    def read(self, start: int, stop: int) -> bytearray:
        """The bytes from `start` on, before `stop`.

        Raises:
            BadInput: They are no longer there.
        """

    def again(self) -> "CaptureFile | None":
        """The file as it is now, if it may have been replaced since it was found."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file of a folder."""

    path: Path
    name: str
    size: int

    def read(self, start: int, stop: int) -> bytearray:
        """The bytes from `start` on, before `stop`."""
        data = bytearray(stop - start)
        with self.path.open("rb") as file:
            file.seek(start)
            _require(file.readinto(data), len(data), self.name)
        return data

    def again(self) -> None:
        """A job's inputs do not change while it runs."""


@dataclass(frozen=True, slots=True)
class S3File:
    """An object of S3, in the version that was found."""

    client: Any
    bucket: str
    key: str
    size: int
    tag: str

    @property
    def name(self) -> str:
        """Its URI."""
        return f"s3://{self.bucket}/{self.key}"

    def read(self, start: int, stop: int) -> bytearray:
        """The bytes from `start` on, before `stop`; a broken connection is retried."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer = self.client.get_object(
                    Bucket=self.bucket,
                    Key=self.key,
                    Range=f"bytes={start}-{stop - 1}",
                    IfMatch=self.tag,
                )
                data = bytearray(answer["Body"].read())
                _require(len(data), stop - start, self.name)
                return data
            except ClientError as error:
                raise self._unreadable(error) from error
            except BotoCoreError as error:
                if attempt == ATTEMPTS:
                    raise self._unreadable(error) from error
                time.sleep(attempt)
        raise AssertionError("the last attempt returns or raises")

    def again(self) -> "S3File":
        """The object as it is after a pause."""
        time.sleep(PAUSE_SECONDS)
        try:
            found = self.client.head_object(Bucket=self.bucket, Key=self.key)
        except ClientError as error:
            raise self._unreadable(error) from error
        return S3File(self.client, self.bucket, self.key, found["ContentLength"], found["ETag"])

    def _unreadable(self, error: Exception) -> BadInput:
        return BadInput(f"{self.name}: object must be readable to the end, got {error}")


def _require(length: int, expected: int, name: str) -> None:
    if length != expected:
        raise BadInput(f"{name}: file must not change while it is read, got a shorter one")


def open_source(text: str) -> str | Path:
    """What a setting names: an `s3://bucket/prefix/`, or a folder."""
    return text if text.startswith("s3://") else Path(text)


def capture_files(source: str | Path, interval: Interval) -> Iterator[CaptureFile]:
    """The files that may hold exchanges of the interval, in the order of their names.

    Of a folder, all of them: whoever filled it has chosen.

    Args:
        source: A folder, or an `s3://bucket/prefix/` of one or several variants' captures.
        interval: Inference times.

    Raises:
        BadInput: The source is neither.
    """
    if isinstance(source, Path):
        for path in sorted(source.rglob("*.jsonl")):
            name = path.relative_to(source).as_posix()
            yield LocalFile(path, name, path.stat().st_size)
        return
    bucket, _, prefix = source.removeprefix("s3://").partition("/")
    if not source.startswith("s3://") or not bucket:
        raise BadInput(f"captures must be a folder or like s3://bucket/prefix/, got {source!r}")
    retries = Config(
        retries={"mode": "standard", "max_attempts": 5}, max_pool_connections=CONNECTIONS
    )
    bucket_ = _Bucket(boto3.client("s3", config=retries), bucket)
    root = f"{prefix.rstrip('/')}/" if prefix.rstrip("/") else ""
    for folder in bucket_.dated(root, DEPTH):
        yield from bucket_.files(folder, interval)


@dataclass(frozen=True, slots=True)
class _Bucket:
    client: Any
    name: str

    def dated(self, root: str, depth: int) -> Iterator[str]:
        """The folders at or below the root that are divided by years."""
        pages = self._pages(Prefix=root, Delimiter="/")
        found = [item["Prefix"] for page in pages for item in page.get("CommonPrefixes", [])]
        below = [folder for folder in found if not _is_year(folder.removeprefix(root))]
        if len(below) < len(found):
            yield root
        for folder in below if depth > 1 else ():
            yield from self.dated(folder, depth - 1)

    def files(self, root: str, interval: Interval) -> Iterator[S3File]:
        """The objects of a variant that may hold exchanges of the interval."""
        first = None if interval.start is None else _utc(interval.start) - SKEW
        after = {} if first is None else {"StartAfter": f"{root}{first:%Y/%m/%d/%H}"}
        for page in self._pages(Prefix=root, **after):
            for item in page.get("Contents", []):
                key, size = item["Key"], item["Size"]
                hour = HOUR_FOLDER.match(key, len(root))
                if hour is None or not key.endswith(".jsonl"):
                    continue
                begin = datetime.strptime(hour[1], "%Y/%m/%d/%H").replace(tzinfo=UTC)
                # Keys come in order, so that nothing after this one is of the interval.
                if interval.end is not None and begin >= _utc(interval.end) + SKEW:
                    return
                if _may_hold(begin, key[hour.end() :], interval):
                    yield S3File(self.client, self.name, key, size, item["ETag"])

    def _pages(self, **options: str) -> Iterator[Mapping[str, Any]]:
        paginator = self.client.get_paginator("list_objects_v2")
        yield from paginator.paginate(Bucket=self.name, **options)


def _is_year(folder: str) -> bool:
    return YEAR_FOLDER.fullmatch(folder.rstrip("/")) is not None


def _may_hold(hour: datetime, name: str, interval: Interval) -> bool:
    """Whether a file of an hour may hold exchanges of the interval."""
    start = EARLIEST if interval.start is None else _utc(interval.start)
    end = LATEST if interval.end is None else _utc(interval.end)
    after = hour + timedelta(hours=1)
    if hour < end and after > start:
        return True
    beginning = FILE_BEGINNING.match(name)
    if beginning is None:
        return start - SKEW < after and hour < end + SKEW
    moment = hour + timedelta(minutes=int(beginning[1]), seconds=int(beginning[2]))
    return start - SKEW <= moment < end + SKEW


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)
