import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow.parquet as pq
import pytest

from local_aws.firehose.conversion import ConversionError, Converter
from local_aws.firehose.prefixes import Keys, PrefixError, evaluate, format_time
from local_aws.firehose.queries import Query, QueryError
from local_aws.firehose.schema import Conversion
from local_aws.firehose.values import UnsupportedTypeError, strptime_format

MOMENT = datetime(2025, 3, 9, 8, 7, 6, 123456, tzinfo=UTC)
SECONDS = datetime(2018, 2, 7, 23, 5, 28)


def converter(kind: str, **options: Any) -> Converter:
    columns = [{"Name": "value", "Type": kind}, {"Name": "other", "Type": "string"}]
    conversion = Conversion(database="d", table="t", role="r", **options)
    return Converter(conversion, {"StorageDescriptor": {"Columns": columns}})


@pytest.mark.parametrize(
    ("kind", "value", "read"),
    [
        ("tinyint", 127, 127),
        ("smallint", "-32768", -32768),
        ("int", 5, 5),
        ("bigint", 2**63 - 1, 2**63 - 1),
        ("double", 0.1, 0.1),
        ("double", "1e3", 1000.0),
        ("float", 1, 1.0),
        ("decimal(10,2)", "12.345", Decimal("12.35")),
        ("decimal(20,2)", 100000000000000000, Decimal("100000000000000000.00")),
        ("string", 7, "7"),
        ("string", {"a": [1, None]}, '{"a":[1,null]}'),
        ("string", True, "true"),
        ("boolean", "TRUE", True),
        ("date", "2025-03-09", date(2025, 3, 9)),
        ("timestamp", "2025-03-09 08:07:06.123456", MOMENT.replace(tzinfo=None)),
        ("timestamp", "2025-03-09T08:07:06.123456Z", MOMENT.replace(tzinfo=None)),
        ("timestamp", "2025-03-09T09:37:06.123456+01:30", MOMENT.replace(tzinfo=None)),
        ("timestamp", "2018-2-7 23:05:28", SECONDS),
        ("timestamp", 1518044728, SECONDS),
        ("timestamp", 1518044728000, SECONDS),
        ("timestamp", "1518044728.5", SECONDS.replace(microsecond=500000)),
        ("bigint", None, None),
    ],
)
def test_a_value_is_read_as_its_column(kind: str, value: object, read: object) -> None:
    made = converter(kind)
    (row,) = made.rows(json.dumps({"VALUE": value}).encode())
    assert row == {"value": read, "other": None}
    written = pq.read_table(io.BytesIO(made.write([row]))).to_pylist()
    assert written == [row]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("tinyint", 128),
        ("int", 1.5),
        ("int", "x"),
        ("bigint", 2**63),
        ("bigint", True),
        ("double", {}),
        ("decimal(4,2)", 100),
        ("decimal(4,2)", "NaN"),
        ("boolean", 1),
        ("date", "yesterday"),
        ("timestamp", "2025-13-01 00:00:00"),
        ("timestamp", "08:00"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(kind: str, value: object) -> None:
    with pytest.raises(ConversionError, match="column value cannot hold") as refused:
        converter(kind).rows(json.dumps({"value": value}).encode())
    assert refused.value.code == "DataFormatConversion.MalformedData"


def test_exact_numbers_stay_exact() -> None:
    (row,) = converter("decimal(30,10)").rows(b'{"value": 12345678901234567890.0123456789}')
    assert row["value"] == Decimal("12345678901234567890.0123456789")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "MalformedData"),
        (b"  \n", "MalformedData"),
        (b"[1]", "MalformedData"),
        (b"7", "MalformedData"),
        (b'{"value": 1', "ParseError"),
        (b"\xff", "ParseError"),
        (b'{"value": NaN}', "ParseError"),
        (b'{"value": 1e999999999}', "MalformedData"),
    ],
)
def test_what_is_no_object_is_refused(data: bytes, code: str) -> None:
    with pytest.raises(ConversionError) as refused:
        converter("int").rows(data)
    assert refused.value.code == f"DataFormatConversion.{code}"


def test_a_record_may_hold_several_objects() -> None:
    found = converter("int").rows(b'{"value": 1}{"value": 2}\n {"value": 3}\n')
    assert [row["value"] for row in found] == [1, 2, 3]


