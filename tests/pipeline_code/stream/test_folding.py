"""The consumers against Feature Store, S3 and Kinesis of the embedded AWS."""

import base64
import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from aws_lambda_powertools import Metrics
from fold_customers.handler import handler as fold_customers

from local_aws.server import EmbeddedAws, free_port
from pipeline_code.contracts.environment import read
from pipeline_code.features.definitions import (
    CUSTOMER,
    SCHEMA_VERSION,
    TERMINAL,
    Entity,
    feature_group_columns,
)
from pipeline_code.features.events import Reports, Transactions
from pipeline_code.features.store.online_store import OnlineStore
from pipeline_code.features.store.records import Key, StoredRecord
from pipeline_code.features.store.traffic import StoreTraffic
from pipeline_code.features.store.updating import FeatureGroups, fold_into_store, materialize
from pipeline_code.stream import folding
from pipeline_code.stream.events import parse, tables
from pipeline_code.stream.folding import Clients, consume
from pipeline_code.stream.settings import FoldSettings

from .conftest import ARRIVED, encoded, lambda_event, report, transaction

NAMESPACE = "fraudloop/test"


@pytest.fixture(scope="module")
def embedded_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    with EmbeddedAws(tmp_path_factory.mktemp("embedded") / "state", free_port()) as aws:
        yield aws


@pytest.fixture(scope="module")
def session(embedded_aws: EmbeddedAws) -> boto3.Session:
    return embedded_aws.session()


@pytest.fixture(autouse=True)
def metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", NAMESPACE)
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "test")
    # Powertools keeps the last test's in the class.
    Metrics().provider.clear_metrics()


@pytest.fixture
def clients(session: boto3.Session) -> Clients:
    store = session.client("sagemaker-featurestore-runtime")
    return Clients(
        store=store,
        traffic=StoreTraffic(store),
        s3=session.client("s3"),
        kinesis=session.client("kinesis"),
    )


def create_group(
    session: boto3.Session, entity: Entity, name: str, version: str = SCHEMA_VERSION
) -> str:
    session.client("sagemaker").create_feature_group(
        FeatureGroupName=name,
        RecordIdentifierFeatureName=entity.record_identifier,
        EventTimeFeatureName="event_time",
        FeatureDefinitions=[
            {"FeatureName": column, "FeatureType": kind}
            for column, kind in feature_group_columns(entity, version)
        ],
        OnlineStoreConfig={"EnableOnlineStore": True},
    )
    return name


@pytest.fixture
def second(request: pytest.FixtureRequest) -> str | None:
    """Has a second version alive where a test asks for `other_version`, before groups are made."""
    wanted = "other_version" in request.fixturenames
    return request.getfixturevalue("other_version") if wanted else None


