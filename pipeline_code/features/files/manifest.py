"""The manifest of a job: which objects of the lake it read, each in its exact version.

The job reads files that SageMaker copied to its disk, so the objects are found again by what both
have: the key below the data set's folder, and the size. An object that was deleted or overwritten
since is still found, as a version of its key.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from pipeline_code.common.exits import BadInput
from pipeline_code.common.schema import data_files

__all__ = ["Manifest", "SourceObject"]

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class SourceObject:
    """One version of one object; without versioning its version is "null"."""

    key: str
    version_id: str
    etag: str
    size: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """Every object that was read, in the order of data sets and keys."""

    bucket: str
    objects: Sequence[SourceObject]

    @classmethod
    def of(cls, client: Any, raw_uri: str, folders: Sequence[Path]) -> Self:
        """The manifest of data sets that were copied from below a URI, each to a folder.

        Args:
            client: A boto3 client of s3.
            raw_uri: The lake, such as `s3://raw`; a data set's key prefix is its folder's name.
            folders: The copies.

        Raises:
            BadInput: The URI is not one of S3, or a file has no object of its key and size: the
                data changed while the job read it.
        """
        location = urlsplit(raw_uri)
        if location.scheme != "s3" or not location.netloc:
            raise BadInput(f"raw-uri must be like s3://bucket/prefix, got {raw_uri!r}")
        root = location.path.strip("/")
        objects: list[SourceObject] = []
        for folder in folders:
            prefix = f"{root}/{folder.name}/" if root else f"{folder.name}/"
            objects += _matched(client, location.netloc, prefix, folder)
        return cls(location.netloc, objects)

    def write(self, file: Path) -> None:
        """Writes it as one JSON document, an object a line."""
        with file.open("w", encoding="utf-8") as out:
            out.write(f'{{"bucket": {json.dumps(self.bucket)}, "objects": [')
            for number, each in enumerate(self.objects):
                out.write(f"{',' if number else ''}\n{json.dumps(asdict(each))}")
            out.write("\n]}\n")


def _matched(client: Any, bucket: str, prefix: str, folder: Path) -> list[SourceObject]:
    sizes = {
        f"{prefix}{file.relative_to(folder).as_posix()}": file.stat().st_size
        for file in data_files(folder)
    }
    found: dict[str, SourceObject] = {}
    for each in _versions(client, bucket, prefix):
        # The newest version of a key comes first, and so the newest of the right size is kept.
        if sizes.get(each.key) == each.size:
            found.setdefault(each.key, each)
    missing = [key for key in sizes if key not in found]
    if missing:
        listed = ", ".join(f"{key} ({sizes[key]} bytes)" for key in missing[:_SHOWN])
        raise BadInput(
            f"every file that was read must be an object of s3://{bucket}, got {len(missing)} that "
            f"are not, the first: {listed}; the data changed while it was read, start the job again"
        )
    return [found[key] for key in sorted(found)]


def _versions(client: Any, bucket: str, prefix: str) -> Iterator[SourceObject]:
    pages = client.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix)
    for page in pages:
        for item in page.get("Versions", []):
            etag = item["ETag"].strip('"')
            yield SourceObject(item["Key"], item["VersionId"], etag, item["Size"])
