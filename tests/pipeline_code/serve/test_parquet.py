"""Parquet bodies: read exactly or refused before they can fill the memory."""

import io
import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline_code.features.definitions import FEATURE_NAMES
from pipeline_code.serve import isolation, parquet
from pipeline_code.serve.isolation import IsolatedReader
from pipeline_code.serve.parquet import rows_of_parquet
from pipeline_code.serve.refusals import RequestError

WIDTH = len(FEATURE_NAMES)


def written(columns: dict[str, Any], **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, **options)
    return sink.getvalue()


def columns(rows: int = 3, **changes: Any) -> dict[str, Any]:
    values = {name: pa.array(np.full(rows, 1.5, np.float32)) for name in FEATURE_NAMES}
    return values | changes


def refusal(body: bytes) -> RequestError:
    with pytest.raises(RequestError) as caught:
        rows_of_parquet(body)
    assert len(caught.value.reason) < 900
    return caught.value


@given(
    hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 6), st.just(WIDTH)),
        elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
    ),
    st.sampled_from(["snappy", "none"]),
    st.booleans(),
)
@settings(deadline=None, max_examples=40)
def test_rows_are_read_to_the_last_bit(
    values: np.ndarray[Any, Any], compression: str, reversed_columns: bool
) -> None:
    given_columns = {name: pa.array(values[:, n]) for n, name in enumerate(FEATURE_NAMES)}
    given_columns["transaction_id"] = pa.array(range(len(values)))
    if reversed_columns:
        given_columns = dict(reversed(given_columns.items()))
    rows = rows_of_parquet(written(given_columns, compression=compression))
    assert rows.values.tobytes() == values.tobytes()
    assert rows.ids == list(range(len(values)))


@pytest.mark.parametrize("kind", [pa.int8(), pa.int64(), pa.uint64(), pa.float16(), pa.float64()])
def test_numbers_of_any_type_are_read(kind: pa.DataType) -> None:
    body = written(columns(amount_minor=pa.array([1, 2, 3]).cast(pa.float32()).cast(kind)))
    assert rows_of_parquet(body).values[:, 0].tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"is_fraud": [0, 0, 1]}, "columns must be among transaction_id, amount_minor"),
        ({"amount_minor": ["a", "b", "c"]}, "column amount_minor must be of numbers, got string"),
        ({"amount_minor": [[1], [2], [3]]}, "column amount_minor must be of numbers, got list"),
        ({"amount_minor": [1, None, 3]}, "row 2 amount_minor must be a finite number, got null"),
        ({"is_night": [1.0, 2.0, float("nan")]}, "row 3 is_night must be a finite number"),
        ({"is_night": [1.0, float("inf"), 1.0]}, "row 2 is_night must be a finite number"),
        ({"is_night": [1.0, 1e39, 1.0]}, "row 2 is_night must be a finite number, got '1e+39'"),
        ({"transaction_id": ["1", "2", "3"]}, "column transaction_id must be of integers"),
        ({"transaction_id": [1, 2, None]}, "row 3 transaction_id must be an integer, got null"),
        ({"transaction_id": [1, -2, 3]}, "transaction_id must be between 0 and"),
        ({"transaction_id": [2**63, 1, 1]}, "transaction_id must be between 0 and"),
    ],
)
def test_a_broken_column_is_named_with_the_rule(changes: dict[str, Any], reason: str) -> None:
    arrays = {
        name: pa.array(values, pa.uint64() if 2**63 in values else None)
        for name, values in changes.items()
    }
    refused = refusal(written(columns(**arrays)))
    assert (refused.status, reason in refused.reason) == (400, True), refused.reason


def test_a_missing_column_is_named() -> None:
    some = columns()
    del some["is_weekend"]
    assert refusal(written(some)).reason.endswith("got no is_weekend")


def test_a_column_given_twice_is_refused() -> None:
    names = [*FEATURE_NAMES, "is_night"]
    table = pa.table([pa.array([1.0])] * len(names), names=names)
    sink = io.BytesIO()
    pq.write_table(table, sink)
    assert refusal(sink.getvalue()).reason == "columns must be given once, got one repeated"


