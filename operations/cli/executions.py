"""Verbs for what runs by itself: watch, stop, logs."""

from typing import TYPE_CHECKING, Annotated

import typer

from operations.cli.parts.following import steps_table, unattended
from operations.cli.parts.verbs import Json, guide, on_target
from operations.console import people, show, table, utc
from operations.errors import OperationError
from operations.target import Target

if TYPE_CHECKING:
    from operations.log_streams import Line
    from operations.logs import NamedLog

Execution = Annotated[
    str | None,
    typer.Argument(help="Its name, or its ARN; if omitted, the newest that runs."),
]


@guide("fraudloop watch", then="fraudloop status")
@on_target
def watch(target: Target, execution: Execution = None, json: Json = None) -> None:
    """Follow what runs by itself to its end: a pipeline's execution, a model's deployment.

    Without a name it is the newest execution that runs, and then the deployment under way.
    """
    from operations import executions
    from operations.models import registry
    from operations.models.deployments import last_deployment

    arn = _running(target) if execution is None else executions.find(target, execution)
    last = last_deployment(target) if execution is None else None
    is_deploying = last is not None and last["state"] == "Deploying"
    if arn is None and not is_deploying:
        raise OperationError(
            "something must be running to be watched, got nothing; `fraudloop status` lists the "
            "newest executions, which can be named"
        )
    result: dict[str, object] = {}
    with unattended("what runs goes on by itself: `fraudloop watch` attaches to it again"):
        if arn is not None:
            found = executions.watch(target, arn)
            result["execution"] = found.as_dict()
        if last is not None and is_deploying:
            package = last["model_package"]
            result |= {"model_package": package}
            result["endpoint"] = registry.await_deployment(target, package)
    tables = [] if arn is None else [steps_table(found)]
    if is_deploying:
        tables.append(table("Deployed", ["", ""], list(result.items())[-2:]))
    show(result, json, *tables)
    if arn is not None:
        executions.require_success(target, found)


@guide("fraudloop stop manual-20250312T101500-3f2a", then="fraudloop train")
@on_target
def stop(target: Target, execution: Execution = None, json: Json = None) -> None:
    """Stop a pipeline's execution and its jobs; waits until they have stopped."""
    from operations import executions

    arn = _running(target) if execution is None else executions.find(target, execution)
    if arn is None:
        raise OperationError("an execution must be running to be stopped, got none")
    with unattended("the execution is being stopped: `fraudloop watch` shows it"):
        found = executions.stop(target, arn)
    show(found.as_dict(), json, steps_table(found))
    if found.status != "Stopped":
        raise OperationError(f"execution {found.name} ended before it was stopped: {found.status}")


@guide("fraudloop logs TrainModel --follow")
@on_target
def logs(
    target: Target,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="JOB|STEP|FUNCTION|ENDPOINT", help="Of what; if omitted, what has a log."
        ),
    ] = None,
    lines: Annotated[
        int, typer.Option("--lines", "-n", help="The last so many.", min=1, max=10_000)
    ] = 100,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Show what comes, until its job has ended.")
    ] = False,
    json: Json = None,
) -> None:
    """Show the log of a job, a pipeline's step, a function or the endpoint."""
    from operations import logs as known

    if name is None:
        _show_known(known.logs(target), json)
        return
    source = known.find(target, name)
    printed: list[Line] = []
    with unattended(f"`fraudloop logs {source.name}` shows what was logged until then"):
        for line in known.lines(target, source, lines, follow=follow):
            _print(line, json)
            printed.append(line)
    if not printed:
        raise OperationError(
            f"{source.kind} {source.name} must have logged something, got nothing in "
            f"{source.log.group}; it may not have run yet"
        )
    document = [{"at": each.at.isoformat(), "message": each.message} for each in printed]
    show({**source.as_dict(), "lines": document}, json)


def register(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    for verb in (watch, stop, logs):
        app.command()(verb)


def _running(target: Target) -> str | None:
    from operations import executions

    return next(iter(executions.newest(target, running=True)), None)


def _show_known(logs: "list[NamedLog]", json: str | None) -> None:
    rows = [(each.name, each.kind, each.of, each.log.group) for each in logs]
    columns = ["name", "kind", "of", "group"]
    result = {"logs": [each.as_dict() for each in logs]}
    show(result, json, table("Logs", columns, rows, cut=["of"], only_wide=["group"]))


def _print(line: "Line", json: str | None) -> None:
    if json != "-":
        text = f"{utc(line.at)} {line.message}"
        people().print(text, markup=False, highlight=False, soft_wrap=True)
