"""Verbs for data: simulate, redrive."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from operations.cli.parts.verbs import Json, guide, on_target, plain
from operations.console import show, table
from operations.target import Target

Day = Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="First day, UTC.")]
OptionalDay = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Day from which behaviour drifts.")
]


@guide("fraudloop simulate build/history --days 70")
@plain
def simulate(
    output: Annotated[Path, typer.Argument(help="Folder to write, beside what is there.")],
    start: Day = datetime(2025, 1, 1),
    days: Annotated[int, typer.Option(min=1)] = 70,
    customers: Annotated[int, typer.Option(min=1)] = 200,
    terminals: Annotated[int, typer.Option(min=1)] = 400,
    seed: Annotated[int, typer.Option(help="Same seed, same world, same bytes.")] = 7,
    drift_start: OptionalDay = None,
    drift_factor: Annotated[float, typer.Option(help="What drifted amounts are times.")] = 2.0,
    json: Json = None,
) -> str:
    """Write simulated transactions, fraud reports and customers in the lake's layout."""
    from pipeline_code.common.lake import write
    from pipeline_code.simulate import simulation as drawn
    from pipeline_code.simulate.world import SimulationConfig

    config = SimulationConfig(
        start=start.date(),
        days=days,
        customers=customers,
        terminals=terminals,
        seed=seed,
        drift_start=None if drift_start is None else drift_start.date(),
        drift_factor=drift_factor,
    )
    simulation = drawn.simulate(config)
    result = {
        "output": str(output),
        "transactions": simulation.transactions.num_rows,
        "fraud_reports": simulation.fraud_reports.num_rows,
        "customers": simulation.customers.num_rows,
        "files": len(write(simulation.landing(), output)),
    }
    show(result, json, table("Simulated", ["", ""], result.items()))
    return f"fraudloop ingest {output}"


@guide("fraudloop redrive", then="fraudloop status")
@on_target
def redrive(target: Target, json: Json = None) -> None:
    """Give functions again what they gave up on: by their streams, their queues, or themselves."""
    from operations import redrive as queues

    result = queues.redrive(target)
    rows = [
        *result["records"].items(),
        ("deployments", result["deployment_events"]),
        ("retraining", result["retraining_events"]),
        ("refreshes", result.get("refresh_events", 0)),
        ("analyses", result["analysis_events"]),
    ]
    show(result, json, table("Put again", ["onto", "records or events"], rows))


def register(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    app.command()(simulate)
    app.command()(redrive)
