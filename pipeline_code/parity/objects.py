"""Objects of S3, found by folder and read one at a time, so that a job takes what it needs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_code.common.exits import BadInput
from pipeline_code.common.schema import INT96_UNIT

__all__ = ["Folder"]


@dataclass(frozen=True, slots=True)
class Folder:
    """A prefix of a bucket; it ends with a slash.

    Folder.of(client, "s3://raw/transactions").folders()  # event_date=2018-04-01/, ...
    """

    client: Any
    bucket: str
    prefix: str

    @classmethod
    def of(cls, client: Any, uri: str) -> "Folder":
        """The folder of a URI; `client` is a boto3 client of s3.

        Raises:
            BadInput: It is no URI of S3.
        """
        bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        if not uri.startswith("s3://") or not bucket:
            raise BadInput(f"uri must be like s3://bucket/prefix, got {uri!r}")
        return cls(client, bucket, f"{prefix.rstrip('/')}/" if prefix.rstrip("/") else "")

    def __truediv__(self, name: str) -> "Folder":
        return Folder(self.client, self.bucket, f"{self.prefix}{name.rstrip('/')}/")

    def folders(self) -> list[str]:
        """The names of the folders directly in it, in order."""
        pages = self._pages(Delimiter="/")
        found = [item["Prefix"] for page in pages for item in page.get("CommonPrefixes", [])]
        return [name.removeprefix(self.prefix).rstrip("/") for name in found]

    def objects(self) -> Iterator[str]:
        """The keys of all objects below it, in order."""
        for page in self._pages():
            for item in page.get("Contents", []):
                yield item["Key"]

    def read(self, key: str) -> bytes:
        """An object's body."""
        body: bytes = self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return body

    def table(self, key: str, columns: list[str]) -> pa.Table:
        """Some columns of a Parquet object.

        Raises:
            BadInput: It is no Parquet, or lacks one of them.
        """
        try:
            return pq.read_table(
                pa.BufferReader(self.read(key)),
                columns=columns,
                partitioning=None,
                coerce_int96_timestamp_unit=INT96_UNIT,
            ).select(columns)
        except (pa.ArrowException, KeyError, OSError) as error:
            raise BadInput(
                f"s3://{self.bucket}/{key}: file must be readable Parquet with the columns "
                f"{', '.join(columns)}: {error}"
            ) from error

    def _pages(self, **options: str) -> Iterator[dict[str, Any]]:
        paginator = self.client.get_paginator("list_objects_v2")
        yield from paginator.paginate(Bucket=self.bucket, Prefix=self.prefix, **options)
