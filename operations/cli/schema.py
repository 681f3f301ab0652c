"""Verbs for the versions of the features' schema: schema status, retire."""

from typing import Annotated, Any

import typer

from operations.cli.parts.verbs import Json, guide, on_target
from operations.console import show, table
from operations.target import Target

Version = Annotated[str, typer.Argument(help="The version that ends, such as v2.")]


@guide("fraudloop schema status")
@on_target
def status(target: Target, json: Json = None) -> None:
    """Say which versions are alive, what needs each, and which may be retired."""
    from operations.models.schema_versions import schema_status

    versions = schema_status(target)
    show(
        {"versions": versions},
        json,
        table(
            "Versions of the features' schema",
            ["version", "in code", "groups", "made", "approved", "pending", "kept, since"],
            map(_row, versions),
            only_wide=["pending"],
        ),
    )


@guide("fraudloop schema retire v2")
@on_target
def retire(target: Target, version: Version, json: Json = None) -> None:
    """End a version that nothing needs: its packages are rejected, and what is next is said.

    Refused while a package of it serves, is the challenger or is what a roll-back brings back.
    """
    from operations.models.schema_retirement import retire as end_version

    found = end_version(target, version)
    rows = [
        ("rejected", found["rejected"] or "nothing was left"),
        *(("edit", each) for each in found["edits"]),
        ("then", f"fraudloop deploy --environment {target.environment}"),
        *(("then", each) for each in found["commands"]),
    ]
    show(found, json, table(f"Schema version {version} is retired", ["", ""], rows))


def register(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    group = typer.Typer(
        help="See and end versions of the features' schema.",
        no_args_is_help=True,
        add_completion=False,
    )
    for verb in (status, retire):
        group.command()(verb)
    app.add_typer(group, name="schema")


def _row(each: dict[str, Any]) -> tuple[object, ...]:
    groups = each["groups"]
    return (
        each["version"],
        each["in_code"],
        ", ".join(dict.fromkeys(group["status"] for group in groups)) or "none",
        min((group["created"][:10] for group in groups), default=""),
        each["approved"],
        each["pending"],
        each["why_kept"] or "nothing: it may be retired",
    )
