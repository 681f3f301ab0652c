"""The verb that asks an account what no document of AWS's says."""

from typing import Annotated

import typer

from operations.cli.parts.verbs import Json, guide, on_target
from operations.target import Target


def _list(asked: bool) -> None:
    """Show the questions, which takes no account, and end."""
    if not asked:
        return
    from local_aws.behaviours.questions import questions

    for each in questions().values():
        assumed, *others = each.readings
        typer.echo(f"{each.name}: {each.question}")
        typer.echo(f"    {', '.join([f'{assumed} (assumed)', *others])}")
        if each.unasked:
            typer.echo(f"    not asked: {each.unasked}")
    raise typer.Exit


Account = Annotated[
    str | None,
    typer.Option(help="The account's number; an environment that may not delete data needs it."),
]
Only = Annotated[
    list[str] | None, typer.Option("--only", help="A question, by its name; may be repeated.")
]
Clean = Annotated[bool, typer.Option("--clean", help="Only delete what earlier runs left.")]
Listed = Annotated[
    bool,
    typer.Option("--list", help="Show the questions, and end.", is_eager=True, callback=_list),
]


@guide("fraudloop smoke --json aws.json", then="fraudloop up --aws-behaviour FILE")
@on_target
def smoke(
    target: Target,
    account: Account = None,
    only: Only = None,
    clean: Clean = False,
    _listed: Listed = False,
    json: Json = None,
) -> str | None:
    """Ask the account what AWS's documents leave open, within half an hour and for a dollar.

    All that it makes begins with fraudloop-smoke- and is deleted at the end, after Ctrl-C and by
    the next run too. Exits with 3 if something is not as the embedded AWS assumes, with 4 if
    something could not be seen.
    """
    from operations.environments import may_delete_data
    from operations.errors import OperationError
    from operations.smoke import running

    if account != target.account and not (account is None and may_delete_data(target.environment)):
        raise OperationError(
            f"--account must be the account's number, {target.account}, got {account}; "
            f"{target.environment} may not delete data: be sure that it is the one that is meant"
        )
    if clean:
        running.clean_up(target, json)
        return "fraudloop status"
    running.run(target, only or [], json)
    return None


def register(app: typer.Typer) -> None:
    """Add this verb to the command."""
    app.command()(smoke)
