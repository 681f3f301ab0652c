"""Verbs for watching: drift, status."""

import typer

from operations.cli.drift import drift
from operations.cli.verbs import Json, guide, on_target
from operations.console import show, table
from operations.target import Target


@guide("fraudloop status --environment prod", then="fraudloop models")
@on_target
def status(target: Target, json: Json = None) -> None:
    """Show where the environment stands: stacks, executions, models, endpoint, alarms."""
    from operations.deployment.status import status as overview

    found = overview(target)
    show(
        found,
        json,
        table("Stacks", ["stack", "status"], found["stacks"].items()),
        table(
            "Executions",
            ["name", "status", "started"],
            [item.values() for item in found["executions"]],
        ),
        table(
            "Model packages",
            ["version", "approval", "created"],
            [item.values() for item in found["model_packages"]],
        ),
        table("Last deployment", ["", ""], (found["deployment"] or {"state": "none"}).items()),
        table("Endpoint", ["", ""], found["endpoint"].items()),
        table("Alarms", ["alarm", "state"], found["alarms"].items()),
    )


def register(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    app.command()(drift)
    app.command()(status)
