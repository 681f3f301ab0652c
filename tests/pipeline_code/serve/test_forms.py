"""One score in every form: transactions and rows as JSON, JSON Lines, CSV and Parquet."""

import io
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_code.contracts.serving import CSV, JSON, JSON_LINES, PARQUET
from pipeline_code.features.definitions import FEATURE_NAMES
from pipeline_code.train.model import Model

from .conftest import DECLINE_THRESHOLD, MODEL_VERSION, REVIEW_THRESHOLD, Server, transaction

COUNT = 40
# From rows of small values to such of large ones: from genuine transactions to frauds.
SIZES = np.linspace(5_000, 20_000, COUNT)[:, None]
ROWS = (np.random.default_rng(11).random((COUNT, len(FEATURE_NAMES))) * SIZES).astype(np.float32)
IDS = list(range(7_000, 7_000 + COUNT))


def row_objects(*, ids: bool = True) -> list[dict[str, Any]]:
    objects: list[dict[str, Any]] = [
        dict(zip(FEATURE_NAMES, row, strict=True)) for row in ROWS.tolist()
    ]
    return [{"transaction_id": IDS[n]} | each if ids else each for n, each in enumerate(objects)]


def lines(objects: list[dict[str, Any]]) -> str:
    return "\n".join(map(json.dumps, objects))


def parquet(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def row_table(*, ids: bool = True) -> pa.Table:
    columns = {name: pa.array(ROWS[:, n]) for n, name in enumerate(FEATURE_NAMES)}
    return pa.table(({"transaction_id": pa.array(IDS)} if ids else {}) | columns)


@pytest.fixture(scope="module")
def scores(model: Model) -> list[float]:
    return [float(score) for score in model.predict(ROWS)]


def decision(score: float) -> str:
    if score >= DECLINE_THRESHOLD:
        return "decline"
    return "review" if score >= REVIEW_THRESHOLD else "approve"


BODIES: dict[str, bytes | str] = {
    CSV: "\n".join(",".join(map(repr, row)) for row in ROWS.tolist()),
    JSON: json.dumps(row_objects()),
    JSON_LINES: lines(row_objects()),
    PARQUET: parquet(row_table()),
}


@pytest.mark.parametrize("given", BODIES)
@pytest.mark.parametrize("wanted", BODIES)
def test_rows_get_the_models_scores_in_every_form(
    server: Server, scores: list[float], given: str, wanted: str
) -> None:
    answer = server.invoke(BODIES[given], given, accept=wanted)
    assert (answer.status, answer.content_type) == (200, wanted), answer.body
    ids = [None] * COUNT if given == CSV else IDS
    if wanted == CSV:
        assert [float(line) for line in answer.body.decode().split("\n")] == scores
        return
    if wanted == PARQUET:
        found = pq.read_table(io.BytesIO(answer.body)).to_pylist()
    else:
        text = answer.body.decode()
        found = json.loads(text) if wanted == JSON else list(map(json.loads, text.splitlines()))
    assert [each.get("transaction_id") for each in found] == ids
    assert [each["score"] for each in found] == scores
    assert [each["decision"] for each in found] == [decision(score) for score in scores]
    assert {each["model_version"] for each in found} == {MODEL_VERSION}
    if wanted != PARQUET:
        assert [list(each["features"].values()) for each in found] == ROWS.tolist()


def test_every_decision_is_made_of_these_rows(scores: list[float]) -> None:
    assert {decision(score) for score in scores} == {"approve", "review", "decline"}


@pytest.mark.parametrize("form", [JSON, JSON_LINES, PARQUET])
def test_rows_need_no_ids(server: Server, scores: list[float], form: str) -> None:
    bodies: dict[str, bytes | str] = {
        JSON: json.dumps(row_objects(ids=False)),
        JSON_LINES: lines(row_objects(ids=False)),
        PARQUET: parquet(row_table(ids=False)),
    }
    answer = server.invoke(bodies[form], form, accept=JSON).document
    assert [each["score"] for each in answer] == scores
    assert not any("transaction_id" in each for each in answer)


def test_a_single_row_is_answered_with_an_object(server: Server, scores: list[float]) -> None:
    answer = server.invoke(json.dumps(row_objects()[0])).document
    assert (answer["transaction_id"], answer["score"]) == (IDS[0], scores[0])
    assert "degraded" not in answer


def test_transactions_in_a_batch_get_the_answers_that_each_gets(server: Server) -> None:
    asked = [transaction(transaction_id=n, amount=f"{n}.07", customer_id=n) for n in range(30)]
    alone = [server.score(each) for each in asked]
    array = server.invoke(json.dumps(asked))
    assert (array.content_type, array.document) == (JSON, alone)
    by_line = server.invoke(lines(asked), JSON_LINES)
    assert by_line.content_type == JSON_LINES
    assert [json.loads(line) for line in by_line.body.decode().splitlines()] == alone
    as_rows = server.invoke(json.dumps([each["features"] for each in alone])).document
    assert [each["score"] for each in as_rows] == [each["score"] for each in alone]


def test_a_batch_reads_its_states_in_few_calls(server: Server, store: Any) -> None:
    asked = [transaction(transaction_id=n, customer_id=n, terminal_id=n) for n in range(120)]
    server.invoke(json.dumps(asked))
    assert store.calls == 3


def test_the_decision_is_made_of_the_thresholds(server: Server, scores: list[float]) -> None:
    found = server.invoke(BODIES[JSON_LINES], JSON_LINES, accept=JSON).document
    assert [each["decision"] for each in found] == [decision(score) for score in scores]


def test_reason_codes_are_the_largest_contributions(server: Server, model: Model) -> None:
    asked = server.invoke(BODIES[JSON], attributes="trace=abc,reason_codes=3").document
    contributions = model.contributions(ROWS)[:, :-1]
    for added, answer in zip(contributions, asked, strict=True):
        largest = sorted(zip(FEATURE_NAMES, added, strict=True), key=lambda each: -abs(each[1]))
        assert answer["reason_codes"] == [
            {"feature": name, "contribution": float(value)} for name, value in largest[:3]
        ]


def test_reason_codes_of_a_transaction(server: Server) -> None:
    answer = server.invoke(
        json.dumps(transaction()), attributes=f"reason_codes={len(FEATURE_NAMES)}"
    ).document
    assert len(answer["reason_codes"]) == len(FEATURE_NAMES)
    assert {each["feature"] for each in answer["reason_codes"]} == set(FEATURE_NAMES)
    assert "reason_codes" not in server.score(transaction())


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", JSON_LINES),
        ("", JSON_LINES),
        ("application/*", JSON_LINES),
        ("text/*", CSV),
        ("text/html, application/json;q=0.9, */*;q=0.1", JSON),
        ("application/x-parquet;q=0.2, text/csv;q=0.3", CSV),
        ("*/*, application/jsonlines;q=0", JSON),
        ("APPLICATION/JSON", JSON),
    ],
)
def test_the_answers_form_is_the_one_that_is_liked_best(
    server: Server, accept: str, kind: str
) -> None:
    answer = server.invoke(BODIES[JSON_LINES], JSON_LINES, accept=accept)
    assert (answer.status, answer.content_type) == (200, kind)
