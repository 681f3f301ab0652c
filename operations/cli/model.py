"""Verbs for models: train, approve, reject, rollback."""

from typing import Annotated

import typer

from operations.cli.parts.following import steps_table, unattended
from operations.cli.parts.verbs import Json, guide, on_target
from operations.console import show, table
from operations.target import Target
from pipeline_code.contracts.decisions import APPROVED, REJECTED

Package = Annotated[str, typer.Argument(help="ARN, version number, latest or deployed.")]
Reason = Annotated[str, typer.Option(help="Kept with the package, and who gave it.")]
Overrule = Annotated[bool, typer.Option(help="Decide again on what was decided before.")]
Wait = Annotated[bool, typer.Option(help="Wait until the endpoint serves it.")]

_GOES_ON = (
    "its deployment goes on by itself: `fraudloop watch` attaches to it, `fraudloop rollback` "
    "undoes it"
)


@guide("fraudloop train --reason 'new terminals'", then="fraudloop approve")
@on_target
def train(
    target: Target,
    reason: Reason = "manual",
    watch: Annotated[bool, typer.Option(help="Follow the execution to its end.")] = True,
    json: Json = None,
) -> None:
    """Run the training pipeline on what is in the lake: check, features, train, gate, register."""
    from operations import executions

    arn = executions.start(target, reason=reason)
    name = executions.describe(target, arn).name
    if not watch:
        result = {"arn": arn, "name": name}
        show(result, json, table("Started", ["", ""], result.items()))
        return
    goes_on = (
        f"execution {name} goes on by itself: `fraudloop watch {name}` attaches to it, "
        f"`fraudloop stop {name}` stops it"
    )
    with unattended(goes_on):
        execution = executions.watch(target, arn)
    show(execution.as_dict(), json, steps_table(execution))
    executions.require_success(target, execution)


@guide("fraudloop approve 3 --reason 'better than 2'", then="fraudloop score FILE")
@on_target
def approve(
    target: Target,
    package: Package = "latest",
    reason: Reason = "approved by hand",
    overrule: Overrule = False,
    wait: Wait = True,
    json: Json = None,
) -> None:
    """Approve a model package; the deployed rule and Lambda put it behind the endpoint."""
    from operations.models import approvals, registry

    arn = approvals.approve(target, package, reason=reason, overrule=overrule)
    result: dict[str, object] = {"model_package": arn, "decision": APPROVED}
    if wait:
        with unattended(f"version {_version(arn)} is approved; {_GOES_ON}"):
            result["endpoint"] = registry.await_deployment(target, arn)
    show(result, json, table(APPROVED, ["", ""], result.items()))


@guide("fraudloop reject 3 --reason 'too many false alarms'", then="fraudloop models")
@on_target
def reject(
    target: Target,
    package: Package = "latest",
    reason: Reason = "rejected by hand",
    overrule: Overrule = False,
    json: Json = None,
) -> None:
    """Reject a model package, so that it is never deployed."""
    from operations.models import approvals

    arn = approvals.reject(target, package, reason=reason, overrule=overrule)
    result = {"model_package": arn, "decision": REJECTED}
    show(result, json, table(REJECTED, ["", ""], result.items()))


@guide("fraudloop rollback --reason 'too many false alarms'", then="fraudloop models")
@on_target
def rollback(
    target: Target,
    reason: Reason = "rolled back by hand",
    to: Annotated[
        str | None, typer.Option(help="An approved version; if omitted, the one approved last.")
    ] = None,
    wait: Wait = True,
    json: Json = None,
) -> None:
    """Revoke the deployed model; an earlier approved version takes its place."""
    from operations.models import approvals, registry

    done = approvals.roll_back(target, reason=reason, to=to)
    result = done.as_dict()
    if wait:
        before, after = _version(done.revoked), _version(done.restored)
        goes_on = f"version {before} is rejected, version {after} takes its place; {_GOES_ON}"
        with unattended(goes_on):
            result["endpoint"] = registry.await_deployment(target, done.restored, since=done.at)
    show(result, json, table("Rolled back", ["", ""], result.items()))


def _version(arn: str) -> str:
    return arn.rpartition("/")[2]


def register(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    app.command()(train)
    app.command()(approve)
    app.command()(reject)
    app.command()(rollback)
