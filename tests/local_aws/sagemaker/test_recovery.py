"""What survives a restart of the embedded AWS, orderly or not."""

import json
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.config import Config

from local_aws.server import EmbeddedAws, free_port
from tests.local_aws.sagemaker.load import single_requests
from tests.local_aws.sagemaker.serving import Serving, capture_config, unique

# What a client says of a server that is gone, or goes.
UNREACHABLE = {"EndpointConnectionError", "ConnectionClosedError", "ConnectTimeoutError"}


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[EmbeddedAws]:
    with EmbeddedAws(tmp_path / "state", free_port()) as aws:
        yield aws


def clients(aws: EmbeddedAws) -> Callable[[str], Any]:
    return aws.session().client


def runs(pid: int) -> bool:
    """Whether a process does anything; one that ended may still wait for its parent to look."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def put_state(aws: EmbeddedAws) -> str:
    client, group = clients(aws), unique("group")
    client("sagemaker").create_feature_group(
        FeatureGroupName=group,
        RecordIdentifierFeatureName="id",
        EventTimeFeatureName="at",
        FeatureDefinitions=[
            {"FeatureName": "id", "FeatureType": "String"},
            {"FeatureName": "at", "FeatureType": "Fractional"},
        ],
        OnlineStoreConfig={"EnableOnlineStore": True},
    )
    described: dict[str, Any] = {}
    while described.get("FeatureGroupStatus") != "Created":
        described = client("sagemaker").describe_feature_group(FeatureGroupName=group)
    client("sagemaker-featurestore-runtime").put_record(
        FeatureGroupName=group,
        Record=[
            {"FeatureName": "id", "ValueAsString": "1"},
            {"FeatureName": "at", "ValueAsString": "12.5"},
        ],
    )
    return group


def test_an_endpoint_and_records_survive_a_restart(aws: EmbeddedAws) -> None:
    serving = Serving.make(clients(aws))
    endpoint = serving.endpoint(serving.config(serving.model("one")))
    group = put_state(aws)
    first = serving.ask(endpoint)["pid"]
    aws.stop()
    assert not runs(first)
    aws.start()
    # Asked at once: the request waits until the servers are back.
    again = Serving(clients(aws), serving.bucket, serving.role)
    assert again.ask(endpoint)["name"] == "one"
    assert again.settled(endpoint)["EndpointStatus"] == "InService"
    record = clients(aws)("sagemaker-featurestore-runtime").get_record(
        FeatureGroupName=group, RecordIdentifierValueAsString="1"
    )
    assert record["Record"][1]["ValueAsString"] == "12.5"


def test_what_was_answered_before_a_stop_is_captured(aws: EmbeddedAws) -> None:
    serving = Serving.make(clients(aws))
    capture = capture_config(serving.bucket, "captures")
    config = serving.config(serving.model("one"), DataCaptureConfig=capture)
    endpoint = serving.endpoint(config)
    once = Config(retries={"total_max_attempts": 1})
    runtime = aws.session().client("sagemaker-runtime", config=once)
    with single_requests(serving, runtime, endpoint) as requests:
        while len(requests.answered) < 20:
            time.sleep(0.05)
        aws.stop()
    aws.start()
    s3 = clients(aws)("s3")
    captured = Counter(
        json.loads(line)["eventMetadata"]["inferenceId"]
        for item in s3.list_objects_v2(Bucket=serving.bucket, Prefix="captures/")["Contents"]
        for line in s3.get_object(Bucket=serving.bucket, Key=item["Key"])["Body"].iter_lines()
    )
    assert captured == Counter(requests.answered.keys())
    assert set(requests.failed.values()) <= {"ServiceUnavailable", *UNREACHABLE}


def test_servers_of_a_killed_run_are_ended(aws: EmbeddedAws) -> None:
    serving = Serving.make(clients(aws))
    endpoint = serving.endpoint(serving.config(serving.model("one")))
    orphan = serving.ask(endpoint)["pid"]
    document = json.loads((aws.state_dir / "embedded.json").read_text())
    process = psutil.Process(document["pid"])
    process.send_signal(signal.SIGKILL)
    process.wait()
    aws.start()
    again = Serving(clients(aws), serving.bucket, serving.role)
    assert again.settled(endpoint)["EndpointStatus"] in {"InService", "Failed"}
    assert not runs(orphan)
