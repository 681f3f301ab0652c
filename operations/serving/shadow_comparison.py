"""The comparison of a challenger with the champion, response by response.

Both are joined on the inference id, which every caller gives its requests. Responses are stored in
a database on the disk, so that memory does not grow with the traffic.
"""

import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from operations.console import utc
from operations.errors import OperationError
from operations.models import registry
from operations.serving import shadow
from operations.serving.shadow_captures import CapturedResponse, CapturedResponses, CaptureInterval
from operations.serving.shadow_latency import Latency
from operations.target import Target
from pipeline_code.contracts.packages import NO_MODEL
from pipeline_code.contracts.serving import Decision

__all__ = ["CHALLENGER", "CHAMPION", "compare", "compared"]

# The variants as the serving stack names them.
CHAMPION, CHALLENGER = "primary", "challenger"
MEMORY = "256MB"
ROWS_AT_ONCE = 20_000
# Of the transactions that only one of the two would have flagged, so many are named.
EXAMPLES = 20

SCHEMA = pa.schema(
    [
        ("side", pa.string()),
        ("inference_id", pa.string()),
        ("place", pa.int32()),
        ("transaction_id", pa.string()),
        ("score", pa.float64()),
        ("decision", pa.string()),
        ("features", pa.binary()),
    ]
)
# A request that was sent twice was answered twice; it counts once.
PAIRS = """
create table pairs as
select
    transaction_id,
    one.score as champion, two.score as challenger,
    one.decision as champion_decision, two.decision as challenger_decision,
    one.features is not distinct from two.features as same_features
from (
    select distinct on (inference_id, place, transaction_id) *
    from answers where side = 'champion'
) one
join (
    select distinct on (inference_id, place, transaction_id) *
    from answers where side = 'challenger'
) two
using (inference_id, place, transaction_id)
"""
SCORES = """
select
    count(*) as answers,
    count(*) filter (same_features) as same_features,
    avg(challenger - champion) as mean_difference,
    quantile_cont(abs(challenger - champion), 0.5) as p50,
    quantile_cont(abs(challenger - champion), 0.99) as p99,
    max(abs(challenger - champion)) as max
from pairs
"""
# Spearman's: the correlation of ranks, where equal scores share the mean of their ranks.
RANKS = """
select corr(champion, challenger) from (
    select
        rank() over (order by champion) + (count(*) over (partition by champion) - 1) / 2
            as champion,
        rank() over (order by challenger) + (count(*) over (partition by challenger) - 1) / 2
            as challenger
    from pairs
)
"""
DECISIONS = """
select champion_decision, challenger_decision, count(*) from pairs group by all order by all
"""
ONLY = """
select transaction_id, champion, challenger from pairs
where {flagged}_decision <> 'approve' and {other}_decision = 'approve'
order by abs(challenger - champion) desc, transaction_id limit {examples}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """ARNs of the two packages."""

    champion: str
    challenger: str


def compare(target: Target, *, hours: float, package: str | None = None) -> dict[str, Any]:
    """Champion and challenger on what both were asked within the last hours.

    Args:
        target: Where.
        hours: How far back.
        package: The challenger, by ARN or version. If omitted, the one in the shadow.

    Raises:
        OperationError: If there is no shadow or no challenger, or nothing was asked of both.
        BadInput: If a captured line cannot be read.
    """
    shadow.parameter_name(target)
    challenger = shadow.status(target).wanted if package is None else package
    if challenger == NO_MODEL:
        raise OperationError(
            "a challenger must be in the shadow, got none; use `fraudloop shadow start`, or name "
            "an earlier one by --package"
        )
    versions = Versions(
        champion=registry.find(target, "deployed")["ModelPackageArn"],
        challenger=registry.find(target, challenger)["ModelPackageArn"],
    )
    return compared(target, versions, CaptureInterval.until(datetime.now(UTC), hours))


def compared(target: Target, versions: Versions, window: CaptureInterval) -> dict[str, Any]:
    """The comparison of two versions within a window, as one document."""
    sides = {
        "champion": CapturedResponses(target, CHAMPION, versions.champion, window),
        "challenger": CapturedResponses(target, CHALLENGER, versions.challenger, window),
    }
    with tempfile.TemporaryDirectory(prefix="shadow-") as folder, _database(folder) as database:
        answers = {name: _fill(database, name, captured.read()) for name, captured in sides.items()}
        database.execute(PAIRS)
        scores = _row(database, SCORES)
        if scores["answers"] == 0:
            raise OperationError(
                f"both must have answered the same requests, got none of {answers['champion']} "
                f"and {answers['challenger']} answers; captures come within minutes, and every "
                "request must have an inference id"
            )
        return {
            "window": {"start": utc(window.start), "end": utc(window.end)},
            **{
                name: {
                    "model_package": getattr(versions, name),
                    "answers": answers[name],
                    "left_out": dict(captured.left_out),
                    "latency_milliseconds": Latency.of(target, captured.variant, window).as_dict(),
                }
                for name, captured in sides.items()
            },
            "compared": scores.pop("answers"),
            "same_features": scores.pop("same_features"),
            "scores": {**scores, "rank_correlation": _value(database, RANKS)},
            **_decisions(database),
        }


def _decisions(database: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    table = [
        {"champion": one, "challenger": other, "answers": count}
        for one, other, count in database.execute(DECISIONS).fetchall()
    ]
    known = [row for row in table if None not in (row["champion"], row["challenger"])]
    total = sum(row["answers"] for row in known)

    def counted(**flags: bool) -> int:
        return sum(
            row["answers"]
            for row in known
            if all((row[side] != Decision.APPROVE) is flag for side, flag in flags.items())
        )

    return {
        "decisions": {
            "agreement": (
                sum(row["answers"] for row in known if row["champion"] == row["challenger"]) / total
                if total
                else None
            ),
            "table": table,
        },
        "flagged": {
            "champion": counted(champion=True),
            "challenger": counted(challenger=True),
            "both": counted(champion=True, challenger=True),
            "only_champion": _examples(database, "champion", "challenger"),
            "only_challenger": _examples(database, "challenger", "champion"),
        },
    }


def _examples(
    database: duckdb.DuckDBPyConnection, flagged: str, other: str
) -> list[dict[str, Any]]:
    text = ONLY.format(flagged=flagged, other=other, examples=EXAMPLES)
    return [
        {"transaction_id": id_, "champion": one, "challenger": two}
        for id_, one, two in database.execute(text).fetchall()
    ]


def _database(folder: str) -> duckdb.DuckDBPyConnection:
    database = duckdb.connect(str(Path(folder) / "answers.duckdb"))
    database.execute(f"set memory_limit = '{MEMORY}'")
    database.execute("set preserve_insertion_order = false")
    database.register("rows", SCHEMA.empty_table())
    database.execute("create table answers as select * from rows")
    return database


def _fill(
    database: duckdb.DuckDBPyConnection, side: str, answers: Iterable[CapturedResponse]
) -> int:
    remaining, count = iter(answers), 0
    while part := [{"side": side, **asdict(answer)} for answer in islice(remaining, ROWS_AT_ONCE)]:
        database.register("rows", pa.Table.from_pylist(part, schema=SCHEMA))
        database.execute("insert into answers select * from rows")
        count += len(part)
    return count


def _row(database: duckdb.DuckDBPyConnection, text: str) -> dict[str, Any]:
    found = database.execute(text)
    names = [column[0] for column in found.description or ()]
    (row,) = found.fetchall()
    return dict(zip(names, row, strict=True))


def _value(database: duckdb.DuckDBPyConnection, text: str) -> float | None:
    ((value,),) = database.execute(text).fetchall()
    # All scores of one of them equal: there is no rank to correlate.
    return None if value is None or value != value else float(value)  # noqa: PLR0124