def test_the_serdes_options() -> None:
    sensitive = converter("int", case_sensitive=True)
    assert sensitive.rows(b'{"Value": 1}')[0]["value"] is None
    mapped = converter("int", fields={"value": "V.x"}, dots=False)
    assert mapped.rows(b'{"v.X": 1}')[0]["value"] == 1
    dots = converter("int", fields={"value": "v_x"}, dots=True)
    assert dots.rows(b'{"v.x": 1}')[0]["value"] == 1
    formats = converter("timestamp", formats=("millis", "dd/MM/yyyy HH:mm"))
    assert formats.rows(b'{"value": 1518044728000}')[0]["value"] == SECONDS
    assert formats.rows(b'{"value": "07/02/2018 23:05"}')[0]["value"] == SECONDS.replace(second=0)


def test_timestamps_are_int96_as_firehoses() -> None:
    made = converter("timestamp")
    file = pq.ParquetFile(io.BytesIO(made.write(made.rows(b'{"value": 0}'))))
    assert file.schema.column(0).physical_type == "INT96"


def test_a_missing_table_and_an_unknown_type_are_said() -> None:
    conversion = Conversion(database="d", table="t", role="r")
    with pytest.raises(ConversionError, match=r"d\.t could not be found"):
        Converter(conversion, None)
    with pytest.raises(ConversionError, match="array<int> is not supported"):
        converter("array<int>")
    with pytest.raises(UnsupportedTypeError, match="EEE"):
        strptime_format("EEE dd")


@pytest.mark.parametrize(
    ("prefix", "evaluated"),
    [
        ("raw/", "raw/2025/03/09/08/"),
        ("y=!{timestamp:yyyy}/d=!{timestamp:D}/", "y=2025/d=68/"),
        ("!{timestamp:'at' HH''mm ss.SSS yy M MMM}/", "at 08'07 06.123 25 3 Mar/"),
        ("!{partitionKeyFromLambda:day}/!{partitionKeyFromQuery:id}/", "2025-03-12/7/"),
        ("!{firehose:error-output-type}/", "processing-failed/2025/03/09/08/"),
    ],
)
def test_a_prefix_is_evaluated(prefix: str, evaluated: str) -> None:
    keys = Keys(function={"day": "2025-03-12"}, query={"id": "7"})
    assert evaluate(prefix, MOMENT, keys, "processing-failed") == evaluated


def test_each_random_string_is_another() -> None:
    texts = {evaluate("!{firehose:random-string}", MOMENT, Keys()) for _ in range(5)}
    assert len(texts) == 5
    assert {text.removesuffix("2025/03/09/08/") for text in texts} != texts


def test_a_prefix_without_its_key_or_with_an_unknown_letter_is_refused() -> None:
    with pytest.raises(PrefixError, match="no partition key day"):
        evaluate("!{partitionKeyFromLambda:day}/", MOMENT, Keys(function={"day": ""}))
    with pytest.raises(PrefixError, match="letter w"):
        format_time("ww", MOMENT)


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ("{a: .x}", {"a": "text"}),
        ("{ x , b : .list[1].y }", {"x": "text", "b": "3"}),
        ('{"a": .["odd key"], b: .n|tostring}', {"a": "odd", "b": "1.5"}),
        ("{d: .x[1:3], e: .x[:-1], f: .list[-1].y}", {"d": "ex", "e": "tex", "f": "3"}),
        ('{y: .seconds | strftime("%Y")}', {"y": "2018"}),
        ("{u: .x | ascii_upcase}", {"u": "TEXT"}),
    ],
)
def test_a_query_gives_keys(query: str, keys: dict[str, str]) -> None:
    document = {"x": "text", "list": [1, {"y": 3}], "odd key": "odd", "n": 1.5}
    assert Query.parse(query).keys_of({**document, "seconds": 1518044728}) == keys


@pytest.mark.parametrize(
    "query", ["", ".x", "{a: .x | test}", "{a: 1}", "{a: .x b: .y}", "{a: .x | strftime}", "{a:}"]
)
def test_an_unsupported_query_is_refused(query: str) -> None:
    with pytest.raises(QueryError, match="does not support the JQ query"):
        Query.parse(query)


@pytest.mark.parametrize("document", [{}, {"x": None}, {"x": {"y": 1}}, [], "text"])
def test_a_document_without_a_key_is_refused(document: object) -> None:
    with pytest.raises(QueryError, match="partition key a"):
        Query.parse("{a: .x}").keys_of(document)
