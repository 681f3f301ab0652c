"""Lines that are read by templates say the same as when each is read for itself."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_code.captures import scan as capture_scan
from pipeline_code.captures.blocks import Block, LineRange
from pipeline_code.captures.chunks import Chunk, Tally
from pipeline_code.captures.interval import Interval
from pipeline_code.captures.parser import CaptureParser
from pipeline_code.captures.rows import RecordFilter, Rows
from pipeline_code.captures.sources import LocalFile
from pipeline_code.common.exits import BadInput

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
HOUR = Interval(NOON, NOON + timedelta(hours=1))
COMPACT = (",", ":")

numbers = st.floats(width=32, allow_nan=False, allow_infinity=False)
odd_values: st.SearchStrategy[Any] = st.sampled_from(
    [None, "much", True, 10**400, 5, -0.0, [1], {}]
)
values = st.one_of(numbers, numbers, numbers, numbers, odd_values)
answers = st.fixed_dictionaries(
    {
        "transaction_id": st.integers(0, 2**63 - 1) | st.none(),
        "score": st.floats(0, 1, width=32),
        "decision": st.sampled_from(["approve", "review", None]),
        "model_version": st.sampled_from(["v1", "v2"]),
        "degraded": st.booleans(),
        "degraded_reasons": st.sampled_from([[], ["store_timeout"]]),
        "features": st.fixed_dictionaries(
            {"amount_minor": values, "is_night": numbers}, optional={"other": numbers}
        ),
    }
)
requests = st.fixed_dictionaries(
    {
        "transaction_id": st.integers(0, 2**63 - 1),
        "event_time": st.sampled_from(
            ["2024-02-29T23:59:59Z", "2024-03-01T10:00:00.25Z", "2024-03-01T10:00:00+01:00"]
        ),
        "customer_id": st.integers(0, 10**6),
        "terminal_id": st.integers(0, 10**6),
        "amount": st.sampled_from(["9.50", "0", 7, 12.5, "1234567890123"]),
    }
)
times = st.sampled_from(["11:59:59Z", "12:00:00Z", "12:30:00.5Z", "12:59:59+00:00", "13:00:00Z"])


@st.composite
def captured(draw: Callable[[Any], Any]) -> str:
    answer, request = draw(answers), draw(requests)
    separators = draw(st.sampled_from([COMPACT, None]))

    def side(document: Any) -> Any:
        text = json.dumps(document, separators=separators)
        return {"observedContentType": "application/json", "data": text, "encoding": "JSON"}

    metadata = {
        "eventId": draw(st.sampled_from(["e-1", "e-22", 'quoted "e"', "é"])),
        "inferenceId": draw(st.sampled_from(["tx-1", "transaction-17", "parity-3", "parityx", ""])),
        "inferenceTime": f"2024-03-01T{draw(times)}",
    }
    document = {
        "captureData": {"endpointInput": side(request), "endpointOutput": side(answer)},
        "eventMetadata": metadata,
        "eventVersion": "0",
    }
    return json.dumps(document, separators=separators, ensure_ascii=draw(st.booleans()))


def parse(folder: Path, data: bytes, wanted: RecordFilter) -> Any:
    """What becomes of the lines: their records and counts, or why they are refused."""
    file = folder / "lines.jsonl"
    file.write_bytes(data)
    piece = LineRange(LocalFile(file, "lines.jsonl", len(data)), 0, len(data))
    try:
        chunk, tally = CaptureParser(wanted).parse(Block((piece,)))
    except BadInput as refused:
        return str(refused)
    return (*told(chunk), asdict(tally))


def told(chunk: Chunk) -> tuple[Any, ...]:
    predictions = None if chunk.predictions is None else chunk.predictions.to_pylist()
    counts = chunk.missing.tolist(), chunk.wrong.tolist()
    return chunk.names, chunk.values.tobytes(), *counts, predictions


@contextmanager
def one_by_one() -> Iterator[None]:
    with patch.object(capture_scan, "MOST_TEMPLATES", 0):
        yield


def require_same(folder: Path, data: bytes, wanted: RecordFilter) -> None:
    with one_by_one():
        expected = parse(folder, data, wanted)
    assert parse(folder, data, wanted) == expected


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lines")


wishes = st.builds(
    RecordFilter,
    interval=st.sampled_from([Interval(), HOUR]),
    model_version=st.sampled_from([None, "v1"]),
    predictions=st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(lines=st.lists(captured(), max_size=12), wanted=wishes)
def test_templates_change_nothing(folder: Path, lines: list[str], wanted: RecordFilter) -> None:
    require_same(folder, "\n".join(lines).encode(), wanted)


@settings(max_examples=80, deadline=None)
@given(data=st.data(), line=captured(), wanted=wishes)
def test_a_damaged_line_among_its_like_is_read_as_it_is_alone(
    folder: Path, data: st.DataObject, line: str, wanted: RecordFilter
) -> None:
    whole = line.encode()
    place = data.draw(st.integers(0, len(whole) - 1))
    byte = data.draw(st.integers(0, 255) | st.sampled_from(b'"\\0,}n\n'))
    damaged = whole[:place] + bytes([byte]) + whole[place + 1 :]
    require_same(folder, b"\n".join([whole, whole, damaged, whole]), wanted)


def usual(number: int, **changes: Any) -> bytes:
    """A line as our server's answer is captured."""
    asked = {
        "transaction_id": number,
        "event_time": "2024-03-01T11:58:00Z",
        "customer_id": 2,
        "terminal_id": 3,
        "amount": "9.50",
    }
    answer = {
        "transaction_id": number,
        "score": float(np.float32(number / 7)),
        "decision": "approve",
        "model_version": "v1",
        "degraded": False,
        "degraded_reasons": [],
        "features": {"amount_minor": number / 3, "is_night": None if number % 5 == 0 else 1.0},
    }
    document = {
        "captureData": {
            side: {"observedContentType": "application/json", "data": text, "encoding": "JSON"}
            for side, text in (
                ("endpointInput", json.dumps(asked)),
                ("endpointOutput", orjson.dumps(answer | changes).decode()),
            )
        },
        "eventMetadata": {
            "eventId": f"e{number}",
            "inferenceId": f"tx{number}",
            "inferenceTime": "2024-03-01T12:00:00Z",
        },
        "eventVersion": "0",
    }
    return json.dumps(document).encode()


