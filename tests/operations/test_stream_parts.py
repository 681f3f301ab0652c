"""A producer's parts that need no deployed stream: what it sends, and what it waits for."""

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from operations.data.events import Stream
from operations.data.landing import await_landed
from operations.data.stream import EventStream
from operations.errors import OperationError
from operations.target import Target
from pipeline_code.common.lake import Landing, write
from pipeline_code.common.schema import CUSTOMERS, FRAUD_REPORTS, TRANSACTIONS
from pipeline_code.features.definitions import (
    ENTITIES,
    SCHEMA_VERSION,
    Entity,
    feature_group_columns,
)
from pipeline_code.features.store.updating import FeatureGroups, fold_into_store

START = datetime(2025, 1, 10, tzinfo=UTC)
NO_REPORTS = FRAUD_REPORTS.empty_table()


def transactions(*rows: tuple[int, int, int, int]) -> pa.Table:
    """Rows of (id, hour, customer, terminal)."""
    return pa.Table.from_pylist(
        [
            {
                "transaction_id": id_,
                "event_time": START + timedelta(hours=hour),
                "customer_id": customer,
                "terminal_id": terminal,
                "amount_minor": 100,
            }
            for id_, hour, customer, terminal in rows
        ],
        schema=TRANSACTIONS,
    )


def reports(*rows: tuple[int, int, int, int]) -> pa.Table:
    """Reports at once of such rows."""
    of = transactions(*rows)
    scenario = pa.array([1] * of.num_rows, pa.int8())
    columns = {name: of[name] for name in ("transaction_id", "customer_id", "terminal_id")}
    times = {"event_time": of["event_time"], "report_time": of["event_time"]}
    return pa.table({**columns, **times, "fraud_scenario": scenario}, schema=FRAUD_REPORTS)


@pytest.fixture
def deployed(target_with: Callable[..., Target]) -> Target:
    """A stream that nobody consumes, and feature groups."""
    name, nowhere = f"test-{uuid.uuid4().hex[:8]}", target_with()
    nowhere.client("kinesis").create_stream(StreamName=name, ShardCount=1)
    nowhere.client("s3").create_bucket(Bucket=name)
    for entity in ENTITIES:
        _create_group(nowhere, entity, f"{name}-{entity.name}-{SCHEMA_VERSION}")
    return target_with(
        EventStreamName=name,
        CustomerFeatureGroupName=f"{name}-customer-{SCHEMA_VERSION}",
        TerminalFeatureGroupName=f"{name}-terminal-{SCHEMA_VERSION}",
        RawBucketName=name,
    )


def _create_group(target: Target, entity: Entity, name: str) -> None:
    target.client("sagemaker").create_feature_group(
        FeatureGroupName=name,
        RecordIdentifierFeatureName=entity.record_identifier,
        EventTimeFeatureName="event_time",
        FeatureDefinitions=[
            {"FeatureName": column, "FeatureType": kind}
            for column, kind in feature_group_columns(entity)
        ],
        OnlineStoreConfig={"EnableOnlineStore": True},
    )


def consume(target: Target, events: Stream, *entities: Entity) -> None:
    """What the deployed consumers do."""
    groups = FeatureGroups(
        customer=target.output("CustomerFeatureGroupName"),
        terminal=target.output("TerminalFeatureGroupName"),
    )
    client = target.client("sagemaker-featurestore-runtime")
    folded = fold_into_store(
        client, groups, events.transactions, events.fraud_reports, entities=entities or ENTITIES
    )
    assert not folded.failed


