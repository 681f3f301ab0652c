# ruff: noqa: S608 - the statements are the tests'
"""Queries by a real client, over the tables that the data lake defines."""

import json
import re
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

Client = Callable[[str], Any]
DAYS = ("2018-04-01", "2018-04-02", "2018-04-03")


class Lake:
    """A database with a bucket and a workgroup."""

    def __init__(self, client: Client) -> None:
        self._client = client
        name = uuid.uuid4().hex[:8]
        self.database, self.bucket, self.workgroup = f"db_{name}", f"lake-{name}", f"wg-{name}"
        client("s3").create_bucket(Bucket=self.bucket)
        client("glue").create_database(DatabaseInput={"Name": self.database})
        client("athena").create_work_group(
            Name=self.workgroup,
            Configuration={
                "EnforceWorkGroupConfiguration": True,
                "BytesScannedCutoffPerQuery": 10_000_000,
                "ResultConfiguration": {"OutputLocation": f"s3://{self.bucket}/results"},
            },
        )

    def put(self, key: str, body: bytes) -> None:
        self._client("s3").put_object(Bucket=self.bucket, Key=key, Body=body)

    def put_parquet(self, key: str, table: pa.Table) -> None:
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink)
        self.put(key, sink.getvalue().to_pybytes())

    def create_table(self, name: str, columns: str, keys: str, serde: str, **more: str) -> None:
        """A Glue table; `columns` and `keys` are written as `name:type name:type`."""

        def described(text: str) -> list[dict[str, str]]:
            parts = (column.split(":", 1) for column in text.split())
            return [{"Name": column, "Type": kind} for column, kind in parts]

        self._client("glue").create_table(
            DatabaseName=self.database,
            TableInput={
                "Name": name,
                "TableType": "EXTERNAL_TABLE",
                "PartitionKeys": described(keys),
                "Parameters": {key.replace("__", "."): value for key, value in more.items()},
                "StorageDescriptor": {
                    "Columns": described(columns),
                    "Location": f"s3://{self.bucket}/{name}/",
                    "SerdeInfo": {"SerializationLibrary": serde},
                },
            },
        )

    def execution(self, sql: str, *parameters: str) -> dict[str, Any]:
        athena = self._client("athena")
        extra = {"ExecutionParameters": list(parameters)} if parameters else {}
        query = athena.start_query_execution(
            QueryString=sql,
            WorkGroup=self.workgroup,
            QueryExecutionContext={"Database": self.database},
            **extra,
        )["QueryExecutionId"]
        while True:
            found = athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]
            if found["Status"]["State"] not in ("QUEUED", "RUNNING"):
                return dict(found)
            time.sleep(0.02)

    def rows(self, sql: str, *parameters: str) -> list[list[str | None]]:
        done = self.execution(sql, *parameters)
        assert done["Status"]["State"] == "SUCCEEDED", done["Status"]["StateChangeReason"]
        answer = self._client("athena").get_query_results(QueryExecutionId=done["QueryExecutionId"])
        rows = [[c.get("VarCharValue") for c in r["Data"]] for r in answer["ResultSet"]["Rows"]]
        return rows[1:] if done["StatementType"] == "DML" else rows

    def failure(self, sql: str) -> str:
        done = self.execution(sql)
        assert done["Status"]["State"] == "FAILED"
        return str(done["Status"]["StateChangeReason"])


PARQUET = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
JSON = "org.openx.data.jsonserde.JsonSerDe"
LAZY = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"


def transactions(first_id: int, day: str) -> pa.Table:
    start = datetime.fromisoformat(day).replace(tzinfo=UTC)
    return pa.table(
        {
            "transaction_id": pa.array(range(first_id, first_id + 10), pa.int64()),
            "event_time": pa.array(
                [start + timedelta(hours=i) for i in range(10)], pa.timestamp("us", "UTC")
            ),
            "amount_minor": pa.array([100 * (first_id + i) for i in range(10)], pa.int64()),
        }
    )


