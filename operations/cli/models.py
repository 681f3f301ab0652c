"""Verbs for the versions of the model: models, lineage, compare."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from operations import progress
from operations.cli.parts.verbs import Json, guide, on_target
from operations.console import show, table
from operations.errors import OperationError
from operations.target import Target
from pipeline_code.contracts.reviews import CARDS_REVIEWED_A_DAY

Version = Annotated[str, typer.Argument(help="ARN, version number, latest or champion.")]

_COLUMNS = (
    "version",
    "status",
    "AP",
    "revision",
    "learned from",
    "trained for",
    "decided by",
    "reason",
)
_AMOUNT = 100
_ONLY_WIDE = ("revision", "learned from", "trained for")


@guide("fraudloop models --limit 5", then="fraudloop compare latest champion")
@on_target
def models(
    target: Target,
    limit: Annotated[int, typer.Option(help="The newest so many.", min=1, max=100)] = 20,
    json: Json = None,
) -> None:
    """List the versions of the model: status, quality, origin, and who decided what."""
    from operations.models.versions import versions

    found = versions(target, limit=limit)
    rows = []
    for each in found:
        metadata, decided = each["metadata"], each["decided"] or {}
        deployment = (each["deployment"] or {}).get("state", "InService")
        told = "deployed" if each["deployed"] else deployment
        status = each["status"] if told == "InService" else f"{each['status']}, {told}"
        days = [metadata.get(f"train_{end}_event", "")[:10] for end in ("first", "last")]
        rows.append(
            (
                each["version"],
                status,
                metadata.get("average_precision", "")[:6],
                each["revision"] or "",
                " to ".join(days) if all(days) else "",
                metadata.get("trigger_reason", ""),
                decided.get("by", ""),
                decided.get("reason", ""),
            )
        )
    shown = table("Models", _COLUMNS, rows, cut=["reason"], only_wide=_ONLY_WIDE)
    show({"models": found}, json, shown)


@guide("fraudloop lineage 3 --verify", then="fraudloop models")
@on_target
def lineage(
    target: Target,
    subject: Annotated[
        str | None,
        typer.Argument(
            help="An endpoint's name, or a model package: ARN, version number, latest or deployed. "
            "If omitted, the environment's endpoint."
        ),
    ] = None,
    objects: Annotated[bool, typer.Option(help="Name every object that was read.")] = False,
    verify: Annotated[
        bool, typer.Option(help="Check that the objects and the artifact are there, unchanged.")
    ] = False,
    json: Json = None,
) -> None:
    """Walk from an endpoint back to its model, jobs, code and the S3 objects it learned from."""
    from operations.models.lineage import lineage as lineage_of
    from operations.models.lineage_tree import tree
    from operations.models.verification import verify as verification_of

    found = lineage_of(target, subject)
    if verify:
        found = found.with_verification(verification_of(target, found))
    show(found.as_dict(), json, tree(found, all_objects=objects))
    if found.verification is not None and not found.verification["passed"]:
        problems = found.verification["problems"]
        raise OperationError(
            f"lineage must be as recorded, got {len(problems)} problems; the first: {problems[0]}"
        )


@guide("fraudloop compare 3 champion", then="fraudloop approve")
@on_target
def compare(
    target: Target,
    a: Version,
    b: Version,
    execution: Annotated[
        str | None,
        typer.Option(help="Name or ARN of the pipeline execution whose test window to use."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Labelled transactions to use instead, Parquet or CSV.")
    ] = None,
    test_start: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="With --data: the first day.")
    ] = None,
    test_days: Annotated[int, typer.Option(help="With --data: how many days.", min=1)] = 7,
    reviews_per_day: Annotated[
        int, typer.Option(help="Cards that people can look at each day.", min=1)
    ] = CARDS_REVIEWED_A_DAY,
    json: Json = None,
) -> None:
    """Score two versions on the same held-back window, and say whether the difference is real."""
    from operations import executions
    from operations.models.comparison import (
        ComparedVersion,
        compare_versions,
        newest_execution,
        window_of,
        window_of_file,
    )

    if (data is None) != (test_start is None) or (data and execution):
        raise OperationError(
            "a window must be --execution, or --data with --test-start, or neither, got "
            f"--execution {execution}, --data {data}, --test-start {test_start}"
        )
    one, other = ComparedVersion.of(target, a), ComparedVersion.of(target, b)
    if data is not None and test_start is not None:
        window = window_of_file(data, start=test_start.date(), days=test_days)
    else:
        named = executions.find(target, execution) if execution else None
        window = window_of(target, named or newest_execution(one, other))
    with progress.activity("score the window by both versions"):
        found = compare_versions(one, other, window, reviews=reviews_per_day)
    comparison = found.comparison
    rows = [
        (
            name,
            *map(_figure, (each.a, each.b, each.difference)),
            f"{_figure(each.low)} to {_figure(each.high)}",
            each.verdict,
        )
        for name, each in comparison.metrics.items()
    ]
    title = (
        f"version {one.version} (A) and {other.version} (B), {window.start} to {window.last}: "
        f"{comparison.rows} transactions, {comparison.frauds} frauds"
    )
    columns = ["metric", "A", "B", "B - A", "B - A, 95 %", "verdict"]
    show(found.as_dict(), json, table(title, columns, rows, only_wide=["B - A"]))


def _figure(value: float) -> str:
    # Shares and scores to four digits, amounts to one unit of their currency.
    return f"{value:.4f}" if abs(value) < _AMOUNT else f"{value:,.0f}"


def register(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    app.command()(models)
    app.command()(lineage)
    app.command()(compare)
