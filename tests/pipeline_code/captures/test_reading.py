"""Reading captures in chunks: every documented form, and nothing unreadable taken for no drift."""

import json
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline_code.captures import blocks
from pipeline_code.captures.chunks import Chunk, Tally
from pipeline_code.captures.datasets import DatasetFormat, Kind
from pipeline_code.captures.interval import Interval
from pipeline_code.captures.reading import open_source, read_chunks
from pipeline_code.common.exits import BadInput
from pipeline_code.common.probes import PROBE_INFERENCE_PREFIX
from tests.pipeline_code.captures.capture_files import (
    answer,
    answer_line,
    base64_of,
    line,
    write_lines,
)

ALWAYS = Interval()
NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
ONE, TWO = answer({"amount_minor": 1.0}), answer({"amount_minor": 2.0})
ASKED = {
    "transaction_id": 1,
    "event_time": "2024-03-01T11:58:00Z",
    "customer_id": 2,
    "terminal_id": 3,
    "amount": "9.50",
}


def read(
    source: Path | str, interval: Interval = ALWAYS, **options: Any
) -> tuple[list[dict[str, float]], Tally]:
    """Every record's numbers by name, in order."""
    tally = Tally()
    records = [
        {
            name: value
            for name, value in zip(chunk.names, values, strict=True)
            if not math.isnan(value)
        }
        for chunk in chunks_of(source, interval, tally, **options)
        for values in chunk.values.T.tolist()
    ]
    return records, tally


def chunks_of(
    source: Path | str, interval: Interval, tally: Tally, **options: Any
) -> Iterator[Chunk]:
    return read_chunks(source, DatasetFormat(), interval, tally, **options)


def predictions(folder: Path, kind: Kind = Kind.CAPTURES) -> list[dict[str, Any]]:
    chunks = read_chunks(folder, DatasetFormat(kind), ALWAYS, Tally(), with_predictions=True)
    return [row for chunk in chunks if chunk.predictions for row in chunk.predictions.to_pylist()]


def exchange(
    asked: Any, answered: Any, *, kind: str = "application/json", **top: Any
) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(line(json.dumps(answered)))
    document["captureData"]["endpointInput"] |= {
        "data": json.dumps(asked),
        "observedContentType": kind,
    }
    return document | top


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (json.dumps([ONE, TWO]), {}),
        (f"{json.dumps(ONE)}\n{json.dumps(TWO)}\n", {}),
        (base64_of(json.dumps([ONE, TWO])), {"encoding": "BASE64"}),
        (json.dumps([ONE, TWO], indent=1), {"kind": "application/json; charset=utf-8"}),
        (
            base64_of(f"{json.dumps(ONE)}\n{json.dumps(TWO)}\n"),
            {"kind": "application/jsonlines", "encoding": "BASE64"},
        ),
    ],
    ids=["array", "lines", "base64", "charset", "json lines"],
)
def test_a_batch_of_answers_is_several_records(
    tmp_path: Path, text: str, options: dict[str, str]
) -> None:
    write_lines(tmp_path, [line(text, **options)])
    records, tally = read(tmp_path)
    assert records == [ONE["features"], TWO["features"]]
    assert tally == Tally(records=2, files=1)


def test_a_line_separator_within_text_is_no_end_of_line(tmp_path: Path) -> None:
    text = json.dumps(ONE | {"note": "a\u2028b"}, ensure_ascii=False)
    document = json.loads(line(""))
    document["captureData"]["endpointOutput"]["data"] = text
    write_lines(tmp_path, [json.dumps(document, ensure_ascii=False)])
    assert read(tmp_path)[0] == [ONE["features"]]


def test_what_is_missing_or_no_number_is_counted(tmp_path: Path) -> None:
    given: list[Mapping[str, Any]] = [
        {"a": 1, "b": 2.5},
        {"a": None, "b": "much"},
        {"b": True, "c": 10**400},
        {"a": float("nan"), "b": [1]},
    ]
    write_lines(tmp_path, map(answer_line, given))
    (chunk,) = chunks_of(tmp_path, ALWAYS, Tally())
    assert chunk.names == ("a", "b", "c")
    assert chunk.missing.tolist() == [2, 0, 3]
    assert chunk.wrong.tolist() == [1, 3, 1]
    np.testing.assert_array_equal(
        chunk.values, [[1, *[np.nan] * 3], [2.5, *[np.nan] * 3], [np.nan] * 4]
    )


def test_files_of_all_hours_are_read(tmp_path: Path) -> None:
    write_lines(tmp_path, [answer_line({"a": 2})], "01-00-000-b.jsonl")
    write_lines(tmp_path, [answer_line({"a": 1}), ""], "00-00-000-a.jsonl")
    records, tally = read(tmp_path)
    assert (tally.files, records) == (2, [{"a": 1}, {"a": 2}])


