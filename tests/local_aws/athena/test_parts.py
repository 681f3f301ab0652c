"""The parts of the SQL engine that need no server."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local_aws.athena.projection import Projection, ProjectionError
from local_aws.athena.pruning import Condition, conditions
from local_aws.athena.results import text
from local_aws.athena.sources import lowered
from local_aws.athena.translation import parse
from local_aws.athena.types import duckdb_type, hive_type

SCALARS = st.sampled_from(
    ["string", "tinyint", "int", "bigint", "double", "boolean", "timestamp", "date", "decimal(9,2)"]
)
HIVE_TYPES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        inner.map("array<{}>".format),
        st.lists(inner, min_size=1, max_size=3).map(
            lambda kinds: f"struct<{','.join(f'f{i}:{k}' for i, k in enumerate(kinds))}>"
        ),
        inner.map("map<string,{}>".format),
    ),
    max_leaves=4,
)


@settings(deadline=None, max_examples=40)
@given(HIVE_TYPES)
def test_a_catalog_type_survives_duckdb(hive: str) -> None:
    with duckdb.connect() as database:
        column = database.execute(f"select null::{duckdb_type(hive)} as c").description[0]
    assert hive_type(str(column[1])) == hive


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("day = '2018-04-01'", [Condition("day", "=", ("2018-04-01",))]),
        ("'2018-04-01' < t.day", [Condition("day", ">", ("2018-04-01",))]),
        ("day >= date '2018-04-01' and amount > 5", [Condition("day", ">=", ("2018-04-01",))]),
        (
            "day between '1' and '2' and (day in ('1', '2'))",
            [
                Condition("day", ">=", ("1",)),
                Condition("day", "<=", ("2",)),
                Condition("day", "=", ("1", "2")),
            ],
        ),
        ("day = '1' or amount = 1", []),
        ("not day = '1'", []),
        ("other.day = '1'", []),
        ("day = amount", []),
        ("day in ('1', amount)", []),
    ],
)
def test_only_what_every_row_must_satisfy_prunes(where: str, expected: list[Condition]) -> None:
    select = parse(f"select * from transactions t where {where}")  # noqa: S608
    assert conditions(select, "t", ["day"]) == expected


@pytest.mark.parametrize(
    ("condition", "value", "kind", "holds"),
    [
        (Condition("n", "<", ("10",)), "9", "int", True),
        (Condition("n", "<", ("10",)), "9", "string", False),
        (Condition("n", "=", ("x",)), "9", "int", True),
    ],
)
def test_values_compare_by_the_columns_type(
    condition: Condition, value: str, kind: str, holds: bool
) -> None:
    assert condition.holds(value, kind) is holds


def projection(properties: Mapping[str, str]) -> Projection:
    named = {f"projection.part.{name}": value for name, value in properties.items()}
    return Projection("s3://b/x/${part}/", named, ["part"])


@pytest.mark.parametrize(
    ("properties", "inside", "outside"),
    [
        ({"type": "enum", "values": "red, blue"}, ["red", "blue"], ["green"]),
        ({"type": "integer", "range": "-1,12"}, ["-1", "12"], ["13"]),
        (
            {"type": "date", "format": "yyyy-MM-dd", "range": "2018-01-01,2018-12-31"},
            ["2018-01-01", "2018-12-31"],
            ["2017-12-31", "2019-01-01"],
        ),
        (
            {"type": "date", "format": "yyyy/MM/dd/HH", "range": "2018/01/01/00,NOW+1HOURS"},
            ["2018/01/01/00", f"{datetime.now(UTC):%Y/%m/%d/%H}"],
            ["2017/12/31/23", f"{datetime.now(UTC) + timedelta(days=1):%Y/%m/%d/%H}"],
        ),
        (
            {"type": "date", "format": "'d'yyyyMMdd", "range": "NOW-3DAYS,NOW"},
            [f"{datetime.now(UTC) - timedelta(days=2):d%Y%m%d}"],
            [f"{datetime.now(UTC) - timedelta(days=5):d%Y%m%d}"],
        ),
    ],
)
def test_a_projection_has_the_values_of_its_range(
    properties: Mapping[str, str], inside: list[str], outside: list[str]
) -> None:
    found = projection(properties)
    for value in [*inside, *outside]:
        matched = found.matcher().match(f"s3://b/x/{value}/part-0.parquet")
        assert matched is not None
        assert matched["part"] == value
    assert [found.allows("part", value) for value in inside] == [True] * len(inside)
    assert [found.allows("part", value) for value in outside] == [False] * len(outside)


def test_an_injected_column_must_be_asked_for() -> None:
    found = projection({"type": "injected"})
    found.check([Condition("part", "=", ("a",))])
    with pytest.raises(ProjectionError, match="injected projected partition column part"):
        found.check([Condition("part", ">", ("a",))])


@pytest.mark.parametrize(
    "properties",
    [{}, {"type": "hash"}, {"type": "integer"}, {"type": "date", "format": "EEE", "range": "a,b"}],
)
def test_incomplete_projections_are_named(properties: Mapping[str, str]) -> None:
    with pytest.raises(ProjectionError, match=r"projection\.part|pattern"):
        projection(properties).matcher()
        projection(properties).allows("part", "1")


def test_struct_names_lose_their_case_but_map_keys_and_text_do_not() -> None:
    hive = "struct<outer:struct<data:string>,tags:map<string,string>,list:array<struct<a:int>>>"
    document = {"Outer": {"DATA": '{"Key": 1}'}, "tags": {"Key": "v"}, "list": [{"A": 1}]}
    assert lowered(document, hive) == {
        "outer": {"data": '{"Key": 1}'},
        "tags": {"Key": "v"},
        "list": [{"a": 1}],
    }


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, "true"),
        (1.5, "1.5"),
        (1e9, "1.0E9"),
        (1.25e-5, "1.25E-5"),
        (float("nan"), "NaN"),
        (datetime(2018, 4, 1, 0, 0, 31), "2018-04-01 00:00:31.000"),
        (datetime(2018, 4, 1, tzinfo=UTC), "2018-04-01 00:00:00.000 UTC"),
        ({"a": 1, "b": None}, "{a=1, b=null}"),
        ([1, None], "[1, null]"),
    ],
)
def test_cells_are_written_as_athena_writes_them(value: object, expected: str | None) -> None:
    assert text(value) == expected
