"""Ground truth is joined by hour, and never guessed."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_code.captures.chunks import PREDICTIONS, Chunk
from pipeline_code.captures.ground_truth import parse, render, with_labels
from pipeline_code.captures.hour_files import hour_files
from pipeline_code.captures.interval import Interval
from pipeline_code.captures.rows import MERGED_PREDICTIONS
from pipeline_code.common.exits import BadInput

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ALWAYS = Interval()


def chunk(*predictions: tuple[str | None, datetime], label: int | None = None) -> Chunk:
    rows = [
        {"label_id": id_, "inference_time": moment, "score": 0.5, "label": label}
        for id_, moment in predictions
    ]
    schema = PREDICTIONS if label is None else MERGED_PREDICTIONS
    nothing = np.zeros(0, np.int64)
    return Chunk(
        (), np.zeros((0, len(rows))), nothing, nothing, pa.Table.from_pylist(rows, schema=schema)
    )


def labels(source: Path, *chunks: Chunk, interval: Interval = ALWAYS) -> list[list[int]]:
    return [each.labels.tolist() for each in with_labels(iter(chunks), source, interval)]


def write(root: Path, hour: datetime, content: bytes, name: str = "labels.jsonl") -> None:
    hour_files(root).replace(hour, name, content)


def test_each_prediction_meets_the_ground_truth_of_its_own_hour(tmp_path: Path) -> None:
    write(tmp_path, NOON, render({"a": 1, "b": 0}))
    write(tmp_path, NOON + HOUR, render({"a": 0, "c": 1}))
    first = chunk(("b", NOON), ("a", NOON + 59 * HOUR / 60), ("c", NOON), (None, NOON))
    second = chunk(("a", NOON + HOUR), ("c", NOON + HOUR), ("a", NOON + 2 * HOUR), ("a", NOON))
    assert labels(tmp_path, first, second) == [[0, 1, -1, -1], [0, 1, -1, 1]]


def test_hours_are_read_again_if_captures_go_back(tmp_path: Path) -> None:
    for number in range(8):
        write(tmp_path, NOON + number * HOUR, render({"a": number % 2}))
    moments = [NOON + number * HOUR for number in [*range(8), *range(8)]]
    expected = [[number % 2] for number in [*range(8), *range(8)]]
    assert labels(tmp_path, *(chunk(("a", moment)) for moment in moments)) == expected


def test_all_files_of_an_hour_count(tmp_path: Path) -> None:
    write(tmp_path, NOON, render({"a": 1}), "one.jsonl")
    write(tmp_path, NOON, render({"b": 0, "a": 1}), "two.jsonl")
    assert labels(tmp_path, chunk(("a", NOON), ("b", NOON))) == [[1, 0]]


def test_only_hours_of_the_interval_are_read(tmp_path: Path) -> None:
    write(tmp_path, NOON, b"broken")
    write(tmp_path, NOON + HOUR, render({"a": 1}))
    interval = Interval(NOON + HOUR, NOON + 2 * HOUR)
    assert labels(tmp_path, chunk(("a", NOON + HOUR), ("a", NOON)), interval=interval) == [[1, -1]]


def test_without_ground_truth_nothing_is_known(tmp_path: Path) -> None:
    assert labels(tmp_path / "none", chunk(("a", NOON)), chunk()) == [[-1], []]


def test_merged_captures_bring_their_labels(tmp_path: Path) -> None:
    write(tmp_path, NOON, b"broken")
    merged = chunk(("a", NOON), ("b", NOON), label=1)
    assert labels(tmp_path, merged) == [[1, 1]]


def test_predictions_have_to_be_read(tmp_path: Path) -> None:
    nothing = np.zeros(0, np.int64)
    with pytest.raises(ValueError, match="must be read with predictions"):
        labels(tmp_path, Chunk((), np.zeros((0, 1)), nothing, nothing))


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[]",
        b'{"groundTruthData": {"data": "1"}, "eventMetadata": {}}',
        b'{"groundTruthData": {"data": "2"}, "eventMetadata": {"eventId": "a"}}',
        b'{"groundTruthData": {"data": null}, "eventMetadata": {"eventId": "a"}}',
        b'{"groundTruthData": "1", "eventMetadata": {"eventId": "a"}}',
        b'{"groundTruthData": {"data": "1"}, "eventMetadata": {"eventId": 7}}',
        b'{"groundTruthData": {"data": "1"}, "eventMetadata": {"eventId": ""}}',
        render({"a": 1})[:-20],
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, line: bytes) -> None:
    write(tmp_path, NOON, render({"b": 0}) + b"\n" + line)
    place = "2024/03/01/12/labels.jsonl, line 3: must be ground truth of 0 or 1"
    with pytest.raises(BadInput, match=place):
        labels(tmp_path, chunk(("a", NOON)))


def test_lines_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    write(tmp_path, NOON, render({"a": 1}), "one.jsonl")
    write(tmp_path, NOON, render({"b": 1}) + render({"a": 0}), "two.jsonl")
    rule = "two.jsonl, line 2: must not contradict an earlier line, got 0 for 'a'"
    with pytest.raises(BadInput, match=rule):
        labels(tmp_path, chunk(("a", NOON)))


def test_no_bucket_is_no_place() -> None:
    with pytest.raises(BadInput, match="must be a folder or like s3://bucket/prefix, got s3://"):
        hour_files("s3://")


@settings(deadline=None)
@given(st.dictionaries(st.text(min_size=1, max_size=5), st.integers(0, 1), max_size=20))
def test_what_is_written_reads_back(known: dict[str, int]) -> None:
    found: dict[str, int] = {}
    content = render(known)
    parse(content, "labels.jsonl", found)
    assert found == known
    assert content == render(dict(reversed(known.items())))


def test_others_numbers_are_taken(tmp_path: Path) -> None:
    line = b'{"groundTruthData": {"data": "%s"}, "eventMetadata": {"eventId": "%s"}}\n'
    write(tmp_path, NOON, line % (b"1.0", b"a") + line % (b" 0\\n", b"b"))
    assert labels(tmp_path, chunk(("a", NOON), ("b", NOON))) == [[1, 0]]


def test_a_file_is_replaced_only_if_it_changes(tmp_path: Path) -> None:
    files = hour_files(tmp_path)
    assert not files.replace(NOON, "labels.jsonl", b"")
    assert [*tmp_path.iterdir()] == []
    assert files.replace(NOON, "labels.jsonl", b"a")
    assert not files.replace(NOON, "labels.jsonl", b"a")
    assert files.replace(NOON, "labels.jsonl", b"")
    assert [content for _, content in files.read_all(NOON)] == [b""]
