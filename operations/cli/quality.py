"""The verb that measures detection: backtest."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from operations.cli.verbs import Json, plain
from operations.console import show, table
from pipeline_code.common.landing import read_file
from pipeline_code.evaluate.backtest import run

_MEASURES = ("auc_roc", "average_precision", "card_precision_at_100")


@plain
def backtest(
    data: Annotated[Path, typer.Option(help="Labelled transactions, Parquet.")],
    train_start: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d"], help="First fold's first training day.")
    ],
    folds: Annotated[int, typer.Option(help="Folds, going back a week each.", min=1)] = 4,
    train_days: Annotated[int, typer.Option(min=1)] = 7,
    delay_days: Annotated[int, typer.Option(help="Days until labels are known.", min=0)] = 7,
    test_days: Annotated[int, typer.Option(min=1)] = 7,
    json: Json = None,
) -> None:
    """Train and test on past weeks by the published protocol; print the quality of detection."""
    result = run(
        read_file(data),
        train_start=train_start.date(),
        folds=folds,
        train_days=train_days,
        delay_days=delay_days,
        test_days=test_days,
    )
    rows = [
        (
            fold["train_start"],
            fold["train_rows"],
            fold["test_rows"],
            *(f"{fold[measure]:.4f}" for measure in _MEASURES),
        )
        for fold in result["folds"]
    ]
    mean = ("mean", "", "", *(f"{result['mean'][measure]:.4f}" for measure in _MEASURES))
    columns = ["train start", "train rows", "test rows", "AUC ROC", "AP", "card precision@100"]
    show(result, json, table("Backtest", columns, [*rows, mean]))


def register(app: typer.Typer) -> None:
    """Add this verb to the command."""
    app.command()(backtest)
