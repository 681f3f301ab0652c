"""What each file landed as, so that it lands otherwise once its mapping was corrected.

The same transactions at other times or with other amounts would contradict what the lake has of
them, and no model could be trained any more. So a file that was ingested before lands as it did, or
what it landed as is taken away. It is known by its content, whatever it is called.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from operations.errors import OperationError
from operations.target import Target
from pipeline_code.contracts.outputs import Output

__all__ = ["Receipt", "Receipts"]

_FILES = "own_data/files/"
_ROWS = ("transactions/", "fraud_reports/", "own_data/columns/")
# As many as S3 deletes at a time.
_DELETED_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a file became.

    Attributes:
        keys: The objects that its rows are in, or would be had they not been published.
        online: Whether they were published.
    """

    keys: tuple[str, ...]
    online: bool


class Receipts:
    """Those of one lake and one file.

    Args:
        target: The environment.
        file: The file that is to land.
        folders: What it would become now, in the lake's layout.
        online: Whether its rows are to be published.
    """

    def __init__(
        self, target: Target, file: Path, folders: Iterable[Path], *, online: bool
    ) -> None:
        self._s3, self._bucket = target.client("s3"), target.output(Output.RAW_BUCKET)
        with file.open("rb") as stream:
            self._key = f"{_FILES}{hashlib.file_digest(stream, 'sha256').hexdigest()}.json"
        files = [(root, each) for root in folders for each in root.rglob("*.parquet")]
        keys = sorted(each.relative_to(root).as_posix() for root, each in files)
        # Customers and names are everybody's.
        self._receipt = Receipt(tuple(key for key in keys if key.startswith(_ROWS)), online)
        self._file = file

    def stale(self, *, replace: bool) -> list[str]:
        """The objects that the file landed as and would not now.

        Raises:
            OperationError: There are some, and they are not to be replaced, or cannot be.
        """
        before = self._read(self._key)
        if before is None or before.keys == self._receipt.keys:
            return []
        rule = f"{self._file} must land as it did before, got another mapping of it"
        if before.online:
            raise OperationError(f"{rule}; what was published cannot be taken back")
        if not replace:
            raise OperationError(
                f"{rule}: its transactions would be there twice, and contradict each other; "
                "--replace takes away what they were"
            )
        # The same rows of another file are in the same object.
        others = {key for each in self._others() for key in each.keys}
        return sorted({*before.keys} - {*self._receipt.keys} - others)

    def keep(self, stale: Iterable[str]) -> None:
        """Notes that the file has landed, and takes away what is stale."""
        document = {"keys": self._receipt.keys, "online": self._receipt.online}
        body = json.dumps(document, sort_keys=True).encode()
        self._s3.put_object(Bucket=self._bucket, Key=self._key, Body=body)
        objects = [{"Key": key} for key in stale]
        for start in range(0, len(objects), _DELETED_AT_ONCE):
            some = objects[start : start + _DELETED_AT_ONCE]
            self._s3.delete_objects(Bucket=self._bucket, Delete={"Objects": some, "Quiet": True})

    def _others(self) -> Iterable[Receipt]:
        pages = self._s3.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self._bucket, Prefix=_FILES):
            for item in page.get("Contents", []):
                found = None if item["Key"] == self._key else self._read(item["Key"])
                if found is not None:
                    yield found

    def _read(self, key: str) -> Receipt | None:
        try:
            body: Any = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchKey":
                raise
            return None
        document = json.load(body)
        return Receipt(tuple(document["keys"]), document["online"])
