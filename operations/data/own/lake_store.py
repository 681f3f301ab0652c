"""What the lake keeps of users' files beside transactions: the key of ids, names, other columns.

    own_data/key                                    32 bytes, made once
    own_data/identifiers/<customer|terminal>/*.parquet  id, text: whose id is whose
    own_data/columns/*.parquet                      transaction_id, and a file's other columns
    own_data/files/*.json                           what each file landed as
    own_data/asked/*.parquet                        transaction_id, name: of what a batch scored

All of it lies in the raw bucket below a prefix of its own, which no role of the system may read:
who has the key or the dictionary can tell whose ids those are. No table, check or fingerprint of
the data looks there, and nothing of it expires.
"""

import hashlib
import io
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from botocore.exceptions import ClientError

from operations.data import lake
from operations.data.own.conversion import OwnFile
from operations.data.own.identifiers import DICTIONARY, KEY_BYTES, Identifiers, Kind
from operations.errors import OperationError
from operations.target import Target
from pipeline_code.common.schema import read
from pipeline_code.contracts.outputs import Output

__all__ = [
    "LakeStore",
    "keep_names",
    "make_key",
    "refuse_without_key",
    "stand_in_key",
    "write_kept",
]

_KEY, _IDENTIFIERS = "own_data/key", "own_data/identifiers/"
_COLUMNS, _ASKED = "own_data/columns/", "own_data/asked/"


class LakeStore:
    """The key and the dictionary of a lake.

    Args:
        target: The environment.
        without_key: What stands for the key while there is none: one of this module's functions.

    Attributes:
        is_final: Whether the key is the lake's own.
    """

    def __init__(self, target: Target, without_key: Callable[[Target], bytes]) -> None:
        self._target, self._without_key = target, without_key
        self.is_final = True

    def key(self) -> bytes:
        """The key of the ids."""
        key = _read_key(self._target)
        if key is None:
            self.is_final = self._without_key is not stand_in_key
            return self._without_key(self._target)
        return key

    def dictionary(self, kind: Kind) -> pa.Table:
        """What was named before."""
        if kind is Kind.TRANSACTION:  # their names are among the columns
            return DICTIONARY.empty_table()
        prefix = f"{_IDENTIFIERS}{kind}/"
        with tempfile.TemporaryDirectory(prefix="fraudloop-") as temporary:
            lake.download(self._target, prefix, Path(temporary))
            return read(Path(temporary) / prefix, DICTIONARY)


def make_key(target: Target) -> bytes:
    """Makes the lake's key; of two who do so at once, one does.

    S3's guide ("How to prevent object overwrites with conditional writes"): whoever is later gets
    412 Precondition Failed, or 409 Conflict while the other's request goes on.
    """
    key = secrets.token_bytes(KEY_BYTES)
    try:
        target.client("s3").put_object(
            Bucket=target.output(Output.RAW_BUCKET), Key=_KEY, Body=key, IfNoneMatch="*"
        )
    except ClientError as error:
        if error.response["Error"]["Code"] not in (
            "PreconditionFailed",
            "ConditionalRequestConflict",
        ):
            raise
        key = _read_key(target) or b""
        if not key:
            raise
    return key


def stand_in_key(_target: Target) -> bytes:
    """A key for a look at ids before there are any."""
    return secrets.token_bytes(KEY_BYTES)


def refuse_without_key(target: Target) -> bytes:
    """Raises OperationError: ids of names are known by nobody."""
    raise OperationError(
        f"the lake of {target.environment} must have a key for ids that are text, got none; "
        "ingest a file with such ids first"
    )


def write_kept(own: OwnFile, identifiers: Identifiers, folder: Path) -> None:
    """Writes what is kept of a file, in the lake's layout; the same file gives the same names."""
    for kind, names in identifiers.new.items():
        if kind is not Kind.TRANSACTION and names.num_rows:
            _write(names.sort_by("text"), folder / _IDENTIFIERS / kind)
    if own.kept.num_columns > 1 and own.kept.num_rows:
        _write(own.kept.sort_by("transaction_id"), folder / _COLUMNS)


def keep_names(target: Target, own: OwnFile) -> str | None:
    """Keeps what a file calls transactions that are but asked about; its URI, None if nothing."""
    if own.names is None:
        return None
    ids = own.examination.landing.transactions["transaction_id"]
    with tempfile.TemporaryDirectory(prefix="fraudloop-") as temporary:
        names = pa.table({"transaction_id": ids, "name": own.names})
        _write(names.sort_by("transaction_id"), Path(temporary) / _ASKED)
        (key,) = lake.upload(target, Path(temporary))
    return f"s3://{target.output(Output.RAW_BUCKET)}/{key}"


def _write(table: pa.Table, folder: Path) -> None:
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    name = hashlib.sha256(sink.getbuffer()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"part-{name}.parquet").write_bytes(sink.getbuffer())


def _read_key(target: Target) -> bytes | None:
    bucket = target.output(Output.RAW_BUCKET)
    try:
        body = target.client("s3").get_object(Bucket=bucket, Key=_KEY)["Body"].read()
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchKey":
            raise
        return None
    if len(body) != KEY_BYTES:
        raise OperationError(
            f"s3://{bucket}/{_KEY} must hold {KEY_BYTES} bytes, got {len(body)}; restore the "
            "version before: with another key all ids would be others"
        )
    return bytes(body)
