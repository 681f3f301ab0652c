"""Files in folders of hours, `yyyy/mm/dd/hh/`, of a folder or of a prefix of S3."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import boto3
from botocore.config import Config

from pipeline_code.common.exits import BadInput

__all__ = ["HourFiles", "hour_files"]

SUFFIX = ".jsonl"


class HourFiles(Protocol):
    """JSON Lines files by the hour that they are about.

    hour_files("s3://artifacts/monitoring/ground-truth/fraud")
    """

    def read_all(self, hour: datetime) -> Iterator[tuple[str, bytes]]:
        """The files of an hour, what messages call them and their bytes, in order of names."""

    def replace(self, hour: datetime, name: str, content: bytes) -> bool:
        """Writes a file of an hour whole, unless it is there with just these bytes.

        Returns:
            Whether it was written. No content is no file, but replaces one that is there.
        """


def hour_files(place: str | Path) -> HourFiles:
    """The files of a folder, or of an `s3://bucket/prefix`.

    Raises:
        BadInput: The place is neither.
    """
    text = str(place)
    if not text.startswith("s3://"):
        return _LocalHours(Path(place))
    bucket, _, prefix = text.removeprefix("s3://").partition("/")
    if not bucket:
        raise BadInput(f"ground truth must be a folder or like s3://bucket/prefix, got {text}")
    client = boto3.client("s3", config=Config(retries={"mode": "standard", "max_attempts": 5}))
    return _S3Hours(client, bucket, f"{prefix.rstrip('/')}/" if prefix.rstrip("/") else "")


def _folder(hour: datetime) -> str:
    return f"{hour.astimezone(UTC):%Y/%m/%d/%H}"


@dataclass(frozen=True, slots=True)
class _LocalHours:
    root: Path

    def read_all(self, hour: datetime) -> Iterator[tuple[str, bytes]]:
        for file in sorted((self.root / _folder(hour)).glob(f"*{SUFFIX}")):
            yield file.relative_to(self.root).as_posix(), file.read_bytes()

    def replace(self, hour: datetime, name: str, content: bytes) -> bool:
        file = self.root / _folder(hour) / name
        if (file.read_bytes() if file.is_file() else b"") == content:
            return False
        file.parent.mkdir(parents=True, exist_ok=True)
        # Whoever reads meanwhile sees the old file or the new one.
        beside = file.with_suffix(".partial")
        beside.write_bytes(content)
        beside.replace(file)
        return True


@dataclass(slots=True)
class _S3Hours:
    client: Any
    bucket: str
    prefix: str
    # Names of a day's objects: most hours of a look-back have not changed, and many have none.
    _day: tuple[str, list[str]] = field(default=("", []))

    def read_all(self, hour: datetime) -> Iterator[tuple[str, bytes]]:
        folder = f"{self.prefix}{_folder(hour)}/"
        for key in self._keys(folder):
            yield f"s3://{self.bucket}/{key}", self._read(key)

    def replace(self, hour: datetime, name: str, content: bytes) -> bool:
        folder = f"{self.prefix}{_folder(hour)}/"
        key = f"{folder}{name}"
        # Asked of the listing: who may not list everything is refused an object that is not there.
        present = self._read(key) if key in self._keys(folder) else b""
        if present == content:
            return False
        self.client.put_object(
            Bucket=self.bucket, Key=key, Body=content, ContentType="application/jsonlines"
        )
        self._day = "", []
        return True

    def _keys(self, folder: str) -> list[str]:
        day = folder[: -len("hh/")]
        if self._day[0] != day:
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=day
            )
            keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
            self._day = day, [key for key in keys if key.endswith(SUFFIX)]
        return [key for key in self._day[1] if key.startswith(folder)]

    def _read(self, key: str) -> bytes:
        body: bytes = self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return body
