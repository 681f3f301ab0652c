"""Verbs for retraining: retrain, retraining status, retraining resume."""

from typing import Annotated, Any

import typer

from operations.cli.parts.verbs import Json, guide, on_target
from operations.console import show, table
from operations.errors import OperationError
from operations.target import Target

Reason = Annotated[str, typer.Option(help="Why; it is kept with the model.")]


@guide("fraudloop retrain --reason 'new terminals'", then="fraudloop retraining status")
@on_target
def retrain(target: Target, reason: Reason, json: Json = None) -> None:
    """Retrain the model now, as drift would: one execution at a time, and none twice.

    Neither the cool-down nor the day's budget holds it up, and drift may ask again afterwards.
    """
    from operations.monitoring import retraining as retrainings

    answer = retrainings.request(target, reason=reason)
    show(answer, json, table("Retraining", ["", ""], answer.items()))
    if answer["outcome"] != "started":
        raise OperationError(f"retraining was {answer['outcome']}: {answer['reason']}")


@guide("fraudloop retraining status", then="fraudloop models")
@on_target
def status(target: Target, json: Json = None) -> None:
    """Say what was retrained last and what for, and which drift was not cured by it."""
    from operations.monitoring import retraining as retrainings

    found = retrainings.status(target)
    last = found["last"] or {}
    told = ("at", "reason", "evidence", "execution_arn")
    uncured = found["uncured"].items()
    show(
        found,
        json,
        table("Last retraining", ["", ""], [(name, last.get(name, "none")) for name in told]),
        table(
            "Since a monitor passed",
            ["monitor", "retrainings"],
            [(monitor, ", ".join(starts)) for monitor, starts in uncured],
        ),
        table("Events that wait", ["queue", "events"], _queues(found["waiting"])),
    )


@guide("fraudloop retraining resume --reason 'feed mended'", then="fraudloop retraining status")
@on_target
def resume(target: Target, reason: Reason, json: Json = None) -> None:
    """Have drift retrain again that retraining did not cure."""
    from operations.monitoring import retraining as retrainings

    answer = retrainings.resume(target, reason=reason)
    show(answer, json, table("Retraining", ["", ""], answer.items()))


def register(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    app.command()(retrain)
    group = typer.Typer(
        help="See and release what retrains.", no_args_is_help=True, add_completion=False
    )
    for verb in (status, resume):
        group.command()(verb)
    app.add_typer(group, name="retraining")


def _queues(waiting: dict[str, int]) -> list[tuple[str, Any]]:
    return [(kind.lower() or "events", count) for kind, count in waiting.items()]