def slowly_read(folder: Path, lines: Sequence[bytes], monkeypatch: pytest.MonkeyPatch) -> int:
    """How many of the lines no template knew."""
    read: list[int] = []
    add = Rows.add

    def noted(self: Rows, exchange: Any) -> int:
        read.append(1)
        return add(self, exchange)

    monkeypatch.setattr(Rows, "add", noted)
    parse(folder, b"\n".join(lines), RecordFilter(interval=HOUR, predictions=True))
    return len(read)


def test_usual_lines_are_read_by_templates(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else nothing above would be about them. One line of each kind is learned from."""
    lines = [
        usual(n, decision=decision, model_version=version)
        for n in range(50)
        for decision in ("approve", "review")
        for version in ("v1", "v2")
    ]
    assert slowly_read(folder, lines, monkeypatch) == 4


def test_lines_that_are_like_no_other_are_looked_at_ever_less(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [usual(n, note=f"{n}") for n in range(200)]
    with patch.object(capture_scan, "MOST_TEMPLATES", 3):
        # Each is read where it stands, and some before, to learn from.
        assert 200 <= slowly_read(folder, lines, monkeypatch) < 220


def test_counts_of_lines_add_up(folder: Path) -> None:
    lines = [usual(n) for n in range(40)] + [usual(n, model_version="v2") for n in range(3)]
    parsed = parse(folder, b"\n".join(lines), RecordFilter(interval=HOUR, model_version="v1"))
    assert parsed[-1] == asdict(Tally(records=40, files=1, other_versions=3))
    assert parsed[2] == [0, 8]
