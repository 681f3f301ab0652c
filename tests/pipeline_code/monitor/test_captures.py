"""Reading captures: every documented form, and nothing unreadable taken for no drift."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline_code.common.exits import BadInput
from pipeline_code.common.probes import PROBE_INFERENCE_PREFIX
from pipeline_code.monitor.captures import Interval, read_captures
from tests.pipeline_code.monitor.capture_files import (
    answer,
    answer_line,
    base64_of,
    line,
    write_lines,
)

ALWAYS = Interval()
ONE, TWO = answer({"amount_minor": 1.0}), answer({"amount_minor": 2.0})


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
    assert read_captures(tmp_path, ALWAYS).features == [ONE["features"], TWO["features"]]


def test_a_line_separator_within_text_is_no_end_of_line(tmp_path: Path) -> None:
    text = json.dumps(ONE | {"note": "a\u2028b"}, ensure_ascii=False)
    document = json.loads(line(""))
    document["captureData"]["endpointOutput"]["data"] = text
    write_lines(tmp_path, [json.dumps(document, ensure_ascii=False)])
    assert read_captures(tmp_path, ALWAYS).features == [ONE["features"]]


def test_files_of_all_hours_are_read(tmp_path: Path) -> None:
    write_lines(tmp_path, [answer_line({"a": 2})], "01-00-000-b.jsonl")
    write_lines(tmp_path, [answer_line({"a": 1}), ""], "00-00-000-a.jsonl")
    captures = read_captures(tmp_path, ALWAYS)
    assert (captures.files, captures.features) == (2, [{"a": 1}, {"a": 2}])


def test_only_the_interval_counts(tmp_path: Path) -> None:
    """SageMaker may download more than the interval; its end is not inside."""
    times = ["2024-03-01T11:59:59Z", "2024-03-01T12:00:00Z", "2024-03-01T13:00:00+00:00"]
    write_lines(tmp_path, [answer_line({"hour": n}, time=time) for n, time in enumerate(times)])
    noon = datetime(2024, 3, 1, 12, tzinfo=UTC)
    captures = read_captures(tmp_path, Interval(noon, noon.replace(hour=13)))
    assert (captures.features, captures.outside) == ([{"hour": 1}], 2)


def test_answers_in_csv_are_counted_as_not_monitored(tmp_path: Path) -> None:
    write_lines(tmp_path, [line("0.5", encoding="CSV", kind="text/csv"), answer_line({"a": 1})])
    captures = read_captures(tmp_path, ALWAYS)
    assert (captures.unmonitored, captures.features) == (1, [{"a": 1}])


def test_probes_are_no_traffic(tmp_path: Path) -> None:
    probe = json.loads(answer_line({"a": 2}))
    probe["eventMetadata"]["inferenceId"] = f"{PROBE_INFERENCE_PREFIX}17"
    write_lines(tmp_path, [answer_line({"a": 1}), json.dumps(probe)])
    captures = read_captures(tmp_path, ALWAYS)
    assert (captures.probes, captures.features) == (1, [{"a": 1}])


def test_an_empty_or_missing_folder_holds_no_captures(tmp_path: Path) -> None:
    assert read_captures(tmp_path / "nothing", ALWAYS).features == []


def without(outer: str, inner: str) -> str:
    document: dict[str, Any] = json.loads(answer_line({"a": 1}))
    del document[outer][inner]
    return json.dumps(document)


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
    ],
)
def test_what_cannot_be_read_names_file_and_line(tmp_path: Path, bad: str, rule: str) -> None:
    write_lines(tmp_path, [answer_line({"a": 1}), bad])
    with pytest.raises(BadInput) as failure:
        read_captures(tmp_path, ALWAYS)
    assert "fraud/primary/2024/03/01/12/00-00-001-a.jsonl, line 2: " in str(failure.value)
    assert rule in str(failure.value)


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    write_lines(tmp_path, []).write_bytes(b"\xff\xfe")
    with pytest.raises(BadInput, match=r"00-00-001-a\.jsonl: file must be UTF-8 text"):
        read_captures(tmp_path, ALWAYS)
