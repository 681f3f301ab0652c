"""The `fraudloop` command: one module of verbs for each thing they act on."""

import inspect
from typing import Annotated

import typer

from operations.cli import (
    data,
    demo,
    deployment,
    doctor,
    embedded,
    executions,
    ingest,
    model,
    models,
    monitoring,
    parity,
    quality,
    reports,
    retraining,
    schema,
    serving,
    shadow,
    smoke,
    variables,
)

__all__ = ["app", "main"]

app = typer.Typer(
    name="fraudloop",
    help="Run the fraud-detection lifecycle, in an AWS account or on the embedded AWS.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"fraudloop {version('fraudloop')}")
        raise typer.Exit


@app.callback()
def _command(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version)
    ] = False,
) -> None:
    pass


def _explain(verbs: typer.Typer) -> None:
    """Have lists of verbs show first sentences whole, and each verb's help end with its example."""
    for verb in verbs.registered_commands:
        verb.short_help = (inspect.getdoc(verb.callback) or "").partition("\n\n")[0]
        if example := getattr(verb.callback, "example", None):
            verb.epilog = f"\b\nExample:\n  {example}"
    for group in verbs.registered_groups:
        if group.typer_instance is not None:
            _explain(group.typer_instance)


# In the order in which a new user needs them, which is the order `--help` shows.
for module in (
    embedded,
    variables,
    doctor,
    deployment,
    smoke,
    data,
    ingest,
    model,
    executions,
    models,
    schema,
    serving,
    shadow,
    monitoring,
    reports,
    retraining,
    quality,
    parity,
    demo,
):
    module.register(app)
_explain(app)


def main() -> None:
    """Entry point of the console script."""
    app(prog_name="fraudloop")
