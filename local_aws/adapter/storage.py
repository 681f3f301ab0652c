"""S3's objects without a round trip through HTTP."""

from pathlib import Path

from ministack.services import s3


def list_objects(bucket: str, prefix: str = "") -> list[str]:
    """Keys under a prefix, sorted; empty if there is no such bucket."""
    record = s3._buckets.get(bucket)
    if record is None:
        return []
    return sorted(key for key in list(record["objects"]) if key.startswith(prefix))


def objects_folder() -> Path:
    """The folder of all objects' files."""
    return Path(s3.DATA_DIR)


def object_file(bucket: str, key: str) -> Path | None:
    """The file that holds an object's bytes, or None if they are kept elsewhere."""
    if not s3.S3_PERSIST:
        return None
    path = s3._object_disk_path(bucket, key)
    if path is None or not Path(path).is_file():
        return None
    return Path(path)


def get_object(bucket: str, key: str) -> bytes:
    """An object's bytes.

    Raises:
        KeyError: If there is no such object.
    """
    body = s3._get_object_data(bucket, key)
    if body is None:
        raise KeyError(f"s3://{bucket}/{key}")
    return bytes(body)


def put_object(
    bucket: str, key: str, body: bytes, content_type: str = "application/octet-stream"
) -> None:
    """Write an object, with the bucket's default encryption, versioning and notifications.

    Raises:
        KeyError: If the bucket does not exist or refuses the object.
    """
    headers = {"content-length": str(len(body)), "content-type": content_type}
    status, _headers, answer = s3._put_object(bucket, key, body, headers)
    if status >= 300:  # noqa: PLR2004 - HTTP's success range
        raise KeyError(f"s3://{bucket}/{key}: {answer.decode(errors='replace')[:300]}")