@pytest.mark.parametrize("size", [1, 100, 700, 10_000])
def test_chunks_hold_every_line_once_wherever_blocks_end(
    tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", size)
    monkeypatch.setattr(blocks, "LINE_BYTES", 50)
    lines = [answer_line({"a": n}) for n in range(9)]
    write_lines(tmp_path, lines[:5])
    write_lines(tmp_path, lines[5:], "00-00-002-b.jsonl").write_text(
        "\n".join(lines[5:]), encoding="utf-8"
    )
    records, tally = read(tmp_path)
    assert records == [{"a": n} for n in range(9)]
    assert tally == Tally(records=9, files=2)


def test_only_the_interval_counts(tmp_path: Path) -> None:
    """SageMaker may download more than the interval; its end is not inside."""
    times = ["2024-03-01T11:59:59Z", "2024-03-01T12:00:00Z", "2024-03-01T13:00:00+00:00"]
    write_lines(tmp_path, [answer_line({"hour": n}, time=time) for n, time in enumerate(times)])
    records, tally = read(tmp_path, Interval(NOON, NOON.replace(hour=13)))
    assert (records, tally.outside) == ([{"hour": 1}], 2)


def test_what_is_no_traffic_or_has_no_features_is_counted_apart(tmp_path: Path) -> None:
    probe = json.loads(answer_line({"a": 2}))
    probe["eventMetadata"]["inferenceId"] = f"{PROBE_INFERENCE_PREFIX}17"
    csv = line("0.5", encoding="CSV", kind="text/csv")
    write_lines(tmp_path, [csv, answer_line({"a": 1}), json.dumps(probe)])
    records, tally = read(tmp_path)
    assert records == [{"a": 1}]
    assert tally == Tally(records=1, files=1, unmonitored=1, probes=1)


def test_answers_of_other_versions_are_counted_apart(tmp_path: Path) -> None:
    answers = [ONE, TWO | {"model_version": "2"}, TWO]
    write_lines(tmp_path, [line(json.dumps(each)) for each in (*answers, answers[:2])])
    records, tally = read(tmp_path, model_version="1")
    assert records == [ONE["features"], TWO["features"], ONE["features"]]
    assert (tally.records, tally.other_versions) == (3, 2)


def test_features_of_another_version_are_nobodys_missing_values(tmp_path: Path) -> None:
    other = answer({"amount_minor": 3.0, "new": 4.0}) | {"model_version": "2"}
    write_lines(tmp_path, [line(json.dumps(each)) for each in (*[ONE, other] * 40, [ONE, other])])
    tally = Tally()
    (chunk,) = chunks_of(tmp_path, ALWAYS, tally, model_version="1")
    assert (chunk.names, chunk.missing.tolist()) == (("amount_minor",), [0])
    assert (tally.records, tally.other_versions) == (41, 41)


def test_degraded_answers_are_counted_by_their_reasons(tmp_path: Path) -> None:
    given = [["store_timeout"], ["customer_unknown", "terminal_unknown"], []]
    answers = [ONE | {"degraded": True, "degraded_reasons": reasons} for reasons in given]
    write_lines(tmp_path, [line(json.dumps(each)) for each in (*answers, TWO)])
    tally = read(tmp_path)[1]
    assert tally.degraded == {
        "store_timeout": 1,
        "customer_unknown, terminal_unknown": 1,
        "not said": 1,
    }


def test_predictions_say_who_was_asked_about_and_what_was_answered(tmp_path: Path) -> None:
    answered = ONE | {"decision": "approve", "degraded": False}
    write_lines(tmp_path, [json.dumps(exchange(ASKED, answered))])
    assert predictions(tmp_path) == [
        {
            "label_id": "1",
            "inference_time": NOON,
            "transaction_id": 1,
            "event_time": NOON.replace(hour=11, minute=58),
            "customer_id": 2,
            "terminal_id": 3,
            "score": 0.1,
            "decision": "approve",
            "degraded": False,
            "model_version": "1",
        }
    ]


def test_of_several_transactions_each_has_an_id_of_its_own(tmp_path: Path) -> None:
    asked = [ASKED, ASKED | {"transaction_id": 7}]
    write_lines(tmp_path, [json.dumps(exchange(asked, [ONE, TWO | {"transaction_id": 7}]))])
    assert [row["label_id"] for row in predictions(tmp_path)] == ["1/1", "1/7"]


def test_of_a_feature_row_nobody_knows_whose_it_is(tmp_path: Path) -> None:
    unnamed = {name: value for name, value in ONE.items() if name != "transaction_id"}
    document = exchange("1,2", [unnamed, unnamed], kind="text/csv")
    del document["eventMetadata"]["inferenceId"]
    write_lines(tmp_path, [json.dumps(document)])
    rows = predictions(tmp_path)
    assert [(row["label_id"], row["event_time"], row["customer_id"]) for row in rows] == [
        (None, None, None)
    ] * 2


def test_merged_captures_tell_their_labels(tmp_path: Path) -> None:
    labels = ["1", "0"]
    merged = [
        exchange(ASKED, ONE, groundTruthData={"data": label, "encoding": "CSV"}) for label in labels
    ]
    write_lines(tmp_path, map(json.dumps, merged))
    assert [row["label"] for row in predictions(tmp_path, Kind.MERGED)] == [1, 0]


def without(outer: str, inner: str) -> str:
    document: dict[str, Any] = json.loads(answer_line({"a": 1}))
    del document[outer][inner]
    return json.dumps(document)


@pytest.mark.parametrize("size", [10_000, 300])
@pytest.mark.parametrize(
    ("bad", "rule"),
    [
        ("{", "must be JSON, got '{'"),
        ("[]", "must be a JSON object"),
        (without("captureData", "endpointOutput"), "must have captureData.endpointOutput"),
        (without("eventMetadata", "inferenceTime"), "must have eventMetadata.inferenceTime"),
        (answer_line({}, time="noon"), "inferenceTime must be an ISO-8601 time, got 'noon'"),
        (answer_line({}, time="2024-03-01T12:00:00"), "inferenceTime must have a time zone"),
        (line('{"score": 1}'), 'endpointOutput must have an object "features"'),
        (line('{"features": [1]}'), 'endpointOutput must have an object "features"'),
        (line("3"), 'endpointOutput must have an object "features"'),
        (line("{broken"), "endpointOutput: must be JSON"),
        (line(""), "endpointOutput.data must be text"),
        (line("%%%", encoding="BASE64"), "endpointOutput.data must be base64 of UTF-8"),
        (line(json.dumps(ONE | {"degraded": True, "degraded_reasons": 3})), "must be texts"),
    ],
)
def test_what_cannot_be_read_names_file_and_line(
    tmp_path: Path, bad: str, rule: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", size)
    write_lines(tmp_path, [answer_line({"a": 1}), "", bad, answer_line({"a": 1})])
    with pytest.raises(BadInput) as failure:
        read(tmp_path)
    assert "fraud/primary/2024/03/01/12/00-00-001-a.jsonl, line 3: " in str(failure.value)
    assert rule in str(failure.value)


@pytest.mark.parametrize(
    ("document", "rule"),
    [
        (exchange({"transaction_id": 1}, ONE), "must be a request that was taken"),
        (exchange([ASKED, ASKED], ONE), "an answer to each of 2 transactions, got 1"),
        (exchange(ASKED, ONE | {"score": "high"}), "another kind of score"),
        (exchange(ASKED, ONE | {"score": None}), "must have a number score"),
        (exchange(ASKED, ONE | {"transaction_id": True}), "another kind of transaction_id"),
    ],
)
def test_predictions_that_cannot_be_told_are_refused(
    tmp_path: Path, document: dict[str, Any], rule: str
) -> None:
    write_lines(tmp_path, [json.dumps(document)])
    with pytest.raises(BadInput, match=rf"a\.jsonl, line 1: .*{rule}"):
        predictions(tmp_path)


@pytest.mark.parametrize("truth", [None, {"data": "2", "encoding": "CSV"}])
def test_merged_captures_without_a_label_are_refused(tmp_path: Path, truth: Any) -> None:
    more = {} if truth is None else {"groundTruthData": truth}
    write_lines(tmp_path, [json.dumps(exchange(ASKED, ONE, **more))])
    with pytest.raises(BadInput, match="groundTruthData"):
        predictions(tmp_path, Kind.MERGED)


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    write_lines(tmp_path, []).write_bytes(b"\xff\xfe")
    with pytest.raises(BadInput, match=r"00-00-001-a\.jsonl, line 1: must be UTF-8 text"):
        read(tmp_path)


def test_an_empty_or_missing_folder_holds_no_captures(tmp_path: Path) -> None:
    assert read(tmp_path / "nothing") == ([], Tally())


def test_a_source_is_a_folder_or_a_prefix(tmp_path: Path) -> None:
    assert open_source("s3://bucket/prefix/") == "s3://bucket/prefix/"
    assert open_source(str(tmp_path)) == tmp_path
    with pytest.raises(BadInput, match="captures must be a folder or like s3://"):
        read("bucket/prefix")
