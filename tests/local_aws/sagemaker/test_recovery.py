"""What survives a restart of the embedded AWS, orderly or not."""

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from local_aws.server import EmbeddedAws, free_port
from tests.local_aws.sagemaker.serving import Serving, unique


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