def test_rows_of_another_schema_version_are_refused() -> None:
    table = pa.table(columns()).replace_schema_metadata({"feature_schema_version": "v0"})
    sink = io.BytesIO()
    pq.write_table(table, sink)
    assert refusal(sink.getvalue()).reason.startswith("feature_schema_version must be v")


def test_no_rows_are_refused() -> None:
    assert refusal(written(columns(rows=0))).reason == "body must hold at least one row, got none"


@pytest.mark.parametrize("compression", ["gzip", "zstd", "brotli", "lz4"])
def test_a_codec_that_makes_much_of_little_is_refused(compression: str) -> None:
    reason = refusal(written(columns(), compression=compression)).reason
    assert reason.startswith("compression must be none or SNAPPY, got")


def test_a_small_file_of_too_many_rows_is_refused_unread() -> None:
    body = written(columns(rows=1_000_001))
    assert len(body) < 100_000
    tracemalloc.start()
    refused = refusal(body)
    used = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert refused.status == 413
    assert refused.reason == "body must have at most 1000000 rows, got 1000001"
    assert used + pa.default_memory_pool().bytes_allocated() < 50_000_000


def test_a_file_that_claims_to_unpack_to_too_much_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parquet, "MOST_BYTES", 1_000)
    refused = refusal(written(columns(rows=50), use_dictionary=False))
    assert refused.status == 413
    assert refused.reason.startswith("body must unpack to at most 1000 bytes, got")


GOOD = written(columns(rows=50), use_dictionary=False)


@pytest.fixture(scope="module")
def reader() -> Iterator[IsolatedReader]:
    reader = IsolatedReader()
    yield reader
    reader.close()


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255), st.integers(0, len(GOOD)))
@settings(deadline=None, max_examples=60)
def test_a_damaged_file_is_read_or_refused(
    reader: IsolatedReader, place: int, byte: int, length: int
) -> None:
    for body in (GOOD[:place] + bytes([byte]) + GOOD[place + 1 :], GOOD[:length]):
        try:
            rows = reader.read(body)
        except RequestError as refused:
            assert refused.reason.isascii()
            json.dumps(refused.reason)
        else:
            assert np.isfinite(rows.values).all()


def test_a_reader_that_dies_is_replaced(reader: IsolatedReader) -> None:
    expected = reader.read(GOOD).values.tobytes()
    process = reader._process
    assert process is not None
    process.kill()
    process.wait()
    assert reader.read(GOOD).values.tobytes() == expected


def test_a_file_that_ends_its_reader_is_refused(
    reader: IsolatedReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whatever ends it, a broken footer or the time that a body may take.
    monkeypatch.setattr(isolation, "SECONDS_TO_READ", 0.0)
    many = written(columns(rows=500_000), use_dictionary=False)
    assert reason_of(reader, many) == "body must be a Parquet file, got one that breaks"
    monkeypatch.undo()
    assert len(reader.read(GOOD)) == 50


def test_a_file_that_unpacks_to_too_much_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALLOC_ARENA_MAX", "1")
    bomb = written(columns(rows=1_000_000))
    program = (
        "import sys; from pipeline_code.serve import isolation; "
        "isolation.MOST_MEMORY = 60 * 1024**2; isolation.main()"
    )
    monkeypatch.setattr(isolation, "PROGRAM", ["-c", program])
    small = IsolatedReader()
    assert reason_of(small, bomb).startswith("body must be a Parquet file, got one that")
    assert len(small.read(GOOD)) == 50
    small.close()


def reason_of(reader: IsolatedReader, body: bytes) -> str:
    with pytest.raises(RequestError) as caught:
        reader.read(body)
    return caught.value.reason


@given(st.binary(max_size=200))
def test_other_bytes_are_refused(body: bytes) -> None:
    for each in (body, b"PAR1" + body + b"PAR1"):
        assert refusal(each).reason.startswith("body must be a Parquet file")
