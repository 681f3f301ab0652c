"""Events of customers and terminals that nobody else uses, and what their states have to be."""

import itertools
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from operations.data.events import Stream
from operations.data.stream import feature_groups
from operations.target import Target
from pipeline_code.common.schema import FRAUD_REPORTS, TRANSACTIONS
from pipeline_code.features.definitions import ENTITIES, Entity, feature_group_columns
from pipeline_code.features.store.updating import FeatureGroups, fold_into_store
from pipeline_code.stream.events import encode_reports, encode_transactions
from pipeline_code.stream.producing import Entry, put_all

START = datetime(2025, 1, 10, tzinfo=UTC)
_fresh = itertools.count(9_000_000, 1000)


@dataclass(frozen=True)
class Crowd:
    """Some customers at some terminals over some weeks, with fraud reports a week later."""

    stream: Stream

    @property
    def customers(self) -> list[int]:
        return sorted(set(self.stream.transactions["customer_id"].to_pylist()))

    @property
    def terminals(self) -> list[int]:
        return sorted(set(self.stream.transactions["terminal_id"].to_pylist()))

    def entries(self) -> list[Entry]:
        """Every event as a record of the stream."""
        sources = (
            (self.stream.transactions, encode_transactions),
            (self.stream.fraud_reports, encode_reports),
        )
        return [
            Entry(str(key), data)
            for table, encode in sources
            for key, data in zip(table["customer_id"].to_pylist(), encode(table), strict=True)
        ]


def crowd(transactions: int = 120, customers: int = 6, terminals: int = 4, days: int = 40) -> Crowd:
    """A new crowd; its ids are its own."""
    first, generator = next(_fresh), np.random.default_rng(5)
    rows: list[dict[str, Any]] = [
        {
            "transaction_id": 10**12 + first * 1000 + number,
            "event_time": START + timedelta(minutes=int(generator.integers(days * 24 * 60))),
            "customer_id": first + int(generator.integers(customers)),
            "terminal_id": first + int(generator.integers(terminals)),
            "amount_minor": int(generator.integers(1, 50_000)),
        }
        for number in range(transactions)
    ]
    reports = [
        {
            **{name: row[name] for name in ("transaction_id", "customer_id", "terminal_id")},
            "event_time": row["event_time"],
            "report_time": row["event_time"] + timedelta(days=7),
            "fraud_scenario": 1,
        }
        for row in rows[::9]
    ]
    return Crowd(
        Stream(
            pa.Table.from_pylist(rows, schema=TRANSACTIONS),
            pa.Table.from_pylist(reports, schema=FRAUD_REPORTS),
        )
    )


def users_file(path: Path) -> Path:
    """A user's file: some weeks of a few customers, some of it reported as frauds."""
    stream = crowd(transactions=150).stream
    reported = set(stream.fraud_reports["transaction_id"].to_pylist())
    rows = [
        {
            **{name: row[name] for name in ("customer_id", "terminal_id", "event_time")},
            "transaction_id": place,
            "amount": row["amount_minor"] / 100,
            "is_fraud": int(row["transaction_id"] in reported),
            "report_time": row["event_time"] + timedelta(days=7),
        }
        for place, row in enumerate(stream.transactions.to_pylist())
    ]
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def send(target: Target, entries: Sequence[Entry]) -> None:
    """Put records onto the environment's stream, in this order."""
    kinesis, stream = target.client("kinesis"), target.output("EventStreamName")
    for start in range(0, len(entries), 40):
        assert put_all(kinesis, stream, entries[start : start + 40]) == {}


def states(target: Target, crowd: Crowd, groups: FeatureGroups | None = None) -> dict[str, str]:
    """The crowd's states by entity and id, as the online store has them."""
    groups = feature_groups(target) if groups is None else groups
    client = target.client("sagemaker-featurestore-runtime")
    found = {}
    for entity, ids in zip(ENTITIES, (crowd.customers, crowd.terminals), strict=True):
        for id_ in ids:
            record = client.get_record(
                FeatureGroupName=groups.of(entity), RecordIdentifierValueAsString=str(id_)
            ).get("Record", [])
            values = {each["FeatureName"]: each["ValueAsString"] for each in record}
            if "state" in values:
                found[f"{entity.name} {id_}"] = values["state"]
    return found


def expected(target: Target, crowd: Crowd) -> dict[str, str]:
    """The states that folding each event once leaves, in feature groups that have seen no other."""
    name = f"alone-{uuid.uuid4().hex[:8]}"
    customer, terminal = (_group(target, entity, name) for entity in ENTITIES)
    groups = FeatureGroups(customer=customer, terminal=terminal)
    client = target.client("sagemaker-featurestore-runtime")
    folded = fold_into_store(client, groups, crowd.stream.transactions, crowd.stream.fraud_reports)
    assert not folded.failed
    wanted = states(target, crowd, groups)
    for group in (customer, terminal):
        target.client("sagemaker").delete_feature_group(FeatureGroupName=group)
    assert len(wanted) == len(crowd.customers) + len(crowd.terminals)
    return wanted


def _group(target: Target, entity: Entity, name: str) -> str:
    group = f"{name}-{entity.name}"
    target.client("sagemaker").create_feature_group(
        FeatureGroupName=group,
        RecordIdentifierFeatureName=entity.record_identifier,
        EventTimeFeatureName="event_time",
        FeatureDefinitions=[
            {"FeatureName": column, "FeatureType": kind}
            for column, kind in feature_group_columns(entity)
        ],
        OnlineStoreConfig={"EnableOnlineStore": True},
    )
    return group


def objects(target: Target, prefix: str) -> dict[str, bytes]:
    """The raw bucket's objects below a prefix."""
    s3, bucket = target.client("s3"), target.output("RawBucketName")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    return {key: s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}


def damage(target: Target, entity: Entity, id_: int) -> None:
    """Makes a state unreadable, as a defect would."""
    record: dict[str, Any] = {name: "0" for name, _ in feature_group_columns(entity)}
    record |= {entity.record_identifier: str(id_), "event_time": "2018-01-01T00:00:00.000Z"}
    record["state"] = "damaged"
    target.client("sagemaker-featurestore-runtime").put_record(
        FeatureGroupName=feature_groups(target).of(entity),
        Record=[{"FeatureName": name, "ValueAsString": text} for name, text in record.items()],
    )


def heal(target: Target, entity: Entity, id_: int) -> None:
    """Takes an unreadable state away."""
    target.client("sagemaker-featurestore-runtime").delete_record(
        FeatureGroupName=feature_groups(target).of(entity),
        RecordIdentifierValueAsString=str(id_),
        EventTime="2018-01-01T00:00:00.001Z",
    )
