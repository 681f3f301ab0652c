"""The place of a verb's run, said again in whatever it advises to run next."""

import os
import re
from collections.abc import Mapping
from typing import Any

from operations.target import DEFAULT_STATE

__all__ = ["EMBEDDED", "ENVIRONMENT", "STATE", "placed", "same_place"]

# Variables that stand in for options.
ENVIRONMENT, STATE, EMBEDDED = "FRAUDLOOP_ENVIRONMENT", "FRAUDLOOP_STATE", "FRAUDLOOP_EMBEDDED"

# Options that say where, by the parameter's name: the variable and what holds without either.
_OPTIONS = {
    "environment": (ENVIRONMENT, "local"),
    "profile": ("", "None"),
    "region": ("AWS_REGION", "None"),
    "state": (STATE, str(DEFAULT_STATE)),
    "embedded": (EMBEDDED, "False"),
}
# Verbs that do not take all of them.
_FEWER: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("up", "down", "env"), ("state",)),
    **dict.fromkeys(("simulate", "backtest", "demo"), ()),
}
_COMMAND = re.compile(r"`(fraudloop [^`]+)`")


def same_place(command: str, options: Mapping[str, Any]) -> str:
    """A command of ours with the options that the run itself was given to say where."""
    verb = command.split()[1]
    # Of a verb that only starts or stops the embedded AWS, nothing but its folder is a place.
    given = options.keys() if "environment" in options else {"state"} & options.keys()
    names = [name for name in _FEWER.get(verb, _OPTIONS) if name in given]
    words = [command, *(word for name in names for word in _words(name, options[name]))]
    return " ".join(words)


def placed(text: str, options: Mapping[str, Any]) -> str:
    """A message, with every command of ours that it quotes ready to be copied."""
    return _COMMAND.sub(lambda found: f"`{same_place(found[1], options)}`", text)


def _words(name: str, value: Any) -> list[str]:
    variable, default = _OPTIONS[name]
    if name == "embedded":
        return ["--embedded"] if value and not os.environ.get(variable) else []
    if str(value) == os.environ.get(variable, default):
        return []
    return [f"--{name}", str(value)]
