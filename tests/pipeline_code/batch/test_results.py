"""Each transaction of a batch has one row of results, or there are none."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_code.__main__ import main
from pipeline_code.batch.batch_input import REFUSED
from pipeline_code.batch.results import RESULTS, join_results
from pipeline_code.batch.writing import ASKED_ROWS, FEATURE_FILE, rows_within
from pipeline_code.common.exits import BadInput
from tests.pipeline_code.features.small_streams import unhurried

Answers = list[dict[str, Any]]


def asked_rows(ids: list[int]) -> list[dict[str, Any]]:
    names = ("customer_id", "terminal_id", "amount_minor", "event_time")
    flags = {"customer_unknown": False, "terminal_unknown": False}
    rows = [{"transaction_id": id_, **dict.fromkeys(names, id_), **flags} for id_ in ids]
    return [row | {"terminal_unknown": row["transaction_id"] % 2 == 0} for row in rows]


def answers_to(ids: list[int]) -> Answers:
    return [
        {
            "transaction_id": id_,
            "score": id_ / 100,
            "decision": ["approve", "review", None][id_ % 3],
            "model_version": "arn:model/1",
        }
        for id_ in ids
    ]


def write_parts(root: Path, parts: list[list[int]], answers: list[Answers]) -> None:
    for name in ("rows", "scores"):
        (root / name).mkdir(parents=True)
    for number, ids in enumerate(parts):
        rows = pa.Table.from_pylist(asked_rows(ids), ASKED_ROWS)
        pq.write_table(rows, root / "rows" / f"part-{number:05d}.parquet")
    schema = pa.schema([RESULTS.field(name) for name in answers_to([1])[0]])
    for number, given_ in enumerate(answers):
        file = root / "scores" / f"part-{number:05d}.parquet.out"
        pq.write_table(pa.Table.from_pylist(given_, schema), file)


def join(root: Path) -> dict[str, Any]:
    return join_results(root / "rows", root / "scores", root / "results")


@given(
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    change=st.sampled_from(["none", "none", "lost", "doubled", "foreign", "swapped"]),
    draw=st.randoms(use_true_random=False),
)
@unhurried
def test_every_transaction_has_one_row_or_the_job_fails(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], change: str, draw: random.Random
) -> None:
    root = tmp_path_factory.mktemp("batch")
    ids = draw.sample(range(100), sum(sizes))
    parts = [[ids.pop() for _ in range(size)] for size in sizes]
    answers = [answers_to(draw.sample(part, len(part))) for part in parts]
    some = draw.choice(answers)
    if change == "lost":
        some.pop()
    elif change == "doubled":
        some.append(some[0])
    elif change == "foreign":
        some[0] |= {"transaction_id": 1000}
    elif change == "swapped" and len(some) > 1:
        some[0] |= {"transaction_id": some[1]["transaction_id"]}
    write_parts(root, parts, answers)
    if change != "none" and not (change == "swapped" and len(some) == 1):
        with pytest.raises(BadInput, match="must have one score"):
            join(root)
        return
    counts = join(root)
    found = pq.read_table(root / "results")
    every = [id_ for part in parts for id_ in part]
    assert found.schema.names == RESULTS.names
    assert found["transaction_id"].to_pylist() == every
    assert found["score"].to_pylist() == [id_ / 100 for id_ in every]
    assert found["amount_minor"].to_pylist() == every
    assert found["degraded"].to_pylist() == [id_ % 2 == 0 for id_ in every]
    assert counts["scored"] == len(every)
    assert counts["degraded"] == counts["terminal_unknown"] == sum(id_ % 2 == 0 for id_ in every)
    assert counts["customer_unknown"] == 0
    assert sum(counts["decisions"].values()) == len(every)
    assert counts["decisions"].get("review", 0) == sum(id_ % 3 == 1 for id_ in every)
    assert counts["model_versions"] == ["arn:model/1"]


@pytest.mark.parametrize(("asked", "answered"), [(2, 1), (1, 2)])
def test_a_file_without_an_answer_is_named(tmp_path: Path, asked: int, answered: int) -> None:
    parts = [[1, 2], [3, 4]]
    write_parts(tmp_path, parts[:asked], [answers_to(part) for part in parts[:answered]])
    with pytest.raises(BadInput, match=r"one answer.*part-00001\.parquet"):
        join(tmp_path)


def test_an_answer_that_is_no_parquet_is_named(tmp_path: Path) -> None:
    write_parts(tmp_path, [[1]], [])
    (tmp_path / "scores" / "part-00000.parquet.out").write_text("0.5\n")
    with pytest.raises(BadInput, match=r"answer to part-00000\.parquet must be Parquet"):
        join(tmp_path)


def test_a_score_that_is_none_is_refused(tmp_path: Path) -> None:
    write_parts(tmp_path, [[1, 2]], [[{**answer, "score": None} for answer in answers_to([1, 2])]])
    with pytest.raises(BadInput, match="must be a number, got null"):
        join(tmp_path)


Run = Callable[..., int]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the job on one part of two transactions, of which the facts say so many were asked."""
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    monkeypatch.setenv("EXECUTION_ARN", "arn:execution/1")
    given_ = tmp_path / "processing" / "input"

    def run_on(asked: int, refused: int) -> int:
        write_parts(given_, [[1, 2]], [answers_to([2, 1])])
        (given_ / "facts").mkdir()
        facts = {"asked": asked, "refused": refused, "rows": asked + refused}
        (given_ / "facts" / "facts.json").write_text(json.dumps(facts))
        row = {"file": "a.csv", "row": 7, "transaction_id": "9", "reason": "a reason"}
        pq.write_table(
            pa.Table.from_pylist([row] * refused, REFUSED), given_ / "facts" / "refused.parquet"
        )
        return main(["batch", "results"])

    return run_on


def test_the_job_leaves_results_refusals_and_counts(run: Run, tmp_path: Path) -> None:
    assert run(2, 1) == 0
    folder = tmp_path / "processing" / "output" / "batch"
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["scored"], summary["refused"], summary["rows"]) == (2, 1, 3)
    assert summary["execution"] == "arn:execution/1"
    assert summary["decisions"] == {"none": 1, "review": 1}
    assert pq.read_table(folder / "results").num_rows == 2
    assert pq.read_table(folder / "refused")["reason"].to_pylist() == ["a reason"]


def test_nothing_is_left_of_refusals_if_there_were_none(run: Run, tmp_path: Path) -> None:
    assert run(2, 0) == 0
    assert not (tmp_path / "processing" / "output" / "batch" / "refused").exists()


def test_a_part_that_got_lost_is_noticed(run: Run, tmp_path: Path) -> None:
    assert run(3, 0) == 1
    assert (
        "each of 3 transactions must have a score, got 2"
        in (tmp_path / "output" / "message").read_text()
    )


def test_a_file_of_the_model_fits_into_its_request(tmp_path: Path) -> None:
    rows = rows_within(1)
    values = np.random.default_rng(1).random((len(FEATURE_FILE) - 1, rows), np.float32)
    columns = [pa.array(range(rows), pa.int64()), *map(pa.array, values)]
    file = tmp_path / "part.parquet"
    table = pa.table(columns, FEATURE_FILE)
    pq.write_table(table, file, compression="snappy", use_dictionary=False)
    # Values that do not compress: the worst there is.
    assert 0.7 * 2**20 < file.stat().st_size < 2**20
