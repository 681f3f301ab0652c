"""The offline store of the project's own feature groups, asked with SQL as on AWS."""

import json
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from pipeline_code.common.schema import FRAUD_REPORTS, TRANSACTIONS
from pipeline_code.features.definitions import (
    CUSTOMER,
    ENTITIES,
    Entity,
    feature_group_columns,
    stored_features,
)
from pipeline_code.features.state import EntityState
from pipeline_code.features.store.updating import FeatureGroups, fold_into_store

Client = Callable[[str], Any]
START = datetime(2024, 3, 1, 10, tzinfo=UTC)
EVENTS = 3


class Groups:
    """Feature groups with offline stores, and a workgroup to ask about them."""

    def __init__(self, client: Client, make_role: Callable[..., str]) -> None:
        self._client = client
        name = f"offline-{uuid.uuid4().hex[:8]}"
        client("s3").create_bucket(Bucket=name)
        role = make_role(
            {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{name}/*"}
        )
        client("athena").create_work_group(
            Name=name,
            Configuration={
                "EnforceWorkGroupConfiguration": True,
                "ResultConfiguration": {"OutputLocation": f"s3://{name}/results/"},
            },
        )
        self._workgroup = name
        for entity in ENTITIES:
            self._create(f"{name}-{entity.name}", entity, f"s3://{name}/store", role)
        self.names = FeatureGroups(customer=f"{name}-customer", terminal=f"{name}-terminal")

    def _create(self, group: str, entity: Entity, uri: str, role: str) -> None:
        self._client("sagemaker").create_feature_group(
            FeatureGroupName=group,
            RecordIdentifierFeatureName=entity.record_identifier,
            EventTimeFeatureName="event_time",
            FeatureDefinitions=[
                {"FeatureName": column, "FeatureType": kind}
                for column, kind in feature_group_columns(entity)
            ],
            OnlineStoreConfig={"EnableOnlineStore": True},
            OfflineStoreConfig={"S3StorageConfig": {"S3Uri": uri}},
            RoleArn=role,
        )
        while self._described(group)["FeatureGroupStatus"] == "Creating":
            time.sleep(0.05)

    def _described(self, group: str) -> dict[str, Any]:
        answer: dict[str, Any] = self._client("sagemaker").describe_feature_group(
            FeatureGroupName=group
        )
        return answer

    def rows(self, entity: Entity, sql: str) -> list[list[str | None]]:
        """What a query about an entity's table, `{table}`, answers."""
        catalog = self._described(self.names.of(entity))["OfflineStoreConfig"]["DataCatalogConfig"]
        athena = self._client("athena")
        query = athena.start_query_execution(
            QueryString=sql.format(table=catalog["TableName"]),
            WorkGroup=self._workgroup,
            QueryExecutionContext={"Database": catalog["Database"]},
        )["QueryExecutionId"]
        while True:
            status = athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Status"]
            if status["State"] not in ("QUEUED", "RUNNING"):
                break
            time.sleep(0.02)
        assert status["State"] == "SUCCEEDED", status["StateChangeReason"]
        answer = athena.get_query_results(QueryExecutionId=query)["ResultSet"]["Rows"]
        return [[cell.get("VarCharValue") for cell in row["Data"]] for row in answer[1:]]


@pytest.fixture(scope="module")
def groups(client: Client, make_role: Callable[..., str]) -> Groups:
    """Groups into which one customer's events were folded one by one."""
    groups = Groups(client, make_role)
    store = client("sagemaker-featurestore-runtime")
    for number in range(EVENTS):
        event = {
            "transaction_id": number,
            "event_time": START + timedelta(hours=number),
            "customer_id": 7,
            "terminal_id": 8,
            "amount_minor": 1000 * (number + 1),
        }
        table = pa.Table.from_pylist([event], schema=TRANSACTIONS)
        folded = fold_into_store(store, groups.names, table, FRAUD_REPORTS.empty_table())
        assert not folded.failed
    deadline = time.monotonic() + 60
    for entity in ENTITIES:
        while groups.rows(entity, "select count(*) from {table}") != [[str(EVENTS)]]:
            assert time.monotonic() < deadline, "the offline store was never written"
            time.sleep(0.2)
    return groups


def test_every_value_of_a_state_can_be_asked_for(groups: Groups) -> None:
    rows = groups.rows(
        CUSTOMER,
        "select customer_count_1d, customer_mean_amount_1d, customer_max_14d from {table} "
        "where customer_id = '7' order by event_time",
    )
    assert [[float(cell or "nan") for cell in row] for row in rows] == [
        [1, 1000, 1000],
        [2, 1500, 2000],
        [3, 2000, 3000],
    ]


@pytest.mark.parametrize("entity", ENTITIES, ids=lambda entity: entity.name)
def test_the_table_has_every_column_and_the_services_own(groups: Groups, entity: Entity) -> None:
    names = [name for name, _ in feature_group_columns(entity)]
    (row,) = groups.rows(entity, f"select {', '.join(names)} from {{table}} limit 1")  # noqa: S608
    assert len(row) == len(stored_features(entity)) + 3
    assert None not in row
    own = "select count(*) from {table} where write_time >= api_invocation_time and not is_deleted"
    assert groups.rows(entity, own) == [[str(EVENTS)]]


def test_the_state_as_of_a_moment_is_the_newest_record_before_it(groups: Groups) -> None:
    """What a point-in-time query and the parity audit rest on."""
    ((text,),) = groups.rows(
        CUSTOMER,
        "select state from (select state, row_number() over (partition by customer_id order by "
        "event_time desc) as place from {table} where event_time < '2024-03-01T12:00:00.000Z') "
        "where place = 1",
    )
    state = EntityState.decode(CUSTOMER, str(text), "customer 7")
    assert state.transactions.recent[:, 1].tolist() == [0, 1]


def test_only_the_hours_that_are_asked_for_are_read(groups: Groups, client: Client) -> None:
    one = groups.rows(CUSTOMER, "select count(*) from {table} where day = '01' and hour = '11'")
    assert one == [["1"]]
    partitions = groups.rows(CUSTOMER, "select distinct year, month, day, hour from {table}")
    assert sorted(map(json.dumps, partitions)) == [
        json.dumps(["2024", "03", "01", hour]) for hour in ("10", "11", "12")
    ]
