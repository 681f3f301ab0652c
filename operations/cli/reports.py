"""Verbs for reports as pages: report evaluation, report monitor."""

from typing import TYPE_CHECKING, Annotated

import typer

from operations.cli.parts.verbs import Json, guide, on_target
from operations.console import show, table
from operations.target import Target

if TYPE_CHECKING:
    from operations.reports import Report

Version = Annotated[str, typer.Argument(help="ARN, version number, latest or deployed.")]
Open = Annotated[bool, typer.Option("--open", help="Show it in a browser.")]


@guide("fraudloop report evaluation 3 --open", then="fraudloop approve")
@on_target
def evaluation(
    target: Target, version: Version = "latest", opened: Open = False, json: Json = None
) -> None:
    """Download the report of the evaluation by which a version was registered."""
    from operations import reports

    _show(target, [reports.evaluation(target, version)], opened, json)


@guide("fraudloop report monitor deployed --open", then="fraudloop drift --kind all")
@on_target
def monitor(
    target: Target, version: Version = "deployed", opened: Open = False, json: Json = None
) -> None:
    """Download the newest report of each monitor that has looked at a version."""
    from operations import reports

    _show(target, reports.monitors(target, version), opened, json)


def register(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    group = typer.Typer(
        help="Download a version's reports as pages.", no_args_is_help=True, add_completion=False
    )
    for verb in (evaluation, monitor):
        group.command()(verb)
    app.add_typer(group, name="report")


def _show(target: Target, reports: "list[Report]", opened: bool, json: str | None) -> None:
    files = [report.download(target, target.reports) for report in reports]
    if opened:
        for file in files:
            typer.launch(file.resolve().as_uri())
    rows = [(each.name, str(file), each.uri) for each, file in zip(reports, files, strict=True)]
    names = ("name", "file", "source")
    result = {"reports": [dict(zip(names, row, strict=True)) for row in rows]}
    show(result, json, table("Reports", names, rows, only_wide=["source"]))
