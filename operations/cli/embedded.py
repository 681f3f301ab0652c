"""Verbs for the embedded AWS itself: up, down."""

from pathlib import Path
from typing import Annotated

import typer

from local_aws.settings import BEHAVIOUR_VARIABLE, DEFAULT_PORT, REGION_VARIABLE
from operations import progress
from operations.cli.parts.verbs import Json, State, guide, plain
from operations.console import show, table
from operations.target import DEFAULT_STATE

Port = Annotated[int, typer.Option(help="Port on 127.0.0.1.", min=1, max=65535)]


Region = Annotated[
    str | None,
    typer.Option(help="Region of a new embedded AWS.", envvar=REGION_VARIABLE),
]
Quotas = Annotated[
    Path | None,
    typer.Option(help="TOML or JSON file of the account's quotas, kept until another is given."),
]


Behaviour = Annotated[
    Path | None,
    typer.Option(
        "--aws-behaviour",
        help="What it is to play of what AWS leaves open: a file of `fraudloop smoke --json`.",
        envvar=BEHAVIOUR_VARIABLE,
    ),
]


@guide("fraudloop up --port 4700 --state /tmp/aws", then="fraudloop deploy")
@plain
def up(
    port: Port = DEFAULT_PORT,
    state: State = DEFAULT_STATE,
    region: Region = None,
    quotas: Quotas = None,
    behaviour: Behaviour = None,
    json: Json = None,
) -> None:
    """Start the embedded AWS, or say that it already runs."""
    from local_aws.containers import confinement
    from local_aws.server import EmbeddedAws

    embedded = EmbeddedAws(state, port, region, quotas=quotas, behaviour=behaviour)
    with progress.activity("start of the embedded AWS"):
        started = embedded.start()
    found = embedded.connection()
    result = {
        "endpoint_url": found["endpoint_url"],
        "region": found["region"],
        "pid": found["pid"],
        "state": str(state),
        "containers": confinement.words(),
        "behaviour": embedded.behaviour(),
        "started": started,
    }
    played = ", ".join(map(" ".join, embedded.behaviour().items())) or "as assumed"
    rows = {**result, "behaviour": played}
    show(result, json, table("Embedded AWS", ["", ""], rows.items()))


@guide("fraudloop down --wipe", then="fraudloop up")
@plain
def down(
    wipe: Annotated[bool, typer.Option("--wipe", help="Also delete all that it holds.")] = False,
    state: State = DEFAULT_STATE,
    json: Json = None,
) -> None:
    """Stop the embedded AWS; its state stays for the next `up`, unless wiped."""
    from local_aws.server import EmbeddedAws

    embedded = EmbeddedAws(state)
    stopped = embedded.stop()
    if wipe:
        embedded.wipe()
    result = {"state": str(state), "stopped": stopped, "wiped": wipe}
    show(result, json, table("Embedded AWS", ["", ""], result.items()))


def register(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    app.command()(up)
    app.command()(down)
