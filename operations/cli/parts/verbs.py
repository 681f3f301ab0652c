"""The frame that every verb has: its target's options, `--json`, what is next, how it fails."""

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from operations.cli.parts.failures import check_inputs, check_result_file, in_a_line
from operations.cli.parts.following import interruptible
from operations.cli.parts.place import EMBEDDED, ENVIRONMENT, STATE, same_place
from operations.console import tell, wide
from operations.environments import check_environment, environment_names
from operations.progress import Display
from operations.target import DEFAULT_STATE, connect

Verb = Callable[..., Any]
# What a verb exits with that did its work and found something.
VERDICTS = (3, 4)
# Of Ctrl-C in a verb that does not know better.
_GOES_ON = (
    "what was asked of AWS goes on by itself: `fraudloop status` shows it; the same command can be "
    "given again"
)


def _completed(incomplete: str) -> list[str]:
    return [name for name in environment_names() if name.startswith(incomplete)]


EnvironmentName = Annotated[
    str,
    typer.Option(
        "--environment",
        "-e",
        help=f"One of {', '.join(environment_names())}; local is always on the embedded AWS.",
        envvar=ENVIRONMENT,
        autocompletion=_completed,
    ),
]
Profile = Annotated[str | None, typer.Option(help="AWS profile; if omitted, AWS_PROFILE's.")]
Region = Annotated[
    str | None,
    typer.Option(
        help="AWS Region; if omitted, the profile's.", envvar=["AWS_REGION", "AWS_DEFAULT_REGION"]
    ),
]
State = Annotated[
    Path,
    typer.Option(
        help="Folder of the embedded AWS.",
        envvar=STATE,
        show_default="the checkout's .fraudloop/local",
    ),
]
Embedded = Annotated[
    bool,
    typer.Option(
        "--embedded", help="On the embedded AWS, whatever the environment.", envvar=EMBEDDED
    ),
]
Json = Annotated[
    str | None, typer.Option("--json", help="Write the result as JSON to this file; - is stdout.")
]
Progress = Annotated[
    Display,
    typer.Option(
        help="How long work is shown, on stderr: live on a terminal, else lines with times; or "
        "JSON Lines.",
        envvar="FRAUDLOOP_PROGRESS",
    ),
]
Wide = Annotated[
    bool, typer.Option("--wide", help="Show every column, and ARNs, however wide the terminal.")
]


def guide(example: str, *, then: str | None = None) -> Callable[[Verb], Verb]:
    """Shows an example in a verb's help, and once it has succeeded the command that comes next.

    Args:
        example: A command line as somebody would type it.
        then: The next command. A verb that returns a text names another one; if both are None,
            nothing is next.
    """

    def guided(verb: Verb) -> Verb:
        @wraps(verb)
        def run(*args: Any, **kwargs: Any) -> None:
            try:
                following = verb(*args, **kwargs) or then
            except typer.Exit as end:
                if end.exit_code in VERDICTS:
                    _tell_next(then, kwargs)
                raise
            _tell_next(following, kwargs)

        run.example = example  # type: ignore[attr-defined]
        return run

    return guided


def plain(function: Verb) -> Verb:
    """A verb that needs no deployed environment: failures end in one line.

    How it shows what goes on, and how much of its result, are options that it then has.
    """

    @wraps(function)
    def guarded(*args: Any, progress: Display, everything: bool, **kwargs: Any) -> Any:
        from operations.displays import shown

        token = wide.set(everything)
        try:
            with in_a_line(kwargs), interruptible(_GOES_ON), shown(progress):
                check_inputs(kwargs)
                check_result_file(kwargs.get("json"))
                return function(*args, **kwargs)
        finally:
            wide.reset(token)

    own = inspect.signature(function).parameters.values()
    added = [_option("progress", Progress, Display.AUTO), _option("everything", Wide, False)]
    return _signed(guarded, [*own, *added])


def on_target(function: Verb) -> Verb:
    """A verb whose first parameter is a `Target`, made from options that it then has too."""

    @wraps(function)
    def connected(
        *args: Any,
        environment: str,
        profile: str | None,
        region: str | None,
        state: Path,
        embedded: bool,
        **kwargs: Any,
    ) -> Any:
        check_environment(environment)
        target = connect(
            environment, profile=profile, region=region, state=state, embedded=embedded
        )
        return function(target, *args, **kwargs)

    _, *own = inspect.signature(function).parameters.values()
    added = [
        _option("environment", EnvironmentName, "local"),
        _option("profile", Profile, None),
        _option("region", Region, None),
        _option("state", State, DEFAULT_STATE),
        _option("embedded", Embedded, False),
    ]
    return plain(_signed(connected, [*own, *added]))


def _signed(function: Verb, parameters: list[inspect.Parameter]) -> Verb:
    """The function with these parameters; Typer reads a command's options from its signature."""
    keywords = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters]
    function.__signature__ = inspect.Signature(keywords)  # type: ignore[attr-defined]
    function.__annotations__ = {each.name: each.annotation for each in keywords}
    return function


def _tell_next(command: str | None, options: dict[str, Any]) -> None:
    if command is not None:
        tell(f"next: {same_place(command, options)}")


def _option(name: str, kind: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
