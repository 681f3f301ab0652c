"""Feature Store, asked by real clients."""

import io
import json
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError

Client = Callable[[str], Any]

FEATURES = [
    {"FeatureName": "customer_id", "FeatureType": "String"},
    {"FeatureName": "event_time", "FeatureType": "String"},
    {"FeatureName": "count", "FeatureType": "Integral"},
    {"FeatureName": "mean", "FeatureType": "Fractional"},
    {"FeatureName": "state", "FeatureType": "String"},
]


@pytest.fixture(scope="module")
def role(client: Client) -> Iterator[str]:
    """A role that may write the offline store's bucket and nothing else."""
    name = f"features-{uuid.uuid4().hex[:8]}"
    client("s3").create_bucket(Bucket=name)
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sagemaker.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{name}/*"}
        ],
    }
    iam = client("iam")
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="write", PolicyDocument=json.dumps(policy))
    yield arn


def make_group(client: Client, role: str | None = None, **settings: Any) -> str:
    name = settings.get("FeatureGroupName", f"g-{uuid.uuid4().hex[:8]}")
    request: dict[str, Any] = {
        "FeatureGroupName": name,
        "RecordIdentifierFeatureName": "customer_id",
        "EventTimeFeatureName": "event_time",
        "FeatureDefinitions": FEATURES,
        "OnlineStoreConfig": {"EnableOnlineStore": True},
    }
    if role is not None:
        bucket = role.rpartition("/")[2]
        request["RoleArn"] = role
        request["OfflineStoreConfig"] = {
            "S3StorageConfig": {"S3Uri": f"s3://{bucket}/offline"},
        }
    client("sagemaker").create_feature_group(**(request | settings))
    while (described := describe(client, name))["FeatureGroupStatus"] == "Creating":
        time.sleep(0.05)
    assert described["FeatureGroupStatus"] == "Created", described.get("FailureReason")
    return name


def describe(client: Client, name: str) -> dict[str, Any]:
    answer: dict[str, Any] = client("sagemaker").describe_feature_group(FeatureGroupName=name)
    return answer


def record(**values: object) -> list[dict[str, str]]:
    return [{"FeatureName": name, "ValueAsString": str(value)} for name, value in values.items()]


def values(answer: dict[str, Any]) -> dict[str, str]:
    return {item["FeatureName"]: item["ValueAsString"] for item in answer["Record"]}


@pytest.fixture(scope="module")
def group(client: Client) -> str:
    return make_group(client)


@pytest.fixture(scope="module")
def runtime(client: Client) -> Any:
    return client("sagemaker-featurestore-runtime")


def put(runtime: Any, group: str, key: str, at: str, **more: object) -> None:
    runtime.put_record(
        FeatureGroupName=group, Record=record(customer_id=key, event_time=at, **more)
    )


def get(runtime: Any, group: str, key: str) -> dict[str, Any]:
    answer: dict[str, Any] = runtime.get_record(
        FeatureGroupName=group, RecordIdentifierValueAsString=key
    )
    return answer


def test_newest_event_time_wins_and_an_equal_one_replaces(runtime: Any, group: str) -> None:
    put(runtime, group, "order", "2026-01-02T00:00:00Z", count=2)
    put(runtime, group, "order", "2026-01-01T00:00:00.000Z", count=1)
    assert values(get(runtime, group, "order"))["count"] == "2"
    put(runtime, group, "order", "2026-01-02T00:00:00.000Z", count=3)
    assert values(get(runtime, group, "order"))["count"] == "3"


def test_a_record_is_replaced_whole(runtime: Any, group: str) -> None:
    put(runtime, group, "whole", "2026-01-01T00:00:00Z", count=2, mean=1.5)
    put(runtime, group, "whole", "2026-01-02T00:00:00Z", count=3)
    assert values(get(runtime, group, "whole")) == {
        "customer_id": "whole",
        "event_time": "2026-01-02T00:00:00Z",
        "count": "3",
    }


def test_a_record_that_does_not_exist_is_an_empty_answer(runtime: Any, group: str) -> None:
    assert "Record" not in get(runtime, group, "nobody")


def test_one_feature_is_read(runtime: Any, group: str) -> None:
    put(runtime, group, "some", "2026-01-01T00:00:00Z", count=2, mean=1.5)
    answer = runtime.get_record(
        FeatureGroupName=group, RecordIdentifierValueAsString="some", FeatureNames=["mean"]
    )
    assert values(answer) == {"mean": "1.5"}


def test_batch_reads_several_groups(client: Client, runtime: Any, group: str) -> None:
    other = make_group(client)
    put(runtime, group, "both", "2026-01-01T00:00:00Z", count=1)
    put(runtime, other, "both", "2026-01-01T00:00:00Z", count=2)
    ids = ["both", "nobody"]
    answer = runtime.batch_get_record(
        Identifiers=[
            {"FeatureGroupName": name, "RecordIdentifiersValueAsString": ids}
            for name in (group, other, "missing")
        ]
    )
    found = {item["FeatureGroupName"]: values(item)["count"] for item in answer["Records"]}
    assert found == {group: "1", other: "2"}
    assert {(e["FeatureGroupName"], e["ErrorCode"]) for e in answer["Errors"]} == {
        ("missing", "ResourceNotFound")
    }


def test_batch_write_gives_back_what_breaks_a_rule(runtime: Any, group: str) -> None:
    good = record(customer_id="batch", event_time="2026-01-01T00:00:00Z", count=7)
    bad = record(customer_id="batch", event_time="yesterday")
    answer = runtime.batch_write_record(
        Entries=[{"FeatureGroupName": group, "Record": r} for r in (good, bad)]
    )
    assert [error["Entry"]["Record"] for error in answer["Errors"]] == [bad]
    assert values(get(runtime, group, "batch"))["count"] == "7"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (record(event_time="2026-01-01T00:00:00Z"), "record identifier feature customer_id"),
        (record(customer_id="x"), "event time feature event_time"),
        (record(customer_id="x", event_time="2026-01-01"), "yyyy-MM-dd"),
        (record(customer_id="x", event_time="2026-13-01T00:00:00Z"), "must be a time"),
        (record(customer_id="x", event_time="2026-01-01T00:00:00Z", nope=1), r"\['nope'\]"),
        (record(customer_id="x", event_time="2026-01-01T00:00:00Z", count=1.5), "Integral"),
        (record(customer_id="x", event_time="2026-01-01T00:00:00Z", count=2**63), "Integral"),
        (record(customer_id="x", event_time="2026-01-01T00:00:00Z", mean="nan"), "Fractional"),
        (
            [*record(customer_id="x", event_time="2026-01-01T00:00:00Z"), *record(customer_id=1)],
            "once",
        ),
    ],
)
def test_a_record_that_breaks_a_rule_is_refused(
    runtime: Any, group: str, bad: list[dict[str, str]], reason: str
) -> None:
    with pytest.raises(ClientError, match=reason) as refusal:
        runtime.put_record(FeatureGroupName=group, Record=bad)
    assert refusal.value.response["Error"]["Code"] == "ValidationError"
    assert "Record" not in get(runtime, group, "x")


def test_an_unknown_group_is_not_found(runtime: Any) -> None:
    with pytest.raises(runtime.exceptions.ResourceNotFound):
        get(runtime, "missing", "x")


def delete(runtime: Any, group: str, key: str, at: str, mode: str) -> None:
    runtime.delete_record(
        FeatureGroupName=group,
        RecordIdentifierValueAsString=key,
        EventTime=at,
        DeletionMode=mode,
    )


def test_a_soft_delete_outranks_older_writes_only(runtime: Any, group: str) -> None:
    put(runtime, group, "soft", "2026-01-02T00:00:00Z")
    delete(runtime, group, "soft", "2026-01-01T00:00:00Z", "SoftDelete")
    assert "Record" in get(runtime, group, "soft")
    delete(runtime, group, "soft", "2026-01-03T00:00:00Z", "SoftDelete")
    assert "Record" not in get(runtime, group, "soft")
    put(runtime, group, "soft", "2026-01-02T12:00:00Z")
    assert "Record" not in get(runtime, group, "soft")
    put(runtime, group, "soft", "2026-01-04T00:00:00Z")
    assert "Record" in get(runtime, group, "soft")


def test_a_hard_delete_leaves_no_trace_online(runtime: Any, group: str) -> None:
    put(runtime, group, "hard", "2026-01-02T00:00:00Z")
    with pytest.raises(ClientError, match="later"):
        delete(runtime, group, "hard", "2026-01-01T00:00:00Z", "HardDelete")
    delete(runtime, group, "hard", "2026-01-03T00:00:00Z", "HardDelete")
    put(runtime, group, "hard", "2026-01-01T00:00:00Z")
    assert "Record" in get(runtime, group, "hard")


def test_a_record_expires(runtime: Any, group: str) -> None:
    for key, minutes in (("gone", 1), ("stays", 60 * 24 * 365 * 500)):
        runtime.put_record(
            FeatureGroupName=group,
            Record=record(customer_id=key, event_time="2020-01-01T00:00:00Z"),
            TtlDuration={"Unit": "Minutes", "Value": minutes},
        )
    assert "Record" not in get(runtime, group, "gone")
    assert "Record" in get(runtime, group, "stays")


def test_records_are_listed_in_pages(client: Client, runtime: Any) -> None:
    group = make_group(client)
    for key in "cab":
        put(runtime, group, key, "2026-01-01T00:00:00Z")
    first = runtime.list_records(FeatureGroupName=group, MaxResults=2)
    rest = runtime.list_records(FeatureGroupName=group, NextToken=first["NextToken"])
    assert (first["RecordIdentifiers"], rest["RecordIdentifiers"]) == (["a", "b"], ["c"])


def test_an_update_keeps_the_other_features(runtime: Any, group: str) -> None:
    put(runtime, group, "update", "2026-01-02T00:00:00Z", count=1, mean=0.5)
    runtime.update_record(
        FeatureGroupName=group,
        RecordIdentifierValueAsString="update",
        Features=record(count=9),
    )
    found = values(get(runtime, group, "update"))
    assert (found["count"], found["mean"]) == ("9", "0.5")
    with pytest.raises(runtime.exceptions.ConflictException):
        runtime.update_record(
            FeatureGroupName=group,
            RecordIdentifierValueAsString="update",
            Features=record(event_time="2026-01-01T00:00:00Z"),
        )


def test_what_is_written_reaches_the_offline_store(client: Client, runtime: Any, role: str) -> None:
    group = make_group(client, role)
    put(runtime, group, "a", "2026-01-02T03:04:05Z", count=5, mean=0.25)
    put(runtime, group, "b", "2026-01-02T03:59:59.999Z", count=6)
    delete(runtime, group, "a", "2026-01-03T00:00:00Z", "SoftDelete")
    config = describe(client, group)["OfflineStoreConfig"]
    client("sagemaker").delete_feature_group(FeatureGroupName=group)  # writes what is pending
    uri = config["S3StorageConfig"]["ResolvedOutputS3Uri"]
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    listed = client("s3").list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]
    keys = [item["Key"].removeprefix(prefix) for item in listed]
    assert [key.rpartition("/")[0] for key in keys] == [
        "/year=2026/month=01/day=02/hour=03",
        "/year=2026/month=01/day=03/hour=00",
    ]
    assert keys[0].rpartition("/")[2].startswith("20260102T035959Z_")
    rows = [
        row
        for item in listed
        for row in pq.read_table(
            io.BytesIO(client("s3").get_object(Bucket=bucket, Key=item["Key"])["Body"].read())
        ).to_pylist()
    ]
    assert [(r["customer_id"], r["count"], r["mean"], r["is_deleted"]) for r in rows] == [
        ("a", 5, 0.25, False),
        ("b", 6, None, False),
        ("a", None, None, True),
    ]
    catalog = config["DataCatalogConfig"]
    partitions = client("glue").get_partitions(
        DatabaseName=catalog["Database"], TableName=catalog["TableName"]
    )["Partitions"]
    assert sorted(p["Values"] for p in partitions) == [
        ["2026", "01", "02", "03"],
        ["2026", "01", "03", "00"],
    ]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"RecordIdentifierFeatureName": "mean"}, "RecordIdentifierFeatureName"),
        ({"EventTimeFeatureName": "count"}, "EventTimeFeatureName"),
        ({"OnlineStoreConfig": {"EnableOnlineStore": False}}, "must be enabled"),
        (
            {"OfflineStoreConfig": {"S3StorageConfig": {"S3Uri": "s3://nowhere/x"}}},
            "RoleArn must be given",
        ),
        (
            {"FeatureDefinitions": [*FEATURES, {"FeatureName": "COUNT", "FeatureType": "String"}]},
            "unique",
        ),
        (
            {
                "FeatureDefinitions": [
                    *FEATURES,
                    {"FeatureName": "write_time", "FeatureType": "String"},
                ]
            },
            "reserved",
        ),
    ],
)
def test_a_wrong_definition_is_refused(
    client: Client, settings: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ClientError, match=reason):
        make_group(client, **settings)


def test_a_group_is_there_once(client: Client, group: str) -> None:
    with pytest.raises(client("sagemaker").exceptions.ResourceInUse):
        make_group(client, FeatureGroupName=group)


def test_a_feature_is_added(client: Client, runtime: Any) -> None:
    group = make_group(client)
    client("sagemaker").update_feature_group(
        FeatureGroupName=group,
        FeatureAdditions=[{"FeatureName": "extra", "FeatureType": "Integral"}],
    )
    put(runtime, group, "x", "2026-01-01T00:00:00Z", extra=4)
    assert values(get(runtime, group, "x"))["extra"] == "4"


def test_a_deleted_group_forgets_its_records(client: Client, runtime: Any) -> None:
    group = make_group(client)
    put(runtime, group, "x", "2026-01-01T00:00:00Z")
    client("sagemaker").delete_feature_group(FeatureGroupName=group)
    with pytest.raises(runtime.exceptions.ResourceNotFound):
        get(runtime, group, "x")
    make_group(client, FeatureGroupName=group)
    assert "Record" not in get(runtime, group, "x")
