"""Whoever is throttled by the embedded AWS says so: the server, and a fold, up to CloudWatch."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import pytest
from aws_lambda_powertools import Metrics
from botocore.config import Config

from local_aws.server import EmbeddedAws, free_port
from pipeline_code.contracts.metrics import MetricName
from pipeline_code.features.definitions import CUSTOMER, ENTITIES, feature_group_columns
from pipeline_code.features.store.online_store import FeatureGroups
from pipeline_code.features.store.traffic import StoreTraffic
from pipeline_code.stream.folding import Clients, consume
from pipeline_code.stream.settings import FoldSettings
from tests.pipeline_code.stream.conftest import lambda_event
from tests.pipeline_code.stream.conftest import transaction as event

from .conftest import GROUPS, Server, transaction

NAMESPACE = "fraudloop/throttled"
NAMES = FeatureGroups(**GROUPS)
PATTERN = "fraudloop-test-{entity}-{version}"
PATIENT = 30.0
QUOTAS = """
[sagemaker]
"GetRecord transactions per second" = 0
"BatchGetRecord transactions per second" = 0
"""


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    """One whose account may not read a record."""
    folder = tmp_path_factory.mktemp("throttled")
    quotas = folder / "quotas.toml"
    quotas.write_text(QUOTAS)
    with EmbeddedAws(folder / "state", free_port(), quotas=quotas) as running:
        for entity in ENTITIES:
            running.session().client("sagemaker").create_feature_group(
                FeatureGroupName=NAMES.of(entity),
                RecordIdentifierFeatureName=entity.record_identifier,
                EventTimeFeatureName="event_time",
                FeatureDefinitions=[
                    {"FeatureName": column, "FeatureType": kind}
                    for column, kind in feature_group_columns(entity)
                ],
                OnlineStoreConfig={"EnableOnlineStore": True},
            )
        yield running


def throttles(session: boto3.Session, dimension: str, value: str) -> float:
    """What CloudWatch counted, which takes it a moment."""
    now, cloudwatch = datetime.now(UTC), session.client("cloudwatch")
    deadline = time.monotonic() + PATIENT
    while time.monotonic() < deadline:
        found = cloudwatch.get_metric_statistics(
            Namespace=NAMESPACE,
            MetricName=MetricName.STORE_THROTTLES,
            Dimensions=[{"Name": dimension, "Value": value}],
            StartTime=now - timedelta(hours=1),
            EndTime=now + timedelta(minutes=5),
            Period=60,
            Statistics=["Sum"],
        )
        if found["Datapoints"]:
            return float(sum(point["Sum"] for point in found["Datapoints"]))
        time.sleep(0.1)
    raise AssertionError(f"{value} was not counted")


def log(session: boto3.Session, lines: list[str]) -> None:
    """Puts lines where SageMaker and Lambda put what they print."""
    logs, name = session.client("logs"), f"/test/{len(lines)}-{id(lines)}"
    logs.create_log_group(logGroupName=name)
    logs.create_log_stream(logGroupName=name, logStreamName="one")
    now = int(datetime.now(UTC).timestamp() * 1000)
    logs.put_log_events(
        logGroupName=name,
        logStreamName="one",
        logEvents=[{"timestamp": now, "message": line} for line in lines],
    )


def test_a_server_without_calls_left_answers_degraded_and_is_counted(
    aws: EmbeddedAws, start: Callable[..., Server]
) -> None:
    server = start(
        {
            **aws.environment(),
            "CUSTOMER_FEATURE_GROUP": GROUPS["customer"],
            "TERMINAL_FEATURE_GROUP": GROUPS["terminal"],
            "METRIC_NAMESPACE": NAMESPACE,
            "ENDPOINT_NAME": "fraud",
            "SERVE_STORE_BUDGET_MILLISECONDS": "10000",
        }
    ).wait_ready()
    answer = server.score(transaction())
    assert answer["degraded_reasons"] == ["store_unavailable"]
    server.__exit__()
    log(aws.session(), server.log.read_text().splitlines())
    # Two records, each tried twice; at its start it asks for two as well.
    assert throttles(aws.session(), "EndpointName", "fraud") == 8


def test_a_fold_without_calls_left_has_its_records_again_and_is_counted(
    aws: EmbeddedAws,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", NAMESPACE)
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "fold_customers")
    Metrics().provider.clear_metrics()
    session, twice = aws.session(), Config(retries={"mode": "standard", "total_max_attempts": 2})
    store = session.client("sagemaker-featurestore-runtime", config=twice)
    clients = Clients(
        store=store,
        traffic=StoreTraffic(store),
        s3=session.client("s3"),
        kinesis=session.client("kinesis"),
    )
    batch = lambda_event(event(), event(transaction_id=2, customer_id=7))
    settings = FoldSettings(feature_group_pattern=PATTERN, quarantine_bucket="")
    answer = consume(batch, CUSTOMER, settings, clients)
    assert len(answer["batchItemFailures"]) == 2
    printed = [line for line in capfd.readouterr().out.splitlines() if "_aws" in line]
    assert json.loads(printed[-1])[MetricName.STORE_THROTTLES] == [2.0]
    log(session, printed)
    assert throttles(session, "service", "fold_customers") == 2
