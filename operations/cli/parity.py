"""The verb that proves parity: online features equal batch features, bit for bit."""

from dataclasses import asdict
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any

import typer

from operations import progress
from operations.cli.parts.verbs import (
    Embedded,
    EnvironmentName,
    Json,
    Profile,
    Region,
    State,
    guide,
    plain,
)
from operations.console import show, table
from operations.target import DEFAULT_STATE, connect

if TYPE_CHECKING:
    from pipeline_code.common.lake import Landing


@guide("fraudloop parity --data labelled.parquet", then="fraudloop train")
@plain
def parity(
    data: Annotated[Path, typer.Option(help="Transactions, Parquet or CSV.")],
    late_reports: Annotated[
        float, typer.Option(help="Share of reports that come up to 30 days late.", min=0, max=1)
    ] = 0.3,
    seed: Annotated[int, typer.Option(help="Same seed, same order of arrival.")] = 7,
    through_stack: Annotated[
        bool,
        typer.Option(
            "--through-stack",
            help="Send a sample through the deployed stream and ask the endpoint. Ids move to a "
            "range of their own, at 4e18 and above, which the online store must not know; nothing "
            "of it lands in the lake.",
        ),
    ] = False,
    sample: Annotated[
        int, typer.Option(help="Requests to ask the endpoint, with --through-stack.", min=1)
    ] = 200,
    environment: EnvironmentName = "local",
    profile: Profile = None,
    region: Region = None,
    state: State = DEFAULT_STATE,
    embedded: Embedded = False,
    json: Json = None,
) -> None:
    """Replay a file through the online driver's code and compare every vector with batch.

    Events reach the states shuffled, in pieces and some of them twice. Exits 1 on a mismatch.
    """
    from operations.data.events import Stream
    from operations.data.own.local import read_landing
    from operations.serving.parity import through_stack as probe

    target = None
    if through_stack:  # before the file is read, which may take long
        target = connect(
            environment, profile=profile, region=region, state=state, embedded=embedded
        )
    landing, start = read_landing(data), monotonic()
    if target is not None:
        events = Stream(landing.transactions, landing.fraud_reports)
        with progress.activity(f"ask the endpoint about {sample} transactions"):
            probed = probe(target, events, sample=sample, seed=seed)
        result, failed = probed.as_dict(), probed.defects > 0
    else:
        with progress.activity(f"replay {landing.transactions.num_rows:,} transactions"):
            result, failed = _replayed(landing, late_reports, seed)
    result["seconds"] = round(monotonic() - start, 1)
    show(result, json, table("Parity", ["", ""], result.items()))
    if failed:
        raise typer.Exit(1)


def _replayed(landing: "Landing", late_reports: float, seed: int) -> tuple[dict[str, Any], bool]:
    from pipeline_code.parity.replay import replay

    found = replay(landing.transactions, landing.fraud_reports, late_share=late_reports, seed=seed)
    return asdict(found), found.mismatches > 0


def register(app: typer.Typer) -> None:
    """Add this verb to the command."""
    app.command()(parity)
