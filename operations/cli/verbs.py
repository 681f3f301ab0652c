"""The frame that every verb has: its target's options, `--json`, and how it fails."""

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from local_aws.server import EmbeddedAwsError
from operations.console import errors
from operations.errors import OperationError
from operations.target import DEFAULT_STATE, connect
from pipeline_code.common.exits import BadInput

app = typer.Typer(
    name="fraudloop",
    help="Run the fraud-detection lifecycle, in an AWS account or on the embedded AWS.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)

EnvironmentName = Annotated[
    str, typer.Option("--environment", "-e", help="local is the embedded AWS; or dev, prod.")
]
Profile = Annotated[str | None, typer.Option(help="AWS profile; local does not use it.")]
Region = Annotated[str | None, typer.Option(help="AWS region; if omitted, the profile's.")]
State = Annotated[Path, typer.Option(help="Folder of the embedded AWS.")]
Json = Annotated[
    str | None, typer.Option("--json", help="Write the result as JSON to this file; - is stdout.")
]


def plain(function: Callable[..., None]) -> Callable[..., None]:
    """A verb that needs no deployed environment: expected failures end in one line."""

    @wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> None:
        try:
            function(*args, **kwargs)
        except Exception as error:
            if not _is_expected(error):
                raise
            # Not wrapped: an ARN or a command must be found, and copied, in one piece.
            line = f"fraudloop: {error}"
            errors().print(line, style="red", markup=False, highlight=False, soft_wrap=True)
            raise typer.Exit(getattr(error, "exit_code", 1)) from error

    return guarded


def on_target(function: Callable[..., None]) -> Callable[..., None]:
    """A verb whose first parameter is a `Target`, made from options that it then has too."""

    @wraps(function)
    def connected(
        *args: Any,
        environment: str,
        profile: str | None,
        region: str | None,
        state: Path,
        **kwargs: Any,
    ) -> None:
        target = connect(environment, profile=profile, region=region, state=state)
        function(target, *args, **kwargs)

    guarded = plain(connected)
    _, *own = inspect.signature(function).parameters.values()
    added = [
        _option("environment", EnvironmentName, "local"),
        _option("profile", Profile, None),
        _option("region", Region, None),
        _option("state", State, DEFAULT_STATE),
    ]
    own = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own]
    # Typer reads a command's options from its signature, so the added ones must be in it.
    parameters = [*own, *added]
    guarded.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    guarded.__annotations__ = {each.name: each.annotation for each in parameters}
    return guarded


def _is_expected(error: Exception) -> bool:
    from botocore.exceptions import BotoCoreError, ClientError

    expected = (OperationError, EmbeddedAwsError, BadInput, ClientError, BotoCoreError)
    return isinstance(error, expected)


def _option(name: str, kind: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
