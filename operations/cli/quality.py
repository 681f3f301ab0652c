"""The verb that measures detection: backtest."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from operations import progress
from operations.cli.parts.own_data import with_mapping
from operations.cli.parts.verbs import Json, guide, plain
from operations.console import show, table
from pipeline_code.common.exits import BadInput
from pipeline_code.contracts.reviews import CARDS_REVIEWED_A_DAY
from pipeline_code.train.parameters import Parameters

# What fits beside each other in a terminal of 80 columns; the JSON document has all of METRICS.
_HEADINGS = {
    "auc_roc": "AUC",
    "average_precision": "AP",
    "card_precision_at_100": "CP@100",
    "recall": "recall",
    "expected_calibration_error": "ECE",
}


@guide(
    "fraudloop backtest --data labelled.parquet --train-start 2018-08-15", then="fraudloop train"
)
@plain
@with_mapping
def backtest(
    data: Annotated[Path, typer.Option(help="Labelled transactions.")],
    train_start: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d"], help="First fold's first training day.")
    ],
    mapping: Any = None,
    folds: Annotated[int, typer.Option(help="Folds, going back a week each.", min=1)] = 4,
    train_days: Annotated[int, typer.Option(min=1)] = 7,
    delay_days: Annotated[int, typer.Option(help="Days until labels are known.", min=0)] = 7,
    test_days: Annotated[int, typer.Option(min=1)] = 7,
    algorithm: Annotated[
        str, typer.Option(help="xgboost or scikit-learn.")
    ] = Parameters().algorithm,
    parameter: Annotated[
        list[str] | None, typer.Option(help="A hyperparameter as name=value; may be repeated.")
    ] = None,
    reviews_per_day: Annotated[
        int, typer.Option(help="Cards reviewed a day; for recall and the amount saved.", min=1)
    ] = CARDS_REVIEWED_A_DAY,
    report: Annotated[
        Path | None, typer.Option(help="Folder for an HTML report and plots of each fold.")
    ] = None,
    json: Json = None,
) -> None:
    """Train and test on past weeks by the published protocol; print the quality of detection.

    AP is average precision, CP@100 card precision@100, recall that at the threshold for the reviews
    there are, ECE the expected calibration error.
    """
    from operations.data.own.local import read_landing
    from pipeline_code.evaluate.backtest import run

    with progress.activity(f"train and test {folds} folds"):
        result = run(
            read_landing(data, mapping),
            train_start=train_start.date(),
            folds=folds,
            train_days=train_days,
            delay_days=delay_days,
            test_days=test_days,
            parameters=_parameters(algorithm, parameter or []),
            reviews_per_day=reviews_per_day,
            report=report,
        )
    rows = [
        _row(fold, fold["train_start"], fold["train_rows"], fold["test_rows"])
        for fold in result["folds"]
    ]
    rows.append(_row(result["mean"], "mean", "", ""))
    rows.append(_row(result["standard_deviation"], "deviation", "", ""))
    columns = ["start", "train", "test", *_HEADINGS.values()]
    show(result, json, table("Backtest", columns, rows))


def _parameters(algorithm: str, pairs: Sequence[str]) -> Parameters:
    given = {"algorithm": algorithm}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise BadInput(f"parameter must be name=value, got {pair}; write max_depth=6, say")
        given[name] = value
    return Parameters.parse(given)


def _row(figures: dict[str, Any], *first: object) -> tuple[object, ...]:
    return (*first, *(f"{figures[name]:.4f}" for name in _HEADINGS))


def register(app: typer.Typer) -> None:
    """Add this verb to the command."""
    app.command()(backtest)