@pytest.fixture(scope="module")
def lake(client: Client) -> Lake:
    lake = Lake(client)
    lake.create_table(
        "transactions",
        "transaction_id:bigint event_time:timestamp amount_minor:bigint not_yet_written:double",
        "event_date:string",
        PARQUET,
        projection__enabled="true",
        projection__event_date__type="date",
        projection__event_date__format="yyyy-MM-dd",
        projection__event_date__range="2018-01-01,2018-12-31",
        storage__location__template=f"s3://{lake.bucket}/transactions/event_date=${{event_date}}/",
    )
    for index, day in enumerate(DAYS):
        table = transactions(10 * index, day)
        lake.put_parquet(f"transactions/event_date={day}/part-0.parquet", table)
    lake.put_parquet("transactions/event_date=2030-01-01/x.parquet", transactions(90, "2030-01-01"))
    lake.put("transactions/event_date=2018-04-01/_SUCCESS", b"not parquet")
    return lake


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select count(*) from transactions", [["30"]]),
        ("select count(*) from transactions where event_date = '2018-04-02'", [["10"]]),
        (
            "select event_date, sum(amount_minor) / 100 as total from transactions "
            "group by event_date order by 1",
            [["2018-04-01", "45"], ["2018-04-02", "145"], ["2018-04-03", "245"]],
        ),
        (
            "select transaction_id, event_time, not_yet_written from transactions "
            "where transaction_id = 10",
            [["10", "2018-04-02 00:00:00.000", None]],
        ),
        ("select 7 / 2, 7.0 / 2, date_diff('day', date '2018-04-01', date '2018-04-03')", None),
        (
            "select date_format(event_time, '%Y/%m'), to_unixtime(event_time) from transactions "
            "where transaction_id = 0",
            [["2018/04", "1.5225408E9"]],
        ),
        (
            "with daily as (select event_date d, max(amount_minor) m from transactions group by 1) "
            "select a.d, b.m from daily a join daily b on a.d = b.d where a.d > '2018-04-02'",
            [["2018-04-03", "2900"]],
        ),
        (
            "select approx_percentile(amount_minor, 0.5) >= 1400, "
            "count_if(amount_minor > 2000), max_by(transaction_id, amount_minor), "
            "regexp_like(event_date, '^2018') from transactions group by 4",
            [["true", "9", "29", "true"]],
        ),
        (
            "select transaction_id, row_number() over (order by amount_minor desc) from "
            "transactions order by 2 limit 1",
            [["29", "1"]],
        ),
        ("select json_extract_scalar('{\"a\": {\"b\": 5}}', '$.a.b')", [["5"]]),
        ("select x from unnest(array[1, 2]) as t(x) order by x", [["1"], ["2"]]),
        ("select try_cast('x' as double), if(1 > 2, 'a', 'b'), typeof(1)", None),
        ("(select 1 as a) union all (select 2) order by a", [["1"], ["2"]]),
    ],
)
def test_athena_sql(lake: Lake, sql: str, expected: list[list[str | None]] | None) -> None:
    rows = lake.rows(sql)
    if expected is not None:
        assert rows == expected
    else:
        assert rows


def test_division_is_of_integers_only_between_integers(lake: Lake) -> None:
    assert lake.rows("select 7 / 2, 7.0 / 2") == [["3", "3.5"]]


def test_only_wanted_partitions_are_read(lake: Lake) -> None:
    def scanned(where: str) -> int:
        done = lake.execution(f"select count(*) from transactions t where {where}")
        return int(done["Statistics"]["DataScannedInBytes"])

    one_day = scanned("event_date = '2018-04-02'")
    assert one_day > 0
    assert scanned("true") > 2 * one_day
    assert scanned("t.event_date between '2018-04-02' and '2018-04-03'") < scanned("true")
    assert scanned("event_date = '2018-05-01'") == 0


