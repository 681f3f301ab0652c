"""Reads a mapping out of a file in TOML or JSON, and of options."""

import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from operations.data.own.mapping import LAKE_COLUMNS, FileMapping
from pipeline_code.common.exits import BadInput

__all__ = ["read_mapping"]


def read_mapping(
    path: Path | None = None,
    *,
    columns: Sequence[str] = (),
    time_zone: str | None = None,
    settings: Sequence[str] = (),
) -> FileMapping:
    """A mapping out of a file and options; options win.

    Args:
        path: A file in TOML or JSON.
        columns: `theirs=ours`; several of theirs with a plus between them.
        time_zone: The zone of times without one.
        settings: What else a file may say, such as `amount.currency=USD`.

    Raises:
        BadInput: A part is none, or is not allowed; the message has them all.
    """
    given = {} if path is None else _document(path)
    given["columns"] = {**given.get("columns", {}), **_pairs(columns)}
    for setting in settings:
        _set(given, setting)
    if time_zone is not None:
        _set(given, f"time.zone={time_zone}")
    try:
        return FileMapping.model_validate(given)
    except ValidationError as error:
        name = "mapping" if path is None else path.name
        faults = [f"{name}: {_fault(each)}" for each in error.errors()]
        raise BadInput("; ".join(faults)) from error


def _set(given: dict[str, Any], setting: str) -> None:
    """Puts one setting where a file would have it."""
    path, equals, text = setting.partition("=")
    *parts, name = path.split(".")
    if not equals or not name:
        raise BadInput(
            f"--set must be a setting=value, such as amount.currency=USD, got {setting!r}"
        )
    for part in parts:
        given = given.setdefault(part, {})
        if not isinstance(given, dict):
            raise BadInput(f"--set must name a setting, got {path!r}: {part} has none below it")
    try:
        given[name] = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        given[name] = text


def _document(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        read = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise BadInput(f"--mapping must be a file in TOML or JSON, got {path}: {error}") from error
    if not isinstance(read, dict) or not isinstance(read.get("columns", {}), dict):
        raise BadInput(f"{path.name}: must have a table of columns; docs/own-data.md has examples")
    return read


def _pairs(columns: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for pair in columns:
        theirs, equals, ours = pair.rpartition("=")
        if not equals or not theirs or ours not in LAKE_COLUMNS:
            raise BadInput(
                f"--map must be the file's column=the lake's, such as card_no=customer_id, got "
                f"{pair!r}; the lake's are {', '.join(LAKE_COLUMNS)}"
            )
        if ours in found:
            raise BadInput(
                f"--map must give {ours} once, got {pair!r} too; join columns with a plus: "
                f"{'+'.join(found[ours])}+{theirs}={ours}"
            )
        found[ours] = theirs.split("+")
    return found


def _fault(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"{where} is none of the settings; docs/own-data.md has them all"
    words = str(error["msg"]).removeprefix("Value error, ")
    got = "" if "got" in words else f", got {error['input']!r}"
    return f"{where} {words}{got}".strip()
