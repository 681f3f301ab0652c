"""Captured requests of every form that holds raw transactions: each prediction is audited."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from pipeline_code.captures.interval import Interval
from pipeline_code.common.exits import BadInput
from pipeline_code.features.definitions import FEATURE_NAMES
from pipeline_code.parity.requests import Sample, read_sample

JSON, JSON_LINES, CSV = "application/json", "application/jsonlines", "text/csv"
IDS = [11, 12, 13]


def asked(id_: int) -> dict[str, Any]:
    return {
        "transaction_id": id_,
        "event_time": "2024-03-01T12:00:00Z",
        "customer_id": 1,
        "terminal_id": 2,
        "amount": "1.50",
    }


def answered(id_: int, **changes: Any) -> dict[str, Any]:
    features = dict.fromkeys(FEATURE_NAMES, float(id_))
    return {"transaction_id": id_, "score": 0.5, "degraded": False, "features": features} | changes


def lines(documents: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(document) + "\n" for document in documents)


def side(kind: str, text: str, encoding: str = "JSON") -> dict[str, str]:
    data = base64.b64encode(text.encode()).decode() if encoding == "BASE64" else text
    return {"observedContentType": kind, "data": data, "encoding": encoding}


def sample(
    folder: Path, request: dict[str, str], answer: dict[str, str], model_version: str | None = None
) -> Sample:
    exchange = {
        "captureData": {"endpointInput": request, "endpointOutput": answer},
        "eventMetadata": {"inferenceTime": "2024-03-01T12:00:01Z", "inferenceId": "batch-1"},
    }
    (folder / "00.jsonl").write_text(json.dumps(exchange))
    return read_sample(folder, Interval(), 100, model_version=model_version)


REQUESTS, ANSWERS = [asked(n) for n in IDS], [answered(n) for n in IDS]


@pytest.mark.parametrize(
    ("request_side", "answer_side"),
    [
        (side(JSON, json.dumps(REQUESTS)), side(JSON, json.dumps(ANSWERS))),
        (side(JSON_LINES, lines(REQUESTS)), side(JSON_LINES, lines(ANSWERS))),
        (
            side(JSON_LINES, lines(REQUESTS), "BASE64"),
            side(JSON, json.dumps(ANSWERS), "BASE64"),
        ),
    ],
    ids=["array", "lines", "mixed"],
)
def test_each_transaction_of_a_batch_is_audited(
    tmp_path: Path, request_side: dict[str, str], answer_side: dict[str, str]
) -> None:
    found = sample(tmp_path, request_side, answer_side)
    assert found.captured == 3
    rows = {row.request.transaction_id: row for row in found.rows}
    assert sorted(rows) == IDS
    assert all(rows[n].answered.tolist() == [float(n)] * len(FEATURE_NAMES) for n in IDS)


def test_feature_rows_are_nobodys_transactions(tmp_path: Path) -> None:
    vectors = [answer["features"] for answer in ANSWERS]
    for request in (
        side(JSON_LINES, lines(vectors)),
        side(JSON, json.dumps(vectors)),
        side(CSV, "\n".join(",".join(["1"] * len(FEATURE_NAMES)) for _ in IDS), "CSV"),
    ):
        found = sample(tmp_path, request, side(JSON, json.dumps(ANSWERS)))
        assert (found.rows, found.captured) == ([], 0)


def test_a_degraded_prediction_of_a_batch_says_so_itself(tmp_path: Path) -> None:
    answers = [answered(11), answered(12, degraded=True), answered(13)]
    found = sample(tmp_path, side(JSON, json.dumps(REQUESTS)), side(JSON, json.dumps(answers)))
    assert [row.request.transaction_id for row in found.rows if row.degraded] == [12]


def test_another_versions_answers_are_counted(tmp_path: Path) -> None:
    answers = [answered(11), answered(12, features={"old": 1.0}), answered(13)]
    found = sample(tmp_path, side(JSON, json.dumps(REQUESTS)), side(JSON, json.dumps(answers)))
    assert (len(found.rows), found.other_schema, found.captured) == (2, 1, 3)


@pytest.mark.parametrize(("alive", "audited"), [(["v2"], IDS), (["v2", "v9"], [11, 13])])
def test_where_names_do_not_say_which_version_answered_the_package_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alive: list[str], audited: list[int]
) -> None:
    # As when a feature is changed and keeps its name: nothing is declared of v9 but what v2 has.
    monkeypatch.setattr("pipeline_code.parity.requests.SCHEMA_VERSIONS", alive)
    answers = [answered(n, model_version="arn:7" if n == 12 else "arn:8") for n in IDS]
    found = sample(
        tmp_path, side(JSON, json.dumps(REQUESTS)), side(JSON, json.dumps(answers)), "arn:8"
    )
    assert sorted(row.request.transaction_id for row in found.rows) == audited
    assert (found.captured, found.other_schema) == (3, 3 - len(audited))


def test_a_lost_answer_is_refused(tmp_path: Path) -> None:
    request, answer = side(JSON, json.dumps(REQUESTS)), side(JSON, json.dumps(ANSWERS[:2]))
    with pytest.raises(BadInput, match="an answer to each of 3 transactions, got 2"):
        sample(tmp_path, request, answer)
