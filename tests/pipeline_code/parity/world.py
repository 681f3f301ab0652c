"""A lake, feature groups with offline stores and an endpoint's answers, on the embedded AWS."""

import io
import json
import time
import uuid
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_code.common.lake import Landing, write
from pipeline_code.common.schema import CUSTOMERS, FRAUD_REPORTS, TRANSACTIONS
from pipeline_code.features.definitions import (
    ENTITIES,
    FEATURE_NAMES,
    Entity,
    feature_group_columns,
)
from pipeline_code.features.events import Transaction
from pipeline_code.features.online import vector
from pipeline_code.features.store.updating import FeatureGroups, fold_into_store, read_states
from pipeline_code.parity.objects import Folder

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "sagemaker.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


@dataclass(frozen=True)
class Asked:
    """One answer as the endpoint would have given it, and when."""

    request: Transaction
    features: dict[str, float]
    degraded: bool
    moment: datetime


class World:
    """Everything that an audit reads."""

    def __init__(self, session: boto3.Session, folder: Path) -> None:
        self._session, self._folder = session, folder
        self.name = f"parity-{uuid.uuid4().hex[:8]}"
        self.s3, self.sagemaker = session.client("s3"), session.client("sagemaker")
        self._store = session.client("sagemaker-featurestore-runtime")
        self.raw = f"{self.name}-raw"
        for bucket in (self.name, self.raw):
            self.s3.create_bucket(Bucket=bucket)
        self.groups = FeatureGroups(
            customer=f"{self.name}-customer", terminal=f"{self.name}-terminal"
        )
        role = self._role()
        for entity in ENTITIES:
            self._create(entity, role)
        self._folded = dict.fromkeys(ENTITIES, 0)

    def fold(
        self, transactions: Iterable[Transaction] = (), reports: Iterable[dict[str, Any]] = ()
    ) -> None:
        """The consumers' work; afterwards there is a pause, so that times tell what came first."""
        folded = fold_into_store(
            self._store, self.groups, table(transactions), reports_table(reports)
        )
        assert not folded.failed
        self._folded = {
            entity: self._folded[entity] + count
            for entity, count in zip(ENTITIES, (folded.customers, folded.terminals), strict=True)
        }
        time.sleep(0.01)

    def ask(self, request: Transaction) -> Asked:
        """The endpoint's work."""
        states = read_states(
            self._store,
            self.groups,
            customer_id=request.customer_id,
            terminal_id=request.terminal_id,
        )
        features = dict(zip(FEATURE_NAMES, vector(*states, request), strict=True))
        moment = datetime.now(UTC)
        time.sleep(0.01)
        return Asked(request, features, None in states, moment)

    def land(
        self, transactions: Iterable[Transaction], reports: Iterable[dict[str, Any]] = ()
    ) -> None:
        """Firehose's work."""
        rows, known = table(transactions), reports_table(reports)
        folder = self._folder / uuid.uuid4().hex
        write(
            Landing(transactions=rows, fraud_reports=known, customers=CUSTOMERS.empty_table()),
            folder,
        )
        for file in folder.rglob("*.parquet"):
            self.s3.upload_file(str(file), self.raw, file.relative_to(folder).as_posix())

    def capture(self, answers: Iterable[Asked], **metadata: str) -> None:
        """The captured exchanges, in one file of the current hour."""
        lines = []
        for asked in answers:
            lines.append(json.dumps(_exchange(asked, metadata)))
        key = f"captures/{datetime.now(UTC):%Y/%m/%d/%H}/{uuid.uuid4().hex}.jsonl"
        self.s3.put_object(Bucket=self.name, Key=key, Body="\n".join(lines).encode())

    def lake(self) -> Folder:
        return Folder.of(self.s3, f"s3://{self.raw}")

    def stores(self) -> dict[Entity, Folder]:
        """The offline stores, when all that was folded is in them."""
        deadline = time.monotonic() + 60
        stores = {entity: Folder.of(self.s3, self._resolved(entity)) for entity in ENTITIES}
        for entity, store in stores.items():
            while _rows(store) < self._folded[entity]:
                assert time.monotonic() < deadline, "the offline store was never written"
                time.sleep(0.1)
        return stores

    def _resolved(self, entity: Entity) -> str:
        group = self.sagemaker.describe_feature_group(FeatureGroupName=self.groups.of(entity))
        return str(group["OfflineStoreConfig"]["S3StorageConfig"]["ResolvedOutputS3Uri"])

    def _create(self, entity: Entity, role: str) -> None:
        name = self.groups.of(entity)
        self.sagemaker.create_feature_group(
            FeatureGroupName=name,
            RecordIdentifierFeatureName=entity.record_identifier,
            EventTimeFeatureName="event_time",
            FeatureDefinitions=[
                {"FeatureName": column, "FeatureType": kind}
                for column, kind in feature_group_columns(entity)
            ],
            OnlineStoreConfig={"EnableOnlineStore": True},
            OfflineStoreConfig={"S3StorageConfig": {"S3Uri": f"s3://{self.name}/store"}},
            RoleArn=role,
        )
        while (
            self.sagemaker.describe_feature_group(FeatureGroupName=name)["FeatureGroupStatus"]
            == "Creating"
        ):
            time.sleep(0.05)

    def _role(self) -> str:
        iam = self._session.client("iam")
        statement = {
            "Effect": "Allow",
            "Action": "s3:PutObject",
            "Resource": f"arn:aws:s3:::{self.name}/*",
        }
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        role = iam.create_role(RoleName=self.name, AssumeRolePolicyDocument=json.dumps(TRUST))
        iam.put_role_policy(
            RoleName=self.name, PolicyName="write", PolicyDocument=json.dumps(policy)
        )
        return str(role["Role"]["Arn"])


def table(transactions: Iterable[Transaction]) -> pa.Table:
    return pa.Table.from_pylist([asdict(each) for each in transactions], schema=TRANSACTIONS)


def reports_table(reports: Iterable[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(list(reports), schema=FRAUD_REPORTS)


def report(transaction: Transaction, moment: datetime) -> dict[str, Any]:
    row = asdict(transaction)
    del row["amount_minor"]
    return row | {"report_time": moment, "fraud_scenario": 0}


def _rows(store: Folder) -> int:
    return sum(pq.read_metadata(io.BytesIO(store.read(name))).num_rows for name in store.objects())


def _exchange(asked: Asked, metadata: dict[str, str]) -> dict[str, Any]:
    request = asdict(asked.request)
    request["amount"] = f"{request.pop('amount_minor') / 100:.2f}"
    request["event_time"] = asked.request.event_time.isoformat()
    answer = {
        "transaction_id": asked.request.transaction_id,
        "score": 0.5,
        "model_version": "1",
        "degraded": asked.degraded,
        "features": asked.features,
    }

    def side(document: dict[str, Any]) -> dict[str, str]:
        kind = "application/json"
        return {"observedContentType": kind, "data": json.dumps(document), "encoding": "JSON"}

    return {
        "captureData": {"endpointInput": side(request), "endpointOutput": side(answer)},
        "eventMetadata": {"inferenceTime": asked.moment.isoformat(), **metadata},
        "eventVersion": "0",
    }
