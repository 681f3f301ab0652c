"""The verb that asks the model: score."""

from pathlib import Path
from typing import Annotated

import typer

from operations.batch import transform
from operations.cli.verbs import Json, on_target
from operations.console import show, table
from operations.errors import OperationError
from operations.ingestion import read_events
from operations.scoring import Scorer, parse_request, requests_of
from operations.target import Target

_SHOWN = 20


@on_target
def score(
    target: Target,
    path: Annotated[
        Path | None, typer.Argument(help="Raw transactions: a file, or a simulated folder.")
    ] = None,
    transaction: Annotated[
        str | None, typer.Option(help='One raw transaction as JSON, e.g. {"transaction_id": 1,...}')
    ] = None,
    batch: Annotated[
        str | None,
        typer.Option(help="CSV of feature rows, a file or an S3 prefix, for Batch Transform."),
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Score only the first so many.", min=1)] = None,
    json: Json = None,
) -> None:
    """Score raw transactions through the endpoint, or feature rows by Batch Transform."""
    if sum(given is not None for given in (path, transaction, batch)) != 1:
        raise OperationError("exactly one of PATH, --transaction and --batch must be given")
    if batch is not None:
        result = transform(target, batch)
        show(result, json, table("Batch Transform", ["", ""], result.items()))
        return
    scorer = Scorer(target)
    if transaction is not None:
        answer = scorer.ask(parse_request(transaction))
        show(answer, json, table("Answer", ["", ""], answer.items()))
        return
    assert path is not None  # noqa: S101 - the count above leaves nothing else
    events = read_events(path).transactions.sort_by("event_time")
    scored = scorer.ask_all(requests_of(events if limit is None else events.slice(0, limit)))
    rows = [(id_, f"{value:.6f}") for id_, value in scored.scores[:_SHOWN]]
    title = f"{len(scored.scores)} scored, {len(scored.failures)} failed"
    show(scored.as_dict(), json, table(title, ["transaction", "score"], rows))
    if scored.failures:
        id_, reason = scored.failures[0]
        raise OperationError(f"{len(scored.failures)} requests failed; the first, {id_}: {reason}")


def register(app: typer.Typer) -> None:
    """Add this verb to the command."""
    app.command()(score)
