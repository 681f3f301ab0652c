"""The verbs' output: tables for operators on the terminal, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table


@cache
def people() -> Console:
    """The terminal of who runs the command: stdout."""
    from rich.console import Console

    return Console()


@cache
def errors() -> Console:
    """The same on stderr: tables go there when JSON goes to stdout, so that `| jq` works."""
    from rich.console import Console

    return Console(stderr=True)


def tell(text: str) -> None:
    """Say what is going on, on stderr: a line, which is not folded."""
    errors().print(text, markup=False, highlight=False, soft_wrap=True)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table of text cells; numbers are the caller's to format."""
    from rich.table import Table

    result = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        result.add_column(column, overflow="fold")
    for row in rows:
        result.add_row(*(str(cell) for cell in row))
    return result


def utc(moment: datetime) -> str:
    """A moment as people and programs read it: to the second, in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def write_json(document: Mapping[str, Any], path: str) -> None:
    """Write a result to a file, or to stdout for `-`."""
    text = json.dumps(document, indent=2, default=str)
    if path == "-":
        sys.stdout.write(text + "\n")
        return
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text + "\n")


def show(document: Mapping[str, Any], json_path: str | None, *tables: RenderableType) -> None:
    """Print tables, or trees, for operators and, if asked, the document for programs."""
    from rich.text import Text

    console = errors() if json_path == "-" else people()
    for each in tables:
        # A line, unlike a table, is not folded: an address must be found in one piece.
        console.print(each, soft_wrap=isinstance(each, Text))
    if json_path is not None:
        write_json(document, json_path)
