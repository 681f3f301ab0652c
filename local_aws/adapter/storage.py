"""S3's objects without a round trip through HTTP, as whoever makes the current request.

Outside of requests nobody is asked for permissions. Who may not is told so by a PermissionError.
"""

from collections.abc import Mapping
from pathlib import Path

from ministack.services import s3

from local_aws.adapter.keys import encryption, keyed
from local_aws.adapter.state import durability


def list_objects(bucket: str, prefix: str = "") -> list[str]:
    """Keys under a prefix, sorted; empty if there is no such bucket.

    Raises:
        PermissionError: If the caller may not list the prefix.
    """
    _allowed("s3:ListBucket", bucket, prefix, f"arn:aws:s3:::{bucket}", {"s3:prefix": prefix})
    record = s3._buckets.get(bucket)
    if record is None:
        return []
    return sorted(key for key in list(record["objects"]) if key.startswith(prefix))


def objects_folder() -> Path:
    """The folder of all objects' files."""
    return Path(s3.DATA_DIR)


def object_file(bucket: str, key: str) -> Path | None:
    """The file that holds an object's bytes, or None if they are kept elsewhere.

    Raises:
        PermissionError: If the caller may not read the object, or not use its key.
    """
    check_read(bucket, key)
    if not s3.S3_PERSIST:
        return None
    path = s3._object_disk_path(bucket, key)
    if path is None or not Path(path).is_file():
        return None
    return Path(path)


def has_object(bucket: str, key: str) -> bool:
    """Whether there is an object."""
    record = s3._buckets.get(bucket)
    return record is not None and key in record["objects"]


def get_object(bucket: str, key: str) -> bytes:
    """An object's bytes.

    Raises:
        KeyError: If there is no such object.
        PermissionError: If the caller may not read it, or not use its key.
    """
    check_read(bucket, key)
    body = s3._get_object_data(bucket, key)
    if body is None:
        raise KeyError(f"s3://{bucket}/{key}")
    return bytes(body)


def put_object(
    bucket: str,
    key: str,
    body: bytes,
    content_type: str = "application/octet-stream",
    *,
    encrypted: Mapping[str, str] | None = None,
) -> None:
    """Write an object, with the bucket's default encryption, versioning and notifications.

    Args:
        bucket: Where.
        key: Under which name.
        body: The object's bytes.
        content_type: Their type.
        encrypted: Headers of another encryption than the bucket's.

    Raises:
        KeyError: If the bucket does not exist or refuses the object.
        PermissionError: If the caller may not write it, or not use its key.
        OSError: If there is no room for it.
    """
    _allowed("s3:PutObject", bucket, key, f"arn:aws:s3:::{bucket}/{key}")
    headers = {"content-length": str(len(body)), "content-type": content_type, **(encrypted or {})}
    acting = encryption.acting(keyed.current_caller(), bucket, key)
    with durability.losing_nothing(), acting:
        status, _headers, answer = s3._put_object(bucket, key, body, headers)
    if status in (400, 403):
        raise PermissionError(encryption.message(answer))
    if status >= 300:  # noqa: PLR2004 - HTTP's success range
        raise KeyError(f"s3://{bucket}/{key}: {answer.decode(errors='replace')[:300]}")


def check_read(bucket: str, key: str) -> None:
    """Refuse an object that the caller may not read.

    Raises:
        PermissionError: If they may not, or not use its key.
    """
    _allowed("s3:GetObject", bucket, key, f"arn:aws:s3:::{bucket}/{key}")
    found = s3._buckets.get(bucket, {}).get("objects", {}).get(key)
    if found is not None:
        with encryption.acting(keyed.current_caller(), bucket, key):
            refused = s3._check_sse_read_headers({}, found)
        if refused is not None:
            raise PermissionError(encryption.message(refused[2]))


def _allowed(
    action: str, bucket: str, key: str, arn: str, keys: Mapping[str, str] | None = None
) -> None:
    """The words are Athena's, the only one that reads and writes here."""
    caller = keyed.current_caller()
    why = None if caller is None else caller.denied(action, arn, keys)
    if why is not None:
        raise PermissionError(f"Permission denied on S3 path: s3://{bucket}/{key} ({why})")
