"""What a statement takes of the catalog, besides Athena's own permissions.

Athena User Guide, "Fine-grained access to databases and tables in the AWS Glue Data Catalog": the
default database always, and each action on the resource and all of its ancestors.
"""

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest

Client = Callable[[str], Any]
Run = Callable[..., dict[str, Any]]
BASIC = ("athena:*", "s3:*", "glue:GetDatabase")


@pytest.fixture(scope="module")
def lake(session: Any) -> str:
    """The name of a bucket, of a database and of its table `t`."""
    name = f"lake{uuid.uuid4().hex[:8]}"
    session.client("s3").create_bucket(Bucket=name)
    glue = session.client("glue")
    glue.create_database(DatabaseInput={"Name": name})
    columns = {
        "Columns": [{"Name": "a", "Type": "string"}],
        "Location": f"s3://{name}/t/",
        "SerdeInfo": {"SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe"},
    }
    keys = [{"Name": "day", "Type": "string"}]
    table = {"Name": "t", "PartitionKeys": keys, "StorageDescriptor": columns}
    glue.create_table(DatabaseName=name, TableInput=table | {"TableType": "EXTERNAL_TABLE"})
    return name


@pytest.fixture
def run(session: Any, lake: str) -> Run:
    """run(sql, "glue:GetTable"): how a statement ends of who may do only that, on everything."""

    def execute(sql: str, *actions: str) -> dict[str, Any]:
        iam, name = session.client("iam"), f"test-{uuid.uuid4().hex[:8]}"
        iam.create_user(UserName=name)
        statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=policy)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        athena = session.client(
            "athena",
            aws_access_key_id=key["AccessKeyId"],
            aws_secret_access_key=key["SecretAccessKey"],
        )
        started = athena.start_query_execution(
            QueryString=sql.format(lake=lake),
            QueryExecutionContext={"Database": lake},
            ResultConfiguration={"OutputLocation": f"s3://{lake}/results/"},
        )["QueryExecutionId"]
        while True:
            found = athena.get_query_execution(QueryExecutionId=started)["QueryExecution"]["Status"]
            if found["State"] in ("SUCCEEDED", "FAILED"):
                return dict(found)
            time.sleep(0.05)

    return execute


@pytest.mark.parametrize(
    ("sql", "allowed", "denied"),
    [
        ("SELECT 1", ("athena:*", "s3:*"), "glue:GetDatabase"),
        ("SELECT a FROM t", BASIC, "glue:GetTable"),
        ("SHOW DATABASES", BASIC, "glue:GetDatabases"),
        ("SHOW TABLES", BASIC, "glue:GetTables"),
        ("CREATE DATABASE {lake}_new", BASIC, "glue:CreateDatabase"),
        ("DROP DATABASE {lake} CASCADE", (*BASIC, "glue:GetTables"), "glue:DeleteDatabase"),
        ("CREATE TABLE new AS SELECT 1 one", BASIC, "glue:CreateTable"),
        ("CREATE VIEW v AS SELECT 1 one", BASIC, "glue:CreateTable"),
        (
            "ALTER TABLE t ADD PARTITION (day='1')",
            (*BASIC, "glue:GetTable", "glue:GetPartitions"),
            "glue:BatchCreatePartition",
        ),
    ],
)
def test_a_statement_takes_its_actions_of_the_catalog(
    run: Run, sql: str, allowed: tuple[str, ...], denied: str
) -> None:
    ended = run(sql, *allowed)
    assert ended["State"] == "FAILED"
    assert f"not authorized to perform: {denied} on resource" in ended["StateChangeReason"]
    if not sql.startswith("DROP"):
        ended = run(sql, *allowed, denied, "glue:Get*")
        assert ended["State"] == "SUCCEEDED", ended
