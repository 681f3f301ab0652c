"""Reads files of users, and asks that nothing is wrong with them."""

from pathlib import Path
from typing import Any

from operations.data.own.conversion import OwnFile, read_own
from operations.data.own.identifiers import Identifiers
from operations.data.own.lake_store import write_kept
from operations.data.own.mapping import FileMapping
from operations.data.own.settings import read_mapping
from pipeline_code.common.lake import write

from .stores import Store

Row = dict[str, Any]


def own_file(path: Path, mapping: FileMapping, folder: Path | None = None) -> OwnFile:
    """The file; what it becomes is written to the folder."""
    identifiers = Identifiers(Store())
    own = read_own(path, mapping, identifiers)
    if folder is not None:
        assert own.examination.findings.report().passed, own.examination.findings.report().message()
        write(own.examination.landing, folder)
        write_kept(own, identifiers, folder)
    return own


def read_text(folder: Path, text: str, *columns: str, name: str = "f.csv", **more: Any) -> OwnFile:
    (folder / name).write_text(text)
    return own_file(folder / name, read_mapping(columns=columns, **more))


def rows_of(own: OwnFile) -> list[Row]:
    assert own.examination.findings.counts == {}
    rows: list[Row] = own.examination.landing.transactions.to_pylist()
    return rows
