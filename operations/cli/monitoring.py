"""Verbs for watching: drift, status."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import typer

from operations.cli.drift import drift
from operations.cli.parts.verbs import Json, guide, on_target
from operations.console import show, table, wide
from operations.target import Target

if TYPE_CHECKING:
    from rich.table import Table

# Of what a deployment's record says.
_DEPLOYMENT = ("model_package", "state", "since", "reason", "cause", "retry_at", "previous")


@guide("fraudloop status --environment prod", then="fraudloop models")
@on_target
def status(target: Target, json: Json = None) -> None:
    """Show where the environment stands: stacks, executions, models, endpoint, alarms.

    What cannot be known, as after a deployment that was broken off, is named with why.
    """
    from operations.deployment.status import status as overview

    found = overview(target)
    show(found, json, *_tables(target, found))


def register(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    app.command()(drift)
    app.command()(status)


def _tables(target: Target, found: dict[str, Any]) -> Iterator[Table]:
    yield table("Stacks", ["stack", "status"], found["stacks"].items())
    if found["executions"]:
        columns = ["name", "status", "started"]
        rows: Any = [item.values() for item in found["executions"]]
        yield table("Executions", columns, rows)
    if found["model_packages"]:
        columns = ["version", "approval", "created"]
        rows = [item.values() for item in found["model_packages"]]
        yield table("Model packages", columns, rows)
    if last := found["deployment"]:
        rows = [(name.replace("_", " "), last[name]) for name in _DEPLOYMENT if last.get(name)]
        yield table("Last deployment", ["", ""], rows)
    if found["endpoint"] is not None:
        yield table("Endpoint", ["name", "status"], [found["endpoint"].values()])
    if found["alarms"] is not None:
        yield _alarms(target, found["alarms"])
    if found["outputs"] and wide.get():
        yield table("Outputs", ["output", "value"], found["outputs"].items())
    if found["unknown"]:
        rows = [(name.replace("_", " "), why) for name, why in found["unknown"].items()]
        yield table("Unknown", ["what", "why"], rows)


def _alarms(target: Target, alarms: dict[str, str]) -> Table:
    """Those in alarm, or all."""
    from operations.deployment.status import short_alarm

    rows = sorted(
        (name if wide.get() else short_alarm(target, name), state)
        for name, state in alarms.items()
        if state == "ALARM" or wide.get()
    )
    unhealthy = sum(state == "ALARM" for state in alarms.values())
    return table(f"Alarms: {unhealthy} of {len(alarms)} in ALARM", ["alarm", "state"], rows)