@pytest.fixture
def settings(session: boto3.Session, second: str | None) -> FoldSettings:
    """Groups, a bucket and a stream of the test's own."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    session.client("s3").create_bucket(Bucket=name)
    session.client("kinesis").create_stream(StreamName=name, ShardCount=1)
    pattern = f"{name}-{{entity}}-{{version}}"
    for groups in FeatureGroups.of_every_version(pattern):
        create_group(session, CUSTOMER, groups.customer, groups.version)
        create_group(session, TERMINAL, groups.terminal, groups.version)
    return FoldSettings(
        feature_group_pattern=pattern,
        quarantine_bucket=name,
        terminal_stream=name,
    )


@pytest.fixture
def state(clients: Clients, settings: FoldSettings) -> Callable[[Entity, int], str | None]:
    """state(CUSTOMER, 2): the text that the online store has."""

    def of(entity: Entity, id_: int) -> str | None:
        found = clients.store.get_record(
            FeatureGroupName=settings.groups[-1].of(entity), RecordIdentifierValueAsString=str(id_)
        )
        values = {each["FeatureName"]: each["ValueAsString"] for each in found.get("Record", [])}
        return values.get("state")

    return of


@pytest.fixture
def folded(clients: Clients, session: boto3.Session) -> Callable[..., str | None]:
    """folded(CUSTOMER, 2, documents): the state that folding these alone would leave."""

    def of(entity: Entity, id_: int, *documents: Any) -> str | None:
        name = f"alone-{uuid.uuid4().hex[:8]}"
        groups = FeatureGroups(
            customer=create_group(session, CUSTOMER, f"{name}-customer"),
            terminal=create_group(session, TERMINAL, f"{name}-terminal"),
        )
        events = tables(parse(encoded(document), ARRIVED) for document in documents)
        fold_into_store(clients.store, groups, *events)
        found = clients.store.get_record(
            FeatureGroupName=groups.of(entity), RecordIdentifierValueAsString=str(id_)
        )["Record"]
        return {each["FeatureName"]: each["ValueAsString"] for each in found}["state"]

    return of


def put_on(clients: Clients, settings: FoldSettings) -> list[tuple[str, Any]]:
    """What is on the terminals' stream: key and document."""
    stream = str(settings.terminal_stream)
    (shard,) = clients.kinesis.list_shards(StreamName=stream)["Shards"]
    iterator = clients.kinesis.get_shard_iterator(
        StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    records = clients.kinesis.get_records(ShardIterator=iterator)["Records"]
    return [(record["PartitionKey"], json.loads(record["Data"])) for record in records]


def kept(clients: Clients, settings: FoldSettings) -> dict[str, dict[str, Any]]:
    """The quarantine: what each object holds."""
    bucket = settings.quarantine_bucket
    items = clients.s3.list_objects_v2(Bucket=bucket).get("Contents", [])
    return {
        item["Key"]: json.load(clients.s3.get_object(Bucket=bucket, Key=item["Key"])["Body"])
        for item in items
    }


def failures(answer: dict[str, Any]) -> list[str]:
    return [each["itemIdentifier"] for each in answer["batchItemFailures"]]


THREE = (
    transaction(transaction_id=1, customer_id=2, terminal_id=30),
    transaction(transaction_id=2, customer_id=5, terminal_id=31),
    report(transaction_id=1, customer_id=2, terminal_id=30),
)


def test_a_batch_is_folded_and_put_on_by_terminal(
    clients: Clients, settings: FoldSettings, state: Any, folded: Any
) -> None:
    answer = consume(lambda_event(*THREE), CUSTOMER, settings, clients)
    assert answer == {"batchItemFailures": []}
    assert state(CUSTOMER, 2) == folded(CUSTOMER, 2, THREE[0])
    assert state(CUSTOMER, 5) == folded(CUSTOMER, 5, THREE[1])
    assert state(TERMINAL, 30) is None
    # Within a key in order; between keys the service promises none.
    by_key = sorted(put_on(clients, settings), key=lambda record: record[0])
    assert by_key == [("30", THREE[0]), ("30", THREE[2]), ("31", THREE[1])]


def test_the_next_consumer_folds_terminals_and_puts_nothing_on(
    clients: Clients, settings: FoldSettings, state: Any, folded: Any
) -> None:
    behind = replace(settings, terminal_stream=None)
    consume(lambda_event(*THREE), TERMINAL, behind, clients)
    assert state(TERMINAL, 30) == folded(TERMINAL, 30, THREE[0], THREE[2])
    assert state(CUSTOMER, 2) is None
    assert put_on(clients, settings) == []


def counted(records: Mapping[Key, StoredRecord]) -> dict[Key, list[int]]:
    """The transactions in each state."""
    states = {key: record.state() for key, record in records.items()}
    return {key: state.transactions.recent[:, 1].tolist() for key, state in states.items()}


def test_every_version_is_folded_and_one_that_fails_has_its_records_again(
    other_version: str, clients: Clients, settings: FoldSettings
) -> None:
    old, new = settings.groups
    assert new.version == other_version
    damage(clients, settings, 2)  # of the new one
    answer = consume(lambda_event(*THREE), CUSTOMER, settings, clients)
    assert failures(answer) == ["0", "2"]
    keys = [Key(CUSTOMER, 2), Key(CUSTOMER, 5)]
    stored = OnlineStore(clients.store, old).read(keys)
    assert counted(stored) == {keys[0]: [1], keys[1]: [2]}
    # The feature job mends it; what the old version has counted comes again with what is lost.
    landed = transaction(transaction_id=9, customer_id=2, terminal_id=30)
    transactions, reports = tables([parse(encoded(landed), ARRIVED)])
    known = Transactions.from_table(transactions), Reports.from_table(reports)
    materialize(clients.store, new, CUSTOMER, *known)
    assert consume(lambda_event(*THREE), CUSTOMER, settings, clients) == {"batchItemFailures": []}
    assert OnlineStore(clients.store, old).read(keys) == stored
    renewed = OnlineStore(clients.store, new).read(keys)
    assert counted(renewed) == {keys[0]: [1, 9], keys[1]: [2]}


def test_a_batch_that_comes_again_changes_no_state(
    clients: Clients, settings: FoldSettings, state: Any
) -> None:
    consume(lambda_event(*THREE), CUSTOMER, settings, clients)
    before = state(CUSTOMER, 2), state(CUSTOMER, 5)
    consume(lambda_event(*THREE), CUSTOMER, settings, clients)
    consume(lambda_event(*reversed(THREE)), CUSTOMER, settings, clients)
    assert (state(CUSTOMER, 2), state(CUSTOMER, 5)) == before


def test_a_record_that_breaks_a_rule_is_kept_and_holds_nobody_up(
    clients: Clients, settings: FoldSettings, state: Any, folded: Any
) -> None:
    event = lambda_event(THREE[0], b"poison", transaction(transaction_id=9, amount="-1"), THREE[1])
    for _ in range(2):
        assert consume(event, CUSTOMER, settings, clients) == {"batchItemFailures": []}
    assert state(CUSTOMER, 2) == folded(CUSTOMER, 2, THREE[0])
    assert state(CUSTOMER, 5) == folded(CUSTOMER, 5, THREE[1])
    assert {document["transaction_id"] for _, document in put_on(clients, settings)} == {1, 2}
    found = kept(clients, settings)
    place = "quarantine/stream/date=2018-08-09/events-shardId-000000000000-"
    assert sorted(found) == [f"{place}1.json", f"{place}2.json"]
    first = found[f"{place}1.json"]
    assert base64.b64decode(first["data_base64"]) == b"poison"
    assert first["reason"].startswith("event must be JSON, got ")
    assert (first["stream"], first["shard"]) == ("events", "shardId-000000000000")
    assert (first["sequence_number"], first["arrived"]) == ("1", ARRIVED.isoformat())


def damage(clients: Clients, settings: FoldSettings, customer_id: int) -> None:
    """Makes a customer's state unreadable."""
    values = {"customer_id": str(customer_id), "event_time": "2018-01-01T00:00:00.000Z"}
    record = {name: "0" for name, _ in feature_group_columns(CUSTOMER)} | values
    record["state"] = "damaged"
    clients.store.put_record(
        FeatureGroupName=settings.groups[-1].customer,
        Record=[{"FeatureName": name, "ValueAsString": text} for name, text in record.items()],
    )


def test_only_the_records_of_a_damaged_state_come_again(
    clients: Clients,
    settings: FoldSettings,
    state: Any,
    folded: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    damage(clients, settings, 2)
    answer = consume(lambda_event(*THREE, b"poison"), CUSTOMER, settings, clients)
    assert failures(answer) == ["0", "2"]
    assert state(CUSTOMER, 5) == folded(CUSTOMER, 5, THREE[1])
    assert put_on(clients, settings) == [("31", THREE[1])]
    (record,) = [each for each in caplog.records if each.levelname == "ERROR"]
    assert record.count == 2  # type: ignore[attr-defined]
    assert "not folded: " in record.reason  # type: ignore[attr-defined]
    assert "customer 2" not in record.reason  # type: ignore[attr-defined]


def test_a_batch_whose_every_record_fails_names_them_all(
    clients: Clients, settings: FoldSettings
) -> None:
    damage(clients, settings, 2)
    answer = consume(lambda_event(THREE[0], THREE[2]), CUSTOMER, settings, clients)
    assert failures(answer) == ["0", "1"]


class Refusing:
    """A stream without capacity for one key; the emulator's has no limit."""

    def __init__(self, kinesis: Any, key: str) -> None:
        self._kinesis, self._key = kinesis, key

    def put_records(self, *, StreamName: str, Records: list[dict[str, Any]]) -> Any:  # noqa: N803
        taken = [record for record in Records if record["PartitionKey"] != self._key]
        answers = iter(
            self._kinesis.put_records(StreamName=StreamName, Records=taken)["Records"]
            if taken
            else ()
        )
        refused = {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "rate"}
        return {
            "Records": [
                refused if record["PartitionKey"] == self._key else next(answers)
                for record in Records
            ]
        }


def test_what_the_next_stream_does_not_take_comes_again(
    clients: Clients, settings: FoldSettings, state: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline_code.stream.producing.FIRST_PAUSE_SECONDS", 0.0)
    without = replace(clients, kinesis=Refusing(clients.kinesis, "30"))
    answer = consume(lambda_event(*THREE), CUSTOMER, settings, without)
    assert failures(answer) == ["0", "2"]
    assert state(CUSTOMER, 2) is not None
    answer = consume(lambda_event(*THREE), CUSTOMER, settings, clients)
    assert failures(answer) == []
    assert {key for key, _ in put_on(clients, settings)} == {"30", "31"}


def test_without_a_quarantine_the_whole_batch_comes_again(
    clients: Clients, settings: FoldSettings, state: Any
) -> None:
    clients.s3.delete_bucket(Bucket=settings.quarantine_bucket)
    with pytest.raises(clients.s3.exceptions.ClientError, match="NoSuchBucket"):
        consume(lambda_event(THREE[0], b"poison"), CUSTOMER, settings, clients)
    assert state(CUSTOMER, 2) is None


def test_metrics_count_what_became_of_records_and_name_nobody(
    clients: Clients, settings: FoldSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(clients, settings, 2)
    consume(lambda_event(*THREE, b"poison"), CUSTOMER, settings, clients)
    (line,) = capsys.readouterr().out.splitlines()
    counted = json.loads(line)
    assert counted["_aws"]["CloudWatchMetrics"][0]["Namespace"] == NAMESPACE
    assert counted["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service"]]
    assert counted["ConsumedRecords"] == [4]
    assert counted["QuarantinedRecords"] == [1]
    assert counted["FailedRecords"] == [2]
    assert set(counted) == {
        "_aws",
        "service",
        "ConsumedRecords",
        "QuarantinedRecords",
        "FailedRecords",
        "StoreThrottles",
    }


def test_the_handler_is_told_where_everything_is(
    embedded_aws: EmbeddedAws, settings: FoldSettings, state: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {
        "FEATURE_GROUP_PATTERN": settings.feature_group_pattern,
        "QUARANTINE_BUCKET": settings.quarantine_bucket,
        "TERMINAL_STREAM": str(settings.terminal_stream),
    }
    known = {k: v for k, v in embedded_aws.environment().items() if k.startswith("AWS_")}
    for name, value in (told | known).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    folding.connected.cache_clear()
    try:
        assert fold_customers(lambda_event(*THREE), None) == {"batchItemFailures": []}
    finally:
        folding.connected.cache_clear()
    assert state(CUSTOMER, 5) is not None


def test_a_setting_that_is_missing_is_named() -> None:
    with pytest.raises(ValueError, match="QUARANTINE_BUCKET must be set, got none; set it"):
        read(FoldSettings, {"FEATURE_GROUP_PATTERN": "{entity}"})


def test_the_clock_is_the_streams(clients: Clients, settings: FoldSettings, state: Any) -> None:
    early = datetime(2018, 8, 1, 9, tzinfo=UTC)
    consume(lambda_event(THREE[0], arrived=early), CUSTOMER, settings, clients)
    assert state(CUSTOMER, 2) is None
    (refused,) = kept(clients, settings).values()
    assert refused["reason"].startswith("event_time must be at most 5 minutes after ")
