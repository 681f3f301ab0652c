"""Data of jobs between S3 and their private folders, moved with the job's own permissions."""

import gzip
import http
import re
import shutil
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import urllib3
from botocore.exceptions import ClientError

from local_aws.sagemaker.errors import validation

_THREADS = 8
_HTTP = urllib3.PoolManager(maxsize=2 * _THREADS, timeout=urllib3.Timeout(connect=5, read=120))


class TransferError(Exception):
    """An input could not be read or an output could not be written; the message is the job's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Folder:
    """A place in S3 and the folder that goes with it.

    Args:
        uri: Object or prefix.
        path: Folder on this machine.
        key_id: KMS key that what is uploaded is encrypted with. If None, the bucket's default.
        shard: Which part of the objects to download, and of how many: `(0, 2)` is every other
            one. If None, all.
    """

    uri: str
    path: Path
    key_id: str | None = None
    shard: tuple[int, int] | None = None


def split(uri: str, field: str = "S3Uri") -> tuple[str, str]:
    """Bucket and key of an S3 address."""
    parts = urlsplit(uri, allow_fragments=False)
    if parts.scheme != "s3" or not parts.netloc:
        raise validation(f"{field} must be an address like s3://bucket/prefix, got {uri}")
    return parts.netloc, parts.path.lstrip("/")


def download(client: Any, source: S3Folder, *, required: bool = True) -> int:
    """Copy the objects of a prefix into a folder; how many there were.

    Args:
        client: For S3.
        source: What to copy, and where to.
        required: Whether there must be an object.

    Raises:
        TransferError: If there is none and one is required, or access is denied.
    """
    bucket, prefix = split(source.uri)
    source.path.mkdir(parents=True, exist_ok=True)
    try:
        keys = list(_keys(client, bucket, prefix))
        if not keys and required:
            raise TransferError(
                f'ClientError: No S3 objects found under S3 URL "{source.uri}" given in input '
                "data source. Please ensure that the bucket exists in the selected region, that "
                "objects exist under that S3 prefix, and that the role has permission to list it."
            )
        if source.shard is not None:
            # More hosts than objects leave some without any, as on AWS.
            keys = keys[source.shard[0] :: source.shard[1]]
        targets = [(key, source.path / _relative(key, prefix)) for key in keys]
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(lambda target: _get(client, bucket, *target), targets))
    except ClientError as error:
        raise TransferError(f"ClientError: Failed to download {source.uri}: {error}") from error
    return len(keys)


def require_objects(client: Any, uri: str, role_arn: str, field: str) -> None:
    """Refuse an input that is not there or that its job's role may not list.

    SageMaker looks before it starts a training or transform job, and says so in these words
    (amazon-sagemaker-examples #2267 and #2414).

    Raises:
        ServiceError: If there is no object, or it may not be seen.
    """
    bucket, prefix = split(uri, field)
    try:
        found = client.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1).get("Contents")
        denied = ""
    except ClientError as error:
        found, denied = None, f" ({error})"
    if not found:
        region = client.meta.region_name
        raise validation(
            f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure '
            f"that the bucket exists in the selected region ({region}), that objects exist under "
            f'that S3 prefix, and that the role "{role_arn}" has "s3:ListBucket" permissions on '
            f'bucket "{bucket}".{denied}'
        )


def upload(client: Any, target: S3Folder) -> int:
    """Copy the files of a folder below a prefix; how many there were.

    Raises:
        TransferError: If access is denied.
    """
    bucket, prefix = split(target.uri)
    files = sorted(path for path in target.path.rglob("*") if path.is_file())
    prefix = f"{prefix.rstrip('/')}/" if prefix else ""
    targets = [(path, prefix + path.relative_to(target.path).as_posix()) for path in files]
    try:
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(lambda item: put_file(client, item[0], bucket, item[1], target), targets))
    except ClientError as error:
        raise TransferError(f"ClientError: Failed to upload {target.uri}: {error}") from error
    return len(files)


def put_file(client: Any, path: Path, bucket: str, key: str, target: S3Folder) -> None:
    """Copy one file to S3, encrypted as its target asks."""
    extra: dict[str, str] = {}
    if target.key_id is not None:
        extra = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": target.key_id}
    # put_object and not upload_file: boto3 wraps the latter's errors beyond recognition.
    with path.open("rb") as body:
        client.put_object(Bucket=bucket, Key=key, Body=body, **extra)


def pack(folder: Path, archive: Path) -> None:
    """Write a `.tar.gz` of a folder's content that depends on that content only.

    Equal models must have equal archives: no times, owners or directory order get in.
    """
    with (
        archive.open("wb") as file,
        gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=6, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in sorted(folder.rglob("*")):
            tar.add(path, path.relative_to(folder).as_posix(), recursive=False, filter=_anonymous)


def unpack(archive: Path, folder: Path) -> None:
    """Extract a `.tar.gz`; members that would leave the folder are refused."""
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive, "r:*") as tar:
        tar.extractall(folder, filter="data")


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mtime = 0
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
    return member


def _keys(client: Any, bucket: str, prefix: str) -> Iterator[str]:
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    if prefix in keys:  # the address names one object, not everything that begins like it
        keys = [prefix]
    return (key for key in keys if not key.endswith("/"))


def _relative(key: str, prefix: str) -> str:
    if prefix == "" or prefix.endswith("/"):
        return key.removeprefix(prefix)
    if key.startswith(f"{prefix}/"):
        return key.removeprefix(f"{prefix}/")
    # "train-" matches train-1.csv: the name is what follows the last folder of the prefix.
    folder = PurePosixPath(prefix).parent.as_posix()
    return key if folder == "." else key.removeprefix(f"{folder}/")


def _get(client: Any, bucket: str, key: str, path: Path) -> None:
    """Fetch one object by a presigned URL: the same checks as get_object, a third of its cost.

    Jobs read hundreds of small files, and do so in the process that serves them.
    """
    if ".." in path.parts:
        raise TransferError(f"ClientError: the key {key} does not name a file")
    path.parent.mkdir(parents=True, exist_ok=True)
    url = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key})
    answer = _HTTP.request("GET", url, preload_content=False)
    try:
        if answer.status != http.HTTPStatus.OK:
            text = answer.read().decode(errors="replace")
            said = " ".join(re.findall(r"<(?:Code|Message)>([^<]*)<", text)) or answer.status
            raise TransferError(f"ClientError: Failed to download s3://{bucket}/{key}: {said}")
        with path.open("wb") as file:
            shutil.copyfileobj(answer, file, 1 << 20)
    finally:
        answer.release_conn()