def test_unnamed_columns_get_athenas_names_and_types(lake: Lake, client: Client) -> None:
    done = lake.execution(
        "select Amount_Minor, count(*), *, avg(amount_minor) from transactions group by 1,3,4,5,6,7"
    )
    answer = client("athena").get_query_results(QueryExecutionId=done["QueryExecutionId"])
    info = answer["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
    assert [(c["Name"], c["Type"]) for c in info] == [
        ("amount_minor", "bigint"),
        ("_col1", "bigint"),
        ("transaction_id", "bigint"),
        ("event_time", "timestamp"),
        ("amount_minor", "bigint"),
        ("not_yet_written", "double"),
        ("event_date", "varchar"),
        ("_col7", "double"),
    ]


def test_results_are_where_the_execution_says(lake: Lake, client: Client) -> None:
    done = lake.execution("select 'a' as letter, null as nothing")
    location = done["ResultConfiguration"]["OutputLocation"]
    assert location == f"s3://{lake.bucket}/results/{done['QueryExecutionId']}.csv"
    key = location.removeprefix(f"s3://{lake.bucket}/")
    body = client("s3").get_object(Bucket=lake.bucket, Key=key)["Body"].read()
    assert body == b'"letter","nothing"\n"a",\n'


def test_captures_are_read_by_the_catalogs_names(lake: Lake) -> None:
    lake.create_table(
        "captures",
        "capturedata:struct<endpointinput:struct<data:string,mode:string>> "
        "eventmetadata:struct<inferenceid:string>",
        "captured_hour:string",
        JSON,
        projection__enabled="true",
        projection__captured_hour__type="date",
        projection__captured_hour__format="yyyy/MM/dd/HH",
        projection__captured_hour__range="2018/01/01/00,NOW+1HOURS",
        storage__location__template=f"s3://{lake.bucket}/captures/fraud/primary/${{captured_hour}}/",
    )
    record = {
        "captureData": {"endpointInput": {"mode": "INPUT", "data": '{"Amount": 5}', "extra": 1}},
        "eventMetadata": {"inferenceId": "17"},
    }
    line = json.dumps(record).encode()
    lake.put("captures/fraud/primary/2018/04/01/07/03-12-001-a.jsonl", line + b"\n" + line)
    assert lake.rows(
        "select captured_hour, eventmetadata.inferenceid, count(*), "
        "json_extract_scalar(min(capturedata.endpointinput.data), '$.Amount') from captures "
        "where captured_hour >= '2018/04/01/00' group by 1, 2"
    ) == [["2018/04/01/07", "17", "2", "5"]]


def test_text_tables(lake: Lake) -> None:
    statement = f"""CREATE EXTERNAL TABLE csv_rows (id int, name string)
        ROW FORMAT DELIMITED FIELDS TERMINATED BY ','
        LOCATION 's3://{lake.bucket}/csv_rows/' TBLPROPERTIES ('skip.header.line.count'='1')"""
    lake.rows(statement)
    lake.put("csv_rows/a.csv", b"id,name\n1,ann\n2,\n")
    assert lake.rows("select name, id from csv_rows order by id") == [["ann", "1"], ["", "2"]]


def test_tables_made_by_queries(lake: Lake) -> None:
    lake.rows(
        f"""create table daily with (format = 'PARQUET', partitioned_by = array['event_date'],
        external_location = 's3://{lake.bucket}/daily/') as
        select count(*) as n, event_date from transactions group by event_date"""
    )
    assert lake.rows("show partitions daily") == [[f"event_date={day}"] for day in DAYS]
    assert lake.rows("select n, event_date from daily where event_date < '2018-04-02'") == [
        ["10", "2018-04-01"]
    ]
    assert lake.rows("insert into daily values (3, '2018-04-09')") == [["1"]]
    assert lake.rows("select sum(n) from daily") == [["33"]]
    lake.rows("drop table daily")
    assert "TABLE_NOT_FOUND" in lake.failure("select * from daily")


def test_views(lake: Lake) -> None:
    lake.rows("create view big as select * from transactions where amount_minor > 1000")
    lake.rows("create or replace view bigger as select b.* from big b where amount_minor > 2000")
    assert lake.rows("select count(*) from bigger") == [["9"]]
    assert lake.rows("show views") == [["big"], ["bigger"]]
    assert "already exists" in lake.failure("create view big as select 1 as a")
    lake.rows("drop view bigger")
    lake.rows("drop view big")


def test_unload(lake: Lake, client: Client) -> None:
    to = f"s3://{lake.bucket}/unloaded/"
    sql = f"unload (select * from transactions) to '{to}' with (format = 'PARQUET')"
    assert lake.rows(sql) == []
    listed = client("s3").list_objects_v2(Bucket=lake.bucket, Prefix="unloaded/")["Contents"]
    body = client("s3").get_object(Bucket=lake.bucket, Key=listed[0]["Key"])["Body"].read()
    assert pq.read_table(pa.BufferReader(body)).num_rows == 30
    assert "HIVE_PATH_ALREADY_EXISTS" in lake.failure(sql)


def test_registered_partitions(lake: Lake) -> None:
    lake.create_table("plain", "transaction_id:bigint", "day:string hour:int", PARQUET)
    for hour in (3, 11):
        lake.put_parquet(f"plain/day=a/hour={hour}/x", transactions(hour, DAYS[0]))
    assert lake.rows("select count(*) from plain") == [["0"]]
    lake.rows("msck repair table plain")
    assert lake.rows("select hour, count(*) from plain where hour < 9 group by 1") == [["3", "10"]]
    location = f"s3://{lake.bucket}/transactions/event_date=2018-04-01/"
    lake.rows(f"alter table plain add partition (day = 'b', hour = 1) location '{location}'")
    assert lake.rows("select count(*) from plain where day = 'b'") == [["10"]]
    lake.rows("alter table plain drop partition (day = 'b', hour = 1)")
    assert lake.rows("show partitions plain") == [["day=a/hour=11"], ["day=a/hour=3"]]


def test_statements_about_the_catalog(lake: Lake) -> None:
    assert ["transactions"] in lake.rows("show tables")
    assert lake.rows("show tables 'trans*'") == [["transactions"]]
    assert [lake.database] in lake.rows("show databases")
    assert lake.rows("describe transactions")[-1] == ["event_date", "string", ""]
    created = lake.rows("show create table transactions")
    assert any("projection.event_date.type" in str(row[0]) for row in created)
    lake.rows("create database if not exists other")
    lake.rows("drop database other")


def test_parameters_and_prepared_statements(lake: Lake) -> None:
    sql = "select count(*) from transactions where event_date = ? and amount_minor > ?"
    assert lake.rows(sql, "'2018-04-03'", "2500") == [["4"]]
    lake.rows(f"prepare counted from {sql}")
    assert lake.rows("execute counted using '2018-04-03', 2500") == [["4"]]
    lake.rows("deallocate prepare counted")
    assert "NOT_FOUND" in lake.failure("execute counted using 'x', 1")
    assert "expected 2" in lake.failure("select ? + ?")


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("select * from absent", "TABLE_NOT_FOUND"),
        ("select absent from transactions", "COLUMN_NOT_FOUND"),
        ("select from where", "SYNTAX_ERROR"),
        ("select 1; select 2", "Only one sql statement"),
        ("delete from transactions", "does not execute DELETE"),
        ("create table t as select 1", "MISSING_COLUMN_NAME"),
        ("select * from read_text('/etc/hostname')", "[Pp]ermission"),
    ],
)
def test_what_cannot_be_executed_fails_with_its_reason(lake: Lake, sql: str, reason: str) -> None:
    found = lake.failure(sql)
    assert re.search(reason, found), found


def test_a_workgroup_limits_what_a_query_reads(lake: Lake, client: Client) -> None:
    lake.create_table("large", "transaction_id:bigint", "", PARQUET)
    lake.put("large/x", bytes(11_000_000))
    done = lake.execution("select count(*) from large")
    assert done["Status"]["State"] == "CANCELLED"
    assert "Bytes scanned limit was exceeded" in done["Status"]["StateChangeReason"]
