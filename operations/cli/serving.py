"""Verbs that ask the model: score, batch."""

from pathlib import Path
from typing import Annotated, Any

import typer

from operations import progress
from operations.cli.parts.following import unattended
from operations.cli.parts.own_data import with_mapping
from operations.cli.parts.verbs import Json, guide, on_target
from operations.console import show, table
from operations.errors import OperationError
from operations.target import Target
from pipeline_code.contracts.pipelines import FeatureSource
from pipeline_code.contracts.serving import Reason

_SHOWN = 20
# What of a batch's summary a person wants to know first.
_TOLD = (
    "feature_source",
    "rows",
    "scored",
    "repeated",
    "refused",
    Reason.CUSTOMER_UNKNOWN,
    Reason.TERMINAL_UNKNOWN,
    "decisions",
    "model_versions",
)


@guide("fraudloop score week.csv --limit 100", then="fraudloop drift")
@on_target
@with_mapping
def score(
    target: Target,
    path: Annotated[
        Path | None, typer.Argument(help="Raw transactions: a file, or a simulated folder.")
    ] = None,
    mapping: Any = None,
    transaction: Annotated[
        str | None, typer.Option(help='One raw transaction as JSON, e.g. {"transaction_id": 1,...}')
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Score only the first so many.", min=1)] = None,
    json: Json = None,
) -> None:
    """Score raw transactions through the endpoint."""
    from operations.data.own.scoring_inputs import read_transactions
    from operations.serving.batch import live_model
    from operations.serving.scoring import Scorer, parse_request, requests_of

    if sum(given is not None for given in (path, transaction)) != 1:
        raise OperationError("exactly one of PATH and --transaction must be given")
    live_model(target)
    scorer = Scorer(target)
    if transaction is not None:
        answer = scorer.ask(parse_request(transaction))
        show(answer, json, table("Answer", ["", ""], answer.items()))
        return
    assert path is not None  # noqa: S101 - the count above leaves nothing else
    transactions, names = read_transactions(target, path, mapping)
    events = transactions.sort_by("event_time")
    requests = list(requests_of(events if limit is None else events.slice(0, limit)))
    with progress.activity(f"score {len(requests):,} transactions"):
        scored = scorer.ask_all(requests)
    rows = [(names.get(id_, id_), f"{value:.6f}") for id_, value in scored.scores[:_SHOWN]]
    title = f"{len(scored.scores)} scored, {len(scored.failures)} failed"
    show(scored.as_dict(names), json, table(title, ["transaction", "score"], rows))
    if scored.failures:
        id_, reason = scored.failures[0]
        raise OperationError(f"{len(scored.failures)} requests failed; the first, {id_}: {reason}")


@guide("fraudloop batch --input transactions.parquet", then="fraudloop drift")
@on_target
@with_mapping
def batch(
    target: Target,
    source: Annotated[
        str,
        typer.Option(
            "--input",
            help="Transactions as Parquet or CSV: a file or folder, or an S3 prefix below batch/ "
            "of the artifacts bucket or transactions/ of the raw one.",
        ),
    ],
    mapping: Any = None,
    output: Annotated[
        str | None,
        typer.Option(help="An empty S3 prefix below batch/ of the artifacts bucket; or a new one."),
    ] = None,
    features: Annotated[
        FeatureSource,
        typer.Option(
            help="What features follow from: offline-store, as the endpoint's; lake, as "
            "training's; or auto, the first where its states still know the time."
        ),
    ] = FeatureSource.AUTO,
    wait: Annotated[bool, typer.Option(help="Wait for the results.")] = True,
    json: Json = None,
) -> None:
    """Score transactions offline with the endpoint's model, a row of results for each."""
    from operations.data.own.scoring_inputs import mapped_input
    from operations.serving.batch import start

    with mapped_input(target, source, mapping) as (found, names):
        started = start(target, found, output, features=features)
    result = started.as_dict() if names is None else {**started.as_dict(), "names": names}
    if wait:
        goes_on = (
            f"the batch goes on by itself, its results will be in {started.output}: `fraudloop "
            "watch` attaches to it, `fraudloop stop` stops it"
        )
        with unattended(goes_on):
            result["summary"] = started.wait(target)
    summary = result.get("summary", {})
    told = {name: result[name] for name in result if name != "summary"}
    rows = [*told.items(), *((name, summary[name]) for name in _TOLD if summary)]
    violations = [
        (each["feature_name"], each["constraint_check_type"], each["description"])
        for each in summary.get("violations", [])
    ]
    tables = [table("Batch", ["", ""], rows)]
    if violations:
        tables.append(table("Differs from the baseline", ["feature", "check", ""], violations))
    show(result, json, *tables)


def register(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    app.command()(score)
    app.command()(batch)
