"""The verb that examines an account before anything is deployed to it."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from operations.cli.parts.verbs import Json, guide, on_target
from operations.target import Target

if TYPE_CHECKING:
    from operations.doctor.checks import Check

REFUSED, UNKNOWN = 3, 4
_STYLES = {"ok": "", "note": "", "refused": "bold red", "unknown": "yellow"}


@guide("fraudloop doctor --environment prod --profile my-profile")
@on_target
def doctor(target: Target, json: Json = None) -> str:
    """Examine an account: what would refuse a deployment, and what to do about it; only reads.

    Exits with 3 if AWS would refuse something, with 4 if something could not be looked at.
    """
    import tempfile

    from rich.text import Text

    from operations.console import show
    from operations.deployment import toolchain
    from operations.doctor.checks import Outcome
    from operations.doctor.examination import examine
    from operations.doctor.place import check_region

    check_region(target)
    target.account  # noqa: B018 - synthesis takes seconds, and credentials may have expired
    with tempfile.TemporaryDirectory(prefix="fraudloop-") as folder:
        assembly = Path(folder) / "cdk.out"
        toolchain.synthesize(target.environment, assembly)
        checks = examine(target, assembly)
    outcomes = {each.outcome for each in checks}
    result = {
        "environment": target.environment,
        "account": target.account,
        "region": target.session.region_name,
        "checks": [each.document() for each in checks],
    }
    show(result, json, *(Text(_words(each), style=_STYLES[each.outcome]) for each in checks))
    if Outcome.REFUSED in outcomes:
        raise typer.Exit(REFUSED)
    if Outcome.UNKNOWN in outcomes:
        raise typer.Exit(UNKNOWN)
    return "fraudloop deploy"


def _words(check: "Check") -> str:
    what = f"{check.outcome:8} {check.subject}: needs {check.needed}, {check.found}"
    return f"{what}\n         {check.advice}" if check.advice else what


def register(app: typer.Typer) -> None:
    """Add this verb to the command."""
    app.command()(doctor)
