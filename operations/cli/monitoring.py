"""Verbs for watching: drift, status."""

from datetime import timedelta
from typing import Annotated

import typer

from operations import drift as monitor
from operations.cli.verbs import Json, on_target
from operations.console import show, table
from operations.status import status as overview
from operations.target import Target


@on_target
def drift(
    target: Target,
    minutes: Annotated[int, typer.Option(help="How far back captures are analyzed.", min=1)] = 60,
    json: Json = None,
) -> None:
    """Run the monitor now on what the endpoint captured, and show what it found."""
    finding = monitor.run_now(target, window=timedelta(minutes=minutes))
    rows = [
        (item["feature_name"], item["constraint_check_type"], item["description"])
        for item in finding.violations
    ]
    columns = ["feature", "check", "description"]
    show(finding.as_dict(), json, table(f"{finding.status}: {finding.report}", columns, rows))


@on_target
def status(target: Target, json: Json = None) -> None:
    """Show where the environment stands: stacks, executions, models, endpoint, alarms."""
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
