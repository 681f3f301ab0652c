"""The verb for whoever talks to the embedded AWS with another program: env."""

import os
import shlex
from enum import StrEnum
from typing import Annotated

import typer

from operations.cli.parts.place import EMBEDDED, STATE
from operations.cli.parts.verbs import Json, State, guide, plain
from operations.console import people, tell, write_json
from operations.target import DEFAULT_STATE, PROJECT_ROOT

# What would lead elsewhere although all else is set, also if it is exported later.
_OTHERS = ("AWS_DEFAULT_PROFILE", "AWS_PROFILE", "AWS_SESSION_TOKEN")


class Shell(StrEnum):
    """What `--shell` takes."""

    SH = "sh"
    FISH = "fish"


@guide('eval "$(fraudloop env)"', then="fraudloop deploy")
@plain
def env(
    shell: Annotated[Shell, typer.Option(help="For whom: sh is bash's and zsh's, too.")] = Shell.SH,
    state: State = DEFAULT_STATE,
    json: Json = None,
) -> None:
    """Print the variables with which cdk, aws and fraudloop itself talk to the embedded AWS.

    They are for this shell alone, and for every environment in it: `cdk deploy`, `aws s3 ls` and
    `fraudloop deploy --environment prod` reach the embedded AWS, and no account of yours.
    """
    from local_aws.server import EmbeddedAws

    embedded = EmbeddedAws(state)
    set_ = _changed(embedded.environment()) | {STATE: str(embedded.state_dir), EMBEDDED: "1"}
    ours = {name for name in os.environ if name.startswith("AWS_")}
    unset = sorted(ours.union(_OTHERS) - set_.keys())
    if json is not None:
        write_json({"set": set_, "unset": unset}, json)
        return
    for line in _lines(shell, set_, unset):
        print(line)
    if people().is_terminal:
        tell('to set them in this shell: eval "$(fraudloop env)"')


def register(app: typer.Typer) -> None:
    """Add this verb to the command."""
    app.command()(env)


def _changed(variables: dict[str, str]) -> dict[str, str]:
    """Those that this process has not, or otherwise; with the checkout's `cdk` on the path."""
    tools = str(PROJECT_ROOT / "node_modules" / ".bin")
    folders = [tools, *variables["PATH"].split(os.pathsep)]
    # Each once: whoever sets them again in the same shell has no longer a path.
    variables = {**variables, "PATH": os.pathsep.join(dict.fromkeys(folders))}
    return {
        name: value
        for name, value in variables.items()
        if name.startswith("AWS_") or os.environ.get(name) != value
    }


def _lines(shell: Shell, set_: dict[str, str], unset: list[str]) -> list[str]:
    if shell is Shell.FISH:
        erase, export = "set --erase {};", "set --global --export {} {};"
    else:
        erase, export = "unset {}", "export {}={}"
    return [
        *(erase.format(name) for name in unset),
        *(export.format(name, shlex.quote(value)) for name, value in set_.items()),
    ]
