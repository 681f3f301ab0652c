"""What a client asks of the online store: at a pace, and with throttled tries counted."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import numpy as np
import pytest
from aws_lambda_powertools import Metrics
from botocore.config import Config
from botocore.exceptions import ClientError

from pipeline_code.common.pace import Pace
from pipeline_code.contracts.metrics import FEATURE_JOB
from pipeline_code.features.definitions import CUSTOMER
from pipeline_code.features.events import Reports, Transactions
from pipeline_code.features.store.materializing import Materializer, MaterializingSettings
from pipeline_code.features.store.online_store import FeatureGroups, OnlineStore
from pipeline_code.features.store.records import Key
from pipeline_code.features.store.traffic import StoreTraffic
from pipeline_code.features.store.updating import StoreError
from tests.pipeline_code.serve.conftest import GROUPS, Store

NAMES = FeatureGroups(**GROUPS)
THROTTLED = {"__type": "ThrottlingException", "message": "Rate exceeded"}
TRIES = 3


@pytest.fixture
def store() -> Iterator[Store]:
    store = Store()
    yield store
    store.close()


def client(store: Store) -> Any:
    return boto3.Session("test", "test", region_name="us-east-1").client(
        "sagemaker-featurestore-runtime",
        endpoint_url=store.url,
        config=Config(retries={"mode": "standard", "total_max_attempts": TRIES}),
    )


class Turns(Pace):
    """A pace that only counts."""

    def __init__(self) -> None:
        super().__init__(1)
        self.count = 0

    def wait(self) -> None:
        self.count += 1


def test_every_try_keeps_the_pace_and_is_counted_if_it_was_throttled(store: Store) -> None:
    runtime, pace = client(store), Turns()
    traffic = StoreTraffic(runtime, pace)
    OnlineStore(runtime, NAMES).read([Key(CUSTOMER, id_) for id_ in range(250)])
    assert (pace.count, store.calls, traffic.take_throttled()) == (3, 3, 0)
    store.status, store.refusal = 400, THROTTLED
    with pytest.raises(ClientError, match="ThrottlingException"):
        OnlineStore(runtime, NAMES).read([Key(CUSTOMER, 1)])
    assert pace.count == store.calls == 3 + TRIES
    assert traffic.take_throttled() == TRIES
    assert traffic.take_throttled() == 0


def test_another_refusal_is_no_throttling(store: Store) -> None:
    runtime = client(store)
    traffic = StoreTraffic(runtime)
    for status, refusal in ((403, {"__type": "AccessForbidden"}), (500, {})):
        store.status, store.refusal = status, refusal
        with pytest.raises(ClientError):
            OnlineStore(runtime, NAMES).read([Key(CUSTOMER, 1)])
    assert traffic.take_throttled() == 0


def test_single_reads_and_writes_have_no_pace(store: Store) -> None:
    runtime, pace = client(store), Turns()
    StoreTraffic(runtime, pace)
    runtime.get_record(
        FeatureGroupName=NAMES.customer, RecordIdentifierValueAsString="1", FeatureNames=["state"]
    )
    assert pace.count == 0


def test_a_job_says_what_was_throttled_in_the_embedded_metric_format(
    store: Store, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Fraudloop/test")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", FEATURE_JOB)
    Metrics().provider.clear_metrics()
    runtime = client(store)
    monkeypatch.setattr(boto3, "client", lambda *_, **__: runtime)
    store.status, store.refusal = 400, THROTTLED
    settings = MaterializingSettings(metric_namespace="Fraudloop/test")
    materializer = Materializer((NAMES,), settings)
    one = np.ones(1, np.int64)
    spent = Transactions(ids=one, times=one, customers=one, terminals=one, amounts=one)
    with pytest.raises(StoreError):
        materializer(CUSTOMER, spent, Reports.from_columns(np.empty((6, 0), np.int64)))
    materializer.report()
    line = json.loads(capfd.readouterr().out.splitlines()[-1])
    # Three times, as another writer would be given way to, the client's own tries.
    assert line["StoreThrottles"] == [3.0 * TRIES]
    assert line["service"] == FEATURE_JOB
    assert line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Fraudloop/test"


@pytest.mark.parametrize(("rate", "mine"), [(None, None), (100.0, 12.5)])
def test_tasks_of_other_hosts_share_the_pace(
    rate: float | None, mine: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    settings = MaterializingSettings(reads_per_second=rate)
    make, (groups, shared) = Materializer((NAMES,), settings).shared_by(8).__reduce__()
    assert (make, groups) == (Materializer, (NAMES,))
    assert shared.reads_per_second == mine