def sent(target: Target) -> list[tuple[str, dict[str, Any]]]:
    kinesis, stream = target.client("kinesis"), target.output("EventStreamName")
    iterator = kinesis.get_shard_iterator(
        StreamName=stream, ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    records = kinesis.get_records(ShardIterator=iterator)["Records"]
    return [(record["PartitionKey"], json.loads(record["Data"])) for record in records]


def test_events_are_sent_by_customer_in_the_order_in_which_they_became_known(
    deployed: Target,
) -> None:
    events = Stream(transactions((1, 5, 7, 3), (2, 1, 7, 4)), reports((2, 3, 7, 4)))
    EventStream(deployed).publish(events)
    found = sent(deployed)
    assert [key for key, _ in found] == ["7", "7", "7"]
    assert [(each["type"], each["transaction_id"]) for _, each in found] == [
        ("transaction", 2),
        ("fraud_report", 2),
        ("transaction", 1),
    ]


def test_a_producer_waits_for_both_consumers(deployed: Target) -> None:
    events = Stream(transactions((1, 0, 7, 3), (2, 1, 8, 3)), reports((1, 0, 7, 3)))
    producer = EventStream(deployed, timeout_seconds=0.2)
    producer.publish(events)
    with pytest.raises(OperationError, match=r"every customer must be folded .* got 2 of them "):
        producer.await_folded()
    consume(deployed, events, ENTITIES[0])
    with pytest.raises(OperationError, match=r"every terminal must be folded .* got 1 of them "):
        producer.await_folded()
    consume(deployed, events)
    producer.await_folded()


def test_a_producer_may_wait_for_some_and_for_the_rest_later(deployed: Target) -> None:
    here = Stream(transactions((1, 0, 7, 3)), NO_REPORTS)
    there = Stream(transactions((2, 0, 8, 4)), NO_REPORTS)
    producer = EventStream(deployed, timeout_seconds=0.2)
    producer.publish(here)
    producer.publish(there)
    consume(deployed, here)
    producer.await_folded(customers=pa.array([7]), terminals=pa.array([3]))
    with pytest.raises(OperationError, match=r"got 1 of them behind"):
        producer.await_folded(customers=pa.array([8]), terminals=pa.array([3]))
    with pytest.raises(OperationError, match=r"got 1 of them behind"):
        producer.await_folded()
    consume(deployed, there)
    producer.await_folded()


def test_repeated_and_late_events_are_waited_for_like_others(deployed: Target) -> None:
    first = Stream(transactions((1, 5, 7, 3)), NO_REPORTS)
    late = Stream(transactions((2, 1, 7, 3)), NO_REPORTS)
    consume(deployed, first)
    producer = EventStream(deployed, timeout_seconds=0.2)
    producer.publish(first)
    producer.await_folded()
    producer.publish(late)
    with pytest.raises(OperationError, match="got 1 of them behind"):
        producer.await_folded()
    consume(deployed, late)
    producer.await_folded()


def test_asking_writes_nothing(deployed: Target) -> None:
    producer = EventStream(deployed, timeout_seconds=0.1)
    producer.publish(Stream(transactions((1, 0, 7, 3)), NO_REPORTS))
    with pytest.raises(OperationError, match="must be folded"):
        producer.await_folded()
    found = deployed.client("sagemaker-featurestore-runtime").get_record(
        FeatureGroupName=deployed.output("CustomerFeatureGroupName"),
        RecordIdentifierValueAsString="7",
    )
    assert "Record" not in found


def test_thousands_of_events_of_one_entity_are_more_than_a_state_remembers(
    deployed: Target,
) -> None:
    many = Stream(
        transactions(*((number, number, 7, number % 40) for number in range(1, 1500))), NO_REPORTS
    )
    producer = EventStream(deployed, timeout_seconds=5)
    producer.publish(many)
    consume(deployed, many)
    producer.await_folded()


def test_rows_that_landed_in_any_file_are_found(deployed: Target, tmp_path: Any) -> None:
    events = Stream(transactions((1, 0, 7, 3), (2, 30, 7, 3)), reports((1, 0, 7, 3)))
    landing = Landing(
        transactions=events.transactions,
        fraud_reports=events.fraud_reports,
        customers=CUSTOMERS.empty_table(),
    )
    s3, bucket = deployed.client("s3"), deployed.output("RawBucketName")
    files = write(landing, tmp_path)
    for file in files[1:]:
        s3.upload_file(str(file), bucket, file.relative_to(tmp_path).as_posix())
    with pytest.raises(OperationError, match=r"every event must land .*, got 1 missing in s3://"):
        await_landed(deployed, events, timeout_seconds=0.1)
    first = files[0].relative_to(tmp_path)
    other = first.with_name("firehose-1.parquet")
    pq.write_table(
        pq.read_table(files[0], partitioning=None),
        tmp_path / other,
        use_deprecated_int96_timestamps=True,
        store_schema=False,
    )
    s3.upload_file(str(tmp_path / other), bucket, other.as_posix())
    await_landed(deployed, events, timeout_seconds=5)


def test_no_events_are_landed_at_once(deployed: Target) -> None:
    await_landed(deployed, Stream(transactions(), NO_REPORTS), timeout_seconds=0.1)
