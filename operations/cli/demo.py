"""The verb that shows it all: demo."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from local_aws.settings import DEFAULT_PORT
from operations.cli.embedded import Port
from operations.cli.parts.following import interruptible
from operations.cli.parts.own_data import with_mapping
from operations.cli.parts.verbs import Json, guide, plain
from operations.console import show, table
from operations.target import STATE_ROOT

if TYPE_CHECKING:
    from operations.demo.run import Demo

_SIMULATED_CUSTOMERS = 200
# Enough that a week of theirs looks like a week of everyone's, whom the baseline describes.
_ASKED_CUSTOMERS_OF_FILE = 500

State = Annotated[
    Path, typer.Option(help="Folder of the demo's own embedded AWS, wiped at the start.")
]


@guide("fraudloop demo --keep")
@plain
@with_mapping
def demo(
    data: Annotated[
        Path | None, typer.Option(help="Play this transactions file instead of the simulator.")
    ] = None,
    mapping: Any = None,
    customers: Annotated[
        int | None,
        typer.Option(
            help="Card holders to ask about; if omitted, 200 simulated or 500 of the file.", min=50
        ),
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the embedded AWS running afterwards.")
    ] = False,
    port: Port = DEFAULT_PORT,
    state: State = STATE_ROOT / "demo",
    json: Json = None,
) -> str | None:
    """Close the loop on this machine: deploy, train, approve, score, drift, retrain, redeploy."""
    from local_aws.server import EmbeddedAws

    # Before what takes a second to import.
    EmbeddedAws(state, port).check_startable()

    from operations.demo.run import Demo
    from operations.demo.story import Scale

    if customers is None:
        customers = _SIMULATED_CUSTOMERS if data is None else _ASKED_CUSTOMERS_OF_FILE
    scale = Scale(customers=customers)
    played = Demo(state=state, port=port, scale=scale, data=data, mapping=mapping)
    with interruptible(
        f"the demo ended; `fraudloop down --state {state}` stops its embedded AWS"
        if keep
        else "the demo ended, and its embedded AWS was stopped"
    ):
        failure = _play(played, keep=keep)
    result = played.result
    if failure is not None and not result["stages"]:
        raise failure
    rows = [
        (
            stage["name"],
            "yes" if stage["ok"] else "NO",
            f"{stage['seconds']:.1f}",
            stage["evidence"],
        )
        for stage in result["stages"]
    ]
    title = (
        f"{result['seconds']:.0f} s, peak {result['peak_mib']:.0f} MiB, "
        f"{result['failed_requests']} failed requests, {len(result['model_versions'])} models"
    )
    columns = ["stage", "ok", "seconds", "evidence"]
    show(result, json, table(title, columns, rows, cut=["evidence"]))
    if failure is not None:
        raise failure
    return "fraudloop status" if keep else None


def _play(played: "Demo", *, keep: bool) -> Exception | None:
    """Run the demo and hand back what stopped it, so that the table is always shown."""
    try:
        played.run(keep=keep)
    except Exception as error:
        return error
    return None


def register(app: typer.Typer) -> None:
    """Add this verb to the command."""
    app.command()(demo)
