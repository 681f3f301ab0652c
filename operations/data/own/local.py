"""Users' files for verbs that need no lake: ids of names are good for one run."""

import secrets
from pathlib import Path

import pyarrow as pa

from operations.data.own.conversion import read_own
from operations.data.own.faults import listing
from operations.data.own.identifiers import (
    DICTIONARY,
    KEY_BYTES,
    Identifiers,
    Kind,
)
from operations.data.own.mapping import FileMapping
from pipeline_code.common.exits import BadInput
from pipeline_code.common.lake import Landing

__all__ = ["read_landing"]


class _OneRun:
    """A key and a dictionary that nobody keeps."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(KEY_BYTES)

    def key(self) -> bytes:
        """The key of the ids."""
        return self._key

    def dictionary(self, _kind: Kind) -> pa.Table:
        """Nothing was named before."""
        return DICTIONARY.empty_table()


def read_landing(path: Path, mapping: FileMapping | None = None) -> Landing:
    """A file's rows in the lake's types.

    Args:
        mapping: What the file calls the lake's columns. If omitted, as the lake does.

    Raises:
        BadInput: It cannot be read, or breaks rules; the message has them all.
    """
    own = read_own(path, mapping or FileMapping(), Identifiers(_OneRun()))
    report = own.examination.findings.report()
    if not report.passed:
        raise BadInput(listing(path, report))
    return own.examination.landing
