"""A Parquet object of S3 of which only what is asked for is read."""

import io
from typing import Any

__all__ = ["RemoteFile"]

# A file's footer, and all of a small file.
_TAIL_BYTES = 1 << 16


class RemoteFile(io.RawIOBase):
    """A read-only file whose reads are ranged requests.

    pq.ParquetFile(RemoteFile(client, bucket, key)).read(columns=["event_time"])

    Args:
        client: A boto3 client of s3.
        bucket: The object's bucket.
        key: The object; it must not be empty.
    """

    def __init__(self, client: Any, bucket: str, key: str) -> None:
        super().__init__()
        self._client, self._place = client, {"Bucket": bucket, "Key": key}
        answer = client.get_object(**self._place, Range=f"bytes=-{_TAIL_BYTES}")
        self._tail: bytes = answer["Body"].read()
        self._size = int(answer["ContentRange"].rpartition("/")[2])
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence] + offset
        return self._at

    def read(self, size: int = -1, /) -> bytes:
        end = self._size if size < 0 else min(self._at + size, self._size)
        start, self._at = self._at, max(end, self._at)
        if start >= end:
            return b""
        tail = self._size - len(self._tail)
        if start >= tail:
            return self._tail[start - tail : end - tail]
        answer = self._client.get_object(**self._place, Range=f"bytes={start}-{end - 1}")
        body: bytes = answer["Body"].read()
        return body
