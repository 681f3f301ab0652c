"""Users' files that a model is asked about: with the ids that ingestion gave, or would give."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from operations.data.ingestion import read_events
from operations.data.own.conversion import OwnFile, read_own
from operations.data.own.faults import listing
from operations.data.own.identifiers import Identifiers
from operations.data.own.lake_store import LakeStore, keep_names, refuse_without_key
from operations.data.own.mapping import FileMapping
from operations.errors import OperationError
from operations.target import Target

__all__ = ["mapped_input", "read_transactions"]

_READ_BY_JOBS = (".csv", ".parquet")


def read_transactions(
    target: Target, path: Path, mapping: FileMapping | None
) -> tuple[pa.Table, dict[int, str]]:
    """The transactions of a file, or of a folder in the lake's layout; and of those with other ids
    than the file's what it calls them, or which rows they are.

    Raises:
        OperationError: There is no such file, rules are broken, or the lake has no key for ids.
    """
    if path.is_dir() or not path.exists():
        return read_events(path, mapping).transactions, {}
    own = _read(target, path, mapping or FileMapping())
    transactions = own.examination.landing.transactions
    if own.names is None:
        return transactions, {}
    ids = transactions["transaction_id"].to_pylist()
    return transactions, dict(zip(ids, own.names.to_pylist(), strict=True))


@contextmanager
def mapped_input(
    target: Target, source: str, mapping: FileMapping | None
) -> Iterator[tuple[str, str | None]]:
    """A batch's input: as it is, or as a file in the lake's columns, which a job can read.

    Yields:
        The input; and where it is kept what the file calls the transactions, if they have new ids.

    Raises:
        OperationError: What is to be mapped is no file, breaks rules, or the lake has no key.
    """
    is_file = Path(source).is_file()
    if mapping is None and not (is_file and Path(source).suffix.lower() not in _READ_BY_JOBS):
        yield source, None
        return
    if not is_file:
        raise OperationError(f"--input with a mapping must be a file on this machine, got {source}")
    own = _read(target, Path(source), mapping or FileMapping())
    with tempfile.TemporaryDirectory(prefix="fraudloop-") as temporary:
        file = Path(temporary) / "transactions.parquet"
        pq.write_table(own.examination.landing.transactions, file)
        yield str(file), keep_names(target, own)


def _read(target: Target, path: Path, mapping: FileMapping) -> OwnFile:
    own = read_own(path, mapping, Identifiers(LakeStore(target, refuse_without_key)))
    report = own.examination.findings.report()
    if not report.passed:
        raise OperationError(listing(path, report))
    return own
