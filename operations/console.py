"""The verbs' output: tables for operators on the terminal, JSON for programs."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence, Set
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from operations.progress import finish

if TYPE_CHECKING:
    from rich.console import Console, OverflowMethod, RenderableType
    from rich.table import Table


# `arn:aws:sagemaker:eu-west-1:123456789012:model-package/fraudloop-dev-fraud/3`: what comes behind
# the account and the resource's type.
_ARN = re.compile(r"arn:aws[\w-]*(?::[\w-]*){3}:(?:[\w-]+[:/])?(?P<name>[^\s,;:'\"]+)")
_WIDE, _NARROW = 1000, 80  # characters


# Whether everything is shown, whatever the terminal's width: whole ARNs, every column.
wide: ContextVar[bool] = ContextVar("wide", default=False)


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


def table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    cut: Sequence[str] = (),
    only_wide: Sequence[str] = (),
) -> Table:
    """A table of text cells; numbers are the caller's to format.

    Args:
        title: Its title.
        columns: Their headings; without any, the rows are names and values.
        rows: A cell for each column.
        cut: Columns that have what room is left, and end in an ellipsis where it does not suffice.
        only_wide: Columns that are there only if everything is to be shown.
    """
    from rich import box
    from rich.table import Table

    result = Table(
        title=title,
        # A title is not folded to the width of what is below it.
        min_width=min(len(title), _NARROW),
        title_justify="left",
        title_style="bold",
        header_style="bold",
        box=box.SIMPLE_HEAD,
        show_header=any(columns),
        show_edge=False,
        pad_edge=False,
        collapse_padding=True,
        expand=bool(cut) and not wide.get(),
    )
    shown = [column for column in columns if wide.get() or column not in only_wide]
    for column in shown:
        is_cut = column in cut and not wide.get()
        overflow: OverflowMethod = "ellipsis" if is_cut else "fold"
        result.add_column(column, overflow=overflow, no_wrap=is_cut, ratio=1 if is_cut else None)
    for row in rows:
        cells = zip(columns, row, strict=True)
        result.add_row(*(readable(cell) for column, cell in cells if column in shown))
    return result


def readable(value: object) -> str:
    """A value as people read it: no ARN where a name does, and nothing of Python's."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {readable(each)}" for name, each in value.items())
    if isinstance(value, Set):
        return ", ".join(sorted(map(readable, value)))
    if isinstance(value, list | tuple):
        return ", ".join(map(readable, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = "" if value is None else str(value)
    return text if wide.get() else _ARN.sub(lambda arn: arn["name"], text)


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
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    finish()
    console = errors() if json_path == "-" else people()
    if wide.get():
        console = Console(stderr=console.stderr, width=_WIDE)
    for each in tables:
        # A line, unlike a table, is not folded: an address must be found in one piece.
        console.print(each, soft_wrap=isinstance(each, Text))
        if isinstance(each, Table):
            console.print()
    if json_path is not None:
        write_json(document, json_path)
