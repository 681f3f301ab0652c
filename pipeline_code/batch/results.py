"""A batch's results: each transaction that was asked about, with what the model said of it.

Guarantees:
    Every transaction has just one row. One that lost its score, or got two, fails the job.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline_code.batch.writing import ASKED_ROWS, unknown_column
from pipeline_code.common.exits import BadInput
from pipeline_code.common.schema import data_files
from pipeline_code.features.definitions import ENTITIES

__all__ = ["RESULTS", "join_results"]

RESULTS = pa.schema(
    [
        *ASKED_ROWS,
        ("degraded", pa.bool_()),
        ("score", pa.float64()),
        ("decision", pa.string()),
        ("model_version", pa.string()),
    ]
)
ANSWERED = ("transaction_id", "score", "decision", "model_version")
# What batch transform calls the response to a file.
ANSWER_SUFFIX = ".out"
# A message has room for so many ids.
_SHOWN = 3


def join_results(rows: Path, scores: Path, target: Path) -> dict[str, Any]:
    """Writes a part of results for each part of rows, whose responses are in a file of its name.

    Args:
        rows: What was asked (`pipeline_code.batch.writing`).
        scores: What batch transform answered.
        target: Folder for the results.

    Returns:
        Counts for the summary.

    Raises:
        BadInput: A response is missing, or there is one too many.
    """
    target.mkdir(parents=True, exist_ok=True)
    counts: Counter[str] = Counter()
    decisions: Counter[str | None] = Counter()
    models: set[str] = set()
    for name, asked, answers in _parts(rows, scores):
        joined = _joined(name, asked, answers)
        pq.write_table(joined, target / name, compression="snappy")
        counts["scored"] += joined.num_rows
        for column in ("degraded", *map(unknown_column, ENTITIES)):
            counts[column] += pc.sum(joined[column]).as_py() or 0
        for item in joined["decision"].value_counts().to_pylist():
            decisions[item["values"]] += item["counts"]
        models |= set(pc.unique(joined["model_version"]).to_pylist())
    return {
        **counts,
        "decisions": {name or "none": decisions[name] for name in sorted(decisions, key=str)},
        "model_versions": sorted(models),
    }


def _parts(rows: Path, scores: Path) -> Iterator[tuple[str, pa.Table, pa.Table]]:
    """The name of each part, what was asked in it and what was answered."""
    asked = {file.name: file for file in data_files(rows)}
    answered = {
        file.name.removesuffix(ANSWER_SUFFIX): file for file in scores.rglob(f"*{ANSWER_SUFFIX}")
    }
    if asked.keys() != answered.keys():
        missing = sorted(asked.keys() - answered.keys())
        more = sorted(answered.keys() - asked.keys())
        raise BadInput(
            f"each of {len(asked)} files must have one answer, got {len(missing)} without "
            f"({', '.join(missing[:_SHOWN]) or 'none'}) and {len(more)} to no file "
            f"({', '.join(more[:_SHOWN]) or 'none'}); start the batch again"
        )
    for name, file in sorted(asked.items()):
        yield name, pq.read_table(file, partitioning=None), _answers(name, answered[name])


def _answers(name: str, file: Path) -> pa.Table:
    try:
        return pq.read_table(file, columns=list(ANSWERED), partitioning=None).select(ANSWERED)
    except (pa.ArrowException, KeyError, OSError) as error:
        raise BadInput(
            f"answer to {name} must be Parquet with the columns {', '.join(ANSWERED)}: {error}"
        ) from error


def _joined(name: str, asked: pa.Table, answers: pa.Table) -> pa.Table:
    ids, answered = asked["transaction_id"].to_numpy(), answers["transaction_id"].to_numpy()
    order = np.argsort(answered, kind="stable")
    indices = np.searchsorted(answered[order], ids)
    once = len(ids) == len(answered) == len(np.unique(answered))
    if not once or not np.array_equal(answered[order][np.minimum(indices, len(ids) - 1)], ids):
        lost, more = np.setdiff1d(ids, answered), len(answered) - len(np.intersect1d(ids, answered))
        raise BadInput(
            f"each of {len(ids)} transactions of {name} must have one score, got {len(lost)} "
            f"without and {more} scores more; start the batch again"
        )
    found = answers.take(pa.array(order[indices]))
    if found["score"].null_count:
        raise BadInput(f"each score in the answer to {name} must be a number, got null")
    flags = [asked[unknown_column(entity)] for entity in ENTITIES]
    columns = [*asked.columns, pc.or_(*flags), *(found[each] for each in ANSWERED[1:])]
    return pa.table(columns, [*ASKED_ROWS.names, "degraded", *ANSWERED[1:]]).cast(RESULTS)
