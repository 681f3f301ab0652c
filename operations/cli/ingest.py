"""The verb that brings transactions in: ingest."""

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from operations.cli.parts.own_data import mapping_options, with_mapping
from operations.cli.parts.verbs import Json, guide, on_target
from operations.console import people, show, table, tell


@guide("fraudloop ingest week.csv --check --map card_no=customer_id", then="fraudloop train")
@on_target
@with_mapping
def ingest(
    target: Any,
    path: Annotated[
        Path,
        typer.Argument(help="CSV, JSON Lines or Parquet, perhaps with .gz; or a simulated folder."),
    ],
    mapping: Any = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only show what would land, and all faults.")
    ] = False,
    online: Annotated[
        bool,
        typer.Option(
            help="Publish the events: the stream folds them into the online store and lands them."
        ),
    ] = False,
    register_customers: Annotated[
        bool, typer.Option(help="Take unknown customers as new ones; an empty lake always does.")
    ] = False,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Take away what the file landed as by another mapping."),
    ] = False,
    json: Json = None,
) -> str | None:
    """Check a file or folder and land it in the lake by day, or publish it; all or nothing.

    A file with other columns than the lake's needs a mapping, of which docs/own-data.md has
    examples.
    """
    from operations.data.ingestion import ingest as bring_in

    if check:
        _show_preview(target, path, mapping, register_customers=register_customers, json=json)
        return _same(path, online=online, register_customers=register_customers, replace=replace)
    result = bring_in(
        target,
        path,
        online=online,
        register_customers=register_customers,
        mapping=mapping,
        replace=replace,
    )
    tables = [_columns(result)] if "columns" in result else []
    show(result, json, *tables, table("Ingested", ["", ""], _counts(result).items()))
    if result.get("hint"):
        tell(result["hint"])
    return None


# Names and borders of a table of the first rows, and each of its rows as a column.
_FIRST_WIDTH, _ROW_WIDTH = 22, 23
_SHOWN_CHARACTERS = 20
_COUNTED = ("rows", "transactions", "fraud_reports", "customers", "first_event", "last_event")


def _same(path: Path, *, online: bool, register_customers: bool, replace: bool) -> str:
    """The same command, without the check."""
    words = ["fraudloop", "ingest", str(path), *mapping_options.get()]
    words += ["--online"] * online + ["--register-customers"] * register_customers
    words += ["--replace"] * replace
    return shlex.join(words)


def _show_preview(
    target: Any, path: Path, mapping: Any, *, register_customers: bool, json: str | None
) -> None:
    from operations.data.own.preview import preview
    from operations.errors import OperationError

    result = preview(target, path, mapping, register_customers=register_customers)
    tables = [_columns(result)]
    first = result["first_rows"][: max(1, (people().width - _FIRST_WIDTH) // _ROW_WIDTH)]
    if first:
        numbers = [str(each["row"]) for each in first]
        tables += [
            table("Would land", ["", ""], _counts(result).items()),
            table("First rows", ["row", *numbers], _cells(first)),
        ]
    show(result, json, *tables)
    if result["faults"] is not None:
        raise OperationError(result["faults"])
    if result["hint"]:
        tell(result["hint"])
    if not result["ids_are_final"]:
        tell("the first ingestion makes the key of the ids: those of names will be others")


def _counts(result: dict[str, Any]) -> dict[str, str]:
    """What is counted, for people; of what did not happen, nothing."""
    names = (*_COUNTED, "bucket", "objects", "online")
    counts = {name: _cell(result[name]) for name in names if name in result}
    if result.get("assumed_report_times"):
        delay = f"{result['assumed_report_delay_days']:g} days after the transaction"
        counts["reports assumed"] = f"{result['assumed_report_times']}, each {delay}"
    if result.get("replaced_objects"):
        counts["objects replaced"] = str(result["replaced_objects"])
    if result.get("left_out"):
        counts["refunds left out"] = str(result["left_out"])
    return counts


def _columns(result: dict[str, Any]) -> Any:
    """What of the file each of the lake's columns is made of, and what is kept beside them."""
    kept = ", ".join(result["kept_columns"]) or "nothing"
    rows = [*result["columns"].items(), ("kept beside", kept)]
    return table("Columns", ["of the lake", "of the file"], rows)


def _cells(first: list[dict[str, Any]]) -> list[list[str]]:
    """The first rows, a row of cells for each of their columns."""
    own = [name for name in first[0] if name not in ("row", "kept")]
    cells = [[name, *(_shortened(_cell(each[name])) for each in first)] for name in own]
    return cells + [
        [f"({name})", *(_shortened(_cell(each["kept"][name])) for each in first)]
        for name in first[0]["kept"]
    ]


def _cell(value: Any) -> str:
    return "" if value is None else str(value).replace("+00:00", "Z")


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"


def register(app: typer.Typer) -> None:
    """Add this verb to the command."""
    app.command()(ingest)
