"""Jobs of several hosts: each a process that reaches the others, all of them one job."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from local_aws.sagemaker.jobs.clusters import host_names, roots
from tests.local_aws.sagemaker.conftest import fetch, unique
from tests.local_aws.sagemaker.jobs.test_spot import members


def cluster(count: int) -> dict[str, Any]:
    return {"InstanceType": "ml.m5.large", "InstanceCount": count, "VolumeSizeInGB": 1}


@pytest.fixture
def channels(client: Callable[[str], Any], bucket: str) -> list[dict[str, Any]]:
    """Three files as two channels, one replicated and one divided."""
    prefix = unique("cluster")
    for name in "abc":
        client("s3").put_object(Bucket=bucket, Key=f"{prefix}/{name}", Body=b"1")
    return [
        {
            "ChannelName": name,
            "DataSource": {
                "S3DataSource": {
                    "S3DataType": "S3Prefix",
                    "S3Uri": f"s3://{bucket}/{prefix}/",
                    "S3DataDistributionType": kind,
                }
            },
        }
        for name, kind in (("train", "FullyReplicated"), ("parts", "ShardedByS3Key"))
    ]


def test_hosts_find_each_other_and_make_one_model(
    client: Callable[[str], Any], train: Any, channels: list[dict[str, Any]]
) -> None:
    def run(_: int) -> dict[str, Any]:
        job: dict[str, Any] = train("host", ResourceConfig=cluster(2), InputDataConfig=channels)
        return job

    # Two jobs at once, whose hosts listen at the same port.
    with ThreadPoolExecutor(2) as pool:
        jobs = list(pool.map(run, range(2)))
    for job in jobs:
        assert job["TrainingJobStatus"] == "Completed", job
        model = members(fetch(client, job["ModelArtifacts"]["S3ModelArtifacts"]))
        assert list(model) == ["0.json", "1.json", "shared"]
        first, second = json.loads(model["0.json"]), json.loads(model["1.json"])
        (met,) = first["met"]
        assert met.endswith(".2")
        assert first["channels"] == {"train": ["a", "b", "c"], "parts": ["a", "c"]}
        assert second["channels"] == {"train": ["a", "b", "c"], "parts": ["b"]}
        said = client("logs").filter_log_events(logGroupName="/aws/sagemaker/TrainingJobs")
        streams = [(e["logStreamName"].split("/"), e["message"]) for e in said["events"]]
        spoke = {host[:6]: text for (name, host), text in streams if name == job["TrainingJobName"]}
        assert spoke == {"algo-1": f"I am {met[:-1]}1", "algo-2": f"I am {met}"}


def test_one_failing_host_ends_the_job_with_its_reason(train: Any) -> None:
    job = train("fail_second", ResourceConfig=cluster(3))
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"] == "AlgorithmError: no rows on this host, exit code: 3"


def test_hosts_share_their_checkpoints(
    client: Callable[[str], Any], bucket: str, train: Any
) -> None:
    prefix = unique("checkpoints")
    client("s3").put_object(Bucket=bucket, Key=f"{prefix}/1.json", Body=b"1")
    job = train(
        "resume",
        ResourceConfig=cluster(2),
        CheckpointConfig={"S3Uri": f"s3://{bucket}/{prefix}"},
    )
    assert job["TrainingJobStatus"] == "Completed", job
    model = members(fetch(client, job["ModelArtifacts"]["S3ModelArtifacts"]))
    assert json.loads(model["report.json"])["found"] == ["1.json"]


def test_hosts_have_names_and_folders_of_their_own() -> None:
    assert host_names(1, "count") == host_names(None, "count") == ["algo-1"]
    first, second = host_names(3, "count"), host_names(3, "count")
    assert [name.rpartition(".")[2] for name in first] == ["1", "2", "3"]
    assert not set(first) & set(second)
    assert list(roots(Path("job"), 1)) == [("algo-1", Path("job"))]
    assert [path for _, path in roots(Path("job"), 2)] == [Path("job/algo-1"), Path("job/algo-2")]
