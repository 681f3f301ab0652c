"""The options by which verbs read a user's own file."""

import inspect
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

MappingFile = Annotated[
    Path | None,
    typer.Option("--mapping", help="TOML or JSON: what the file calls the lake's columns."),
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="THEIRS=OURS",
        help="A column of the file and the lake's: card_no=customer_id. May be repeated.",
    ),
]
TimeZone = Annotated[
    str | None, typer.Option(help="Zone of times without one, such as Europe/Berlin; else UTC.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="A setting of the mapping: amount.currency=USD, time.format=seconds.",
    ),
]
# Those that the verb was given, for the next one.
mapping_options: ContextVar[tuple[str, ...]] = ContextVar("mapping_options", default=())

_OPTIONS = {"mapping": MappingFile, "map_": Columns, "time_zone": TimeZone, "set_": Settings}


def with_mapping(function: Callable[..., Any]) -> Callable[..., Any]:
    """A verb whose parameter `mapping` is made of options that it then has too, None of none."""

    @wraps(function)
    def mapped(
        *args: Any,
        mapping: Path | None = None,
        map_: list[str] | None = None,
        time_zone: str | None = None,
        set_: list[str] | None = None,
        **kwargs: Any,
    ) -> Any:
        found, options = None, _options(mapping, map_ or (), time_zone, set_ or ())
        if options:
            from operations.data.own.settings import read_mapping

            found = read_mapping(
                mapping, columns=map_ or (), time_zone=time_zone, settings=set_ or ()
            )
        mapping_options.set(options)
        return function(*args, mapping=found, **kwargs)

    parameters = []
    for each in inspect.signature(function).parameters.values():
        options = _OPTIONS if each.name == "mapping" else {each.name: each.annotation}
        # What `on_target` takes away stays where it is.
        kind = each.kind if each.name == "target" else inspect.Parameter.KEYWORD_ONLY
        parameters += [
            each.replace(name=name, annotation=option, kind=kind)
            for name, option in options.items()
        ]
    # Typer reads a command's options from its signature, so the added ones must be in it.
    mapped.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    mapped.__annotations__ = {each.name: each.annotation for each in parameters}
    return mapped


def _options(
    mapping: Path | None, columns: Sequence[str], time_zone: str | None, settings: Sequence[str]
) -> tuple[str, ...]:
    """The options again, word for word."""
    words = [] if mapping is None else ["--mapping", str(mapping)]
    words += [word for column in columns for word in ("--map", column)]
    words += [] if time_zone is None else ["--time-zone", time_zone]
    return (*words, *(word for setting in settings for word in ("--set", setting)))
