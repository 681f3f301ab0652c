"""A query reads, writes and gives out what its caller may, and under the keys that they may use."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest

Client = Callable[[str], Any]
PLACE = "us-east-1:000000000000"


def allow(actions: Any, resources: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resources} | more


class Lake:
    """A table of one object under a key, and a workgroup whose results are under another."""

    def __init__(self, client: Client, world: Any, eventually: Any) -> None:
        self.name = f"keyed{uuid.uuid4().hex[:8]}"
        self.data_key, self.result_key = world.key(), world.key()
        self._eventually = eventually
        s3, glue = client("s3"), client("glue")
        s3.create_bucket(Bucket=self.name)
        encrypted = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self.data_key}
        s3.put_object(Bucket=self.name, Key="t/data.csv", Body=b"1,2\n", **encrypted)
        glue.create_database(DatabaseInput={"Name": self.name})
        serde = "org.apache.hadoop.hive.serde2.OpenCSVSerde"
        columns = [{"Name": name, "Type": "string"} for name in "ab"]
        glue.create_table(
            DatabaseName=self.name,
            TableInput={
                "Name": "t",
                "TableType": "EXTERNAL_TABLE",
                "StorageDescriptor": {
                    "Columns": columns,
                    "Location": f"s3://{self.name}/t/",
                    "SerdeInfo": {"SerializationLibrary": serde},
                },
            },
        )
        option = {"EncryptionOption": "SSE_KMS", "KmsKey": self.result_key}
        results = {
            "OutputLocation": f"s3://{self.name}/results/",
            "EncryptionConfiguration": option,
        }
        client("athena").create_work_group(
            Name=self.name, Configuration={"ResultConfiguration": results}
        )

    def query(self, athena: Any) -> dict[str, Any]:
        started = athena.start_query_execution(
            QueryString="select a from t",
            WorkGroup=self.name,
            QueryExecutionContext={"Database": self.name},
        )
        of = {"QueryExecutionId": started["QueryExecutionId"]}

        def ended() -> Any:
            found = athena.get_query_execution(**of)["QueryExecution"]
            return found if found["Status"]["State"] in ("SUCCEEDED", "FAILED") else None

        return dict(self._eventually(ended))


@pytest.fixture(scope="module")
def lake(client: Client, world: Any, eventually: Any) -> Lake:
    return Lake(client, world, eventually)


MISSING = {
    "s3:ListBucket": "Permission denied on S3 path",
    "s3:GetObject": "Permission denied on S3 path",
    "s3:PutObject": "Access denied when writing output to url",
    "kms:Decrypt": "kms:Decrypt",
    "kms:GenerateDataKey": "Access denied when writing output to url",
}


@pytest.mark.parametrize("missing", MISSING)
def test_a_query_may_what_its_caller_may(world: Any, lake: Lake, missing: str) -> None:
    actions = ["athena:*", "glue:*", *(action for action in MISSING if action != missing)]
    status = lake.query(world.as_user("athena", allow(actions)))["Status"]
    assert status["State"] == "FAILED"
    assert MISSING[missing] in status["StateChangeReason"]


def test_results_are_under_the_workgroups_key(world: Any, client: Client, lake: Lake) -> None:
    through = {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}
    athena = world.as_user(
        "athena",
        allow(["athena:*", "glue:*", "s3:*"]),
        allow("kms:Decrypt", lake.data_key, Condition=through),
        allow(["kms:GenerateDataKey", "kms:Decrypt"], lake.result_key, Condition=through),
    )
    found = lake.query(athena)
    assert found["Status"]["State"] == "SUCCEEDED"
    bucket, _, key = (
        found["ResultConfiguration"]["OutputLocation"].removeprefix("s3://").partition("/")
    )
    assert client("s3").head_object(Bucket=bucket, Key=key)["SSEKMSKeyId"] == lake.result_key


def test_results_are_for_who_may_read_their_file(
    world: Any, client: Client, lake: Lake, refusal: Any
) -> None:
    query = lake.query(client("athena"))["QueryExecutionId"]
    for missing in ("s3:GetObject", "kms:Decrypt"):
        actions = [action for action in ("s3:GetObject", "kms:Decrypt") if action != missing]
        athena = world.as_user("athena", allow(["athena:*", *actions]))
        said = refusal(lambda a=athena: a.get_query_results(QueryExecutionId=query))[1]
        assert missing in said
    reader = world.as_user("athena", allow(["athena:*", "s3:GetObject", "kms:Decrypt"]))
    assert reader.get_query_results(QueryExecutionId=query)["ResultSet"]["Rows"]
