"""Batch scoring against the live environment: the same model, the same scores, to the last bit."""

import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from operations.errors import OperationError
from operations.serving import batch
from operations.serving.scoring import Scorer, requests_of
from pipeline_code.common.schema import TRANSACTIONS
from pipeline_code.features.batch import compute
from pipeline_code.features.definitions import FEATURE_NAMES
from pipeline_code.train.model import Model

pytestmark = pytest.mark.end_to_end


def objects(played: Any, uri: str) -> dict[str, bytes]:
    """The bodies of all objects below a prefix, by what follows it."""
    s3, (bucket, _, prefix) = played.target.client("s3"), uri.removeprefix("s3://").partition("/")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/")
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    bodies = {key: s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}
    return {key.removeprefix(f"{prefix}/"): body for key, body in bodies.items()}


def rows_of(files: dict[str, bytes], folder: str) -> pa.Table:
    tables = [pq.read_table(io.BytesIO(b)) for name, b in files.items() if name.startswith(folder)]
    return pa.concat_tables(tables).sort_by("transaction_id")


def scored_offline(model: Model, features: pa.Table) -> list[float]:
    columns = [features[name].to_numpy() for name in FEATURE_NAMES]
    return [float(score) for score in model.predict(np.column_stack(columns))]


def test_a_week_has_the_scores_of_training_and_of_the_endpoint(
    played: Any, events: tuple[pa.Table, pa.Table], model: Model, fraudloop: Any, tmp_path: Path
) -> None:
    transactions, reports = events
    newest = pc.max(transactions["event_time"]).as_py()
    week = pc.greater(transactions["event_time"], newest - timedelta(days=7))
    asked = transactions.filter(week)
    pq.write_table(asked, tmp_path / "week.parquet")
    told = tmp_path / "batch.json"
    options = ["--input", str(tmp_path / "week.parquet"), "--features", "lake"]
    state = ["--state", str(played.state), "--json", str(told)]
    done = fraudloop("batch", *options, *state)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(told.read_text())
    results = rows_of(objects(played, result["output"]), "results/")
    wanted = np.array(week.to_pylist())
    expected = compute(transactions, reports, wanted=wanted).sort_by("transaction_id")
    assert results["transaction_id"].to_pylist() == expected["transaction_id"].to_pylist()
    # Exactly, and not nearly.
    assert results["score"].to_pylist() == scored_offline(model, expected)
    summary = result["summary"]
    assert summary["rows"] == summary["scored"] == summary["already_in_lake"] == asked.num_rows
    assert sum(summary["decisions"].values()) == asked.num_rows
    assert summary["feature_source"] == "lake"
    assert_endpoint_answers_alike(played, result)


def assert_endpoint_answers_alike(played: Any, result: dict[str, Any]) -> None:
    """The endpoint, given the files that the model was given, answers what it answered."""
    bucket = played.target.output("ArtifactsBucketName")
    execution = result["execution"].rpartition("/")[2]
    work = objects(played, f"s3://{bucket}/batch/executions/{execution}")
    runtime = played.target.client("sagemaker-runtime")
    files = {name: body for name, body in work.items() if name.startswith("features/")}
    for name, body in files.items():
        answer = runtime.invoke_endpoint(
            EndpointName=played.target.output("EndpointName"),
            ContentType="application/x-parquet",
            Accept="application/x-parquet",
            Body=body,
        )
        stored = work[f"scores/{name.removeprefix('features/')}.out"]
        answered = pq.read_table(io.BytesIO(answer["Body"].read()))
        assert answered.equals(pq.read_table(io.BytesIO(stored)))


def test_new_transactions_have_the_answers_of_the_endpoint(
    played: Any, events: tuple[pa.Table, pa.Table], tmp_path: Path
) -> None:
    """One of each customer and terminal: asking the endpoint tells it of no event."""
    transactions, _ = events
    rows = transactions.sort_by([("event_time", "descending")]).to_pylist()
    newest = rows[0]["event_time"]
    seen: set[tuple[str, int]] = set()
    asked: list[Any] = []
    for number, row in enumerate(rows):
        owners = {("customer", row["customer_id"]), ("terminal", row["terminal_id"])}
        if not owners & seen:
            seen |= owners
            moment = newest + timedelta(minutes=len(asked))
            asked.append(row | {"transaction_id": 10**12 + number, "event_time": moment})
    asked[0] |= {"customer_id": 10**9}
    asked[1] |= {"terminal_id": 10**9}
    table = pa.Table.from_pylist(asked, TRANSACTIONS)
    pq.write_table(table, tmp_path / "new.parquet")
    started = batch.start(played.target, str(tmp_path / "new.parquet"))
    summary = started.wait(played.target)
    assert summary["feature_source"] == "offline-store"
    results = rows_of(objects(played, started.output), "results/").to_pylist()
    scorer = Scorer(played.target)
    answers = [scorer.ask(request) for request in requests_of(table.sort_by("transaction_id"))]
    names = ("transaction_id", "score", "decision", "model_version")
    assert [[row[name] for name in names] for row in results] == [
        [answer[name] for name in names] for answer in answers
    ]
    assert [row["degraded"] for row in results] == [answer["degraded"] for answer in answers]
    assert (summary["customer_unknown"], summary["terminal_unknown"]) == (1, 1)


def test_bad_rows_are_told_and_too_many_fail(played: Any, tmp_path: Path) -> None:
    header = "transaction_id,event_time,customer_id,terminal_id,amount"
    (tmp_path / "rows.csv").write_text(f"{header}\n1,yesterday,1,1,1.00\n2,,1,1,1.00\n")
    started = batch.start(played.target, str(tmp_path))
    with pytest.raises(OperationError, match=r"2 of 2 refused.*rows\.csv, row 0.*event_time must"):
        started.wait(played.target)
    assert objects(played, started.output) == {}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("missing.csv", r"--input must be a \.parquet or \.csv file"),
        ("s3://elsewhere/batch/", "--input in S3 must be a prefix below s3://"),
        ("s3://{raw}/customers/", "--input in S3 must be a prefix below s3://"),
        ("s3://{artifacts}/batch/nothing", "must be a prefix that holds objects"),
    ],
)
def test_inputs_that_nobody_may_read_are_refused(played: Any, source: str, message: str) -> None:
    names = ("raw", "artifacts")
    buckets = {name: played.target.output(f"{name.title()}BucketName") for name in names}
    with pytest.raises(OperationError, match=message):
        batch.start(played.target, source.format(**buckets))
