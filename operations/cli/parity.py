"""The verb that proves parity: online features equal batch features, bit for bit."""

from dataclasses import asdict
from pathlib import Path
from time import monotonic
from typing import Annotated

import typer

from operations.cli.verbs import Json, plain
from operations.console import show, table
from pipeline_code.common.landing import prepare
from pipeline_code.parity.replay import replay


@plain
def parity(
    data: Annotated[Path, typer.Option(help="Transactions, Parquet or CSV.")],
    late_reports: Annotated[
        float, typer.Option(help="Share of reports that come up to 30 days late.", min=0, max=1)
    ] = 0.3,
    seed: Annotated[int, typer.Option(help="Same seed, same order of arrival.")] = 7,
    json: Json = None,
) -> None:
    """Replay a file through the online driver's code and compare every vector with batch.

    Events reach the states shuffled, in pieces and some of them twice. Exits 1 on a mismatch.
    """
    landing, start = prepare(data), monotonic()
    found = replay(landing.transactions, landing.fraud_reports, late_share=late_reports, seed=seed)
    result = asdict(found) | {"seconds": round(monotonic() - start, 1)}
    show(result, json, table("Parity", ["", ""], result.items()))
    if found.mismatches:
        raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    """Add this verb to the command."""
    app.command()(parity)
