"""Checkpoints of training jobs, and what happens when their instances are taken away."""

import io
import json
import tarfile
from collections.abc import Callable
from typing import Any

import pytest

from tests.local_aws.sagemaker.conftest import fetch, unique, wait_for

SPOT = {
    "EnableManagedSpotTraining": True,
    "StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 120},
}


@pytest.fixture
def checkpoints(bucket: str) -> str:
    """A prefix that no other job uses."""
    return f"s3://{bucket}/{unique('checkpoints')}"


@pytest.fixture
def kept(client: Callable[[str], Any], bucket: str, checkpoints: str) -> Callable[[], list[str]]:
    """kept(): the checkpoints in S3, below their prefix."""

    def keys() -> list[str]:
        prefix = checkpoints.removeprefix(f"s3://{bucket}/") + "/"
        found = client("s3").list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
        return [item["Key"].removeprefix(prefix) for item in found]

    return keys


@pytest.fixture
def ended(client: Callable[[str], Any]) -> Callable[[str], dict[str, Any]]:
    """ended(name): the description of a training job once it has ended."""
    describe = client("sagemaker").describe_training_job
    return lambda name: wait_for(lambda: describe(TrainingJobName=name), "TrainingJobStatus")


def members(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        files = {name: tar.extractfile(name) for name in tar.getnames()}
        return {name: file.read() for name, file in files.items() if file is not None}


@pytest.mark.parametrize("end", ["kill", "terminate"])
def test_an_interrupted_job_goes_on_from_its_checkpoint(
    client: Callable[[str], Any],
    train: Any,
    checkpoints: str,
    kept: Any,
    process: Any,
    ended: Any,
    eventually: Any,
    end: str,
) -> None:
    config = {"S3Uri": checkpoints}
    name = train(
        "resume", wait=False, metrics='"loss": ([0-9.]+)', CheckpointConfig=config, **SPOT
    )["TrainingJobName"]
    eventually(kept)
    job = client("sagemaker").describe_training_job(TrainingJobName=name)
    # What it has printed so far is there before it ends.
    assert [(m["MetricName"], m["Value"]) for m in job["FinalMetricDataList"]] == [("loss", 0.75)]
    getattr(process(name), end)()
    job = ended(name)
    assert job["TrainingJobStatus"] == "Completed", job
    assert [item["Status"] for item in job["SecondaryStatusTransitions"]] == [
        *("Starting", "Downloading", "Training", "Interrupted"),
        *("Starting", "Downloading", "Training", "Uploading", "Completed"),
    ]
    assert job["TrainingTimeInSeconds"] >= job["BillableTimeInSeconds"] >= 1
    # The instance is new: its channel is there again, and the half of a model is not.
    report = members(fetch(client, job["ModelArtifacts"]["S3ModelArtifacts"]))
    assert set(report) == {"report.json"}
    assert json.loads(report["report.json"]) == {
        "found": ["rounds/7.json"],
        "rows": ["a.csv"],
        "leftovers": [],
    }


def test_one_lost_host_interrupts_all(
    client: Callable[[str], Any],
    train: Any,
    checkpoints: str,
    kept: Any,
    process: Any,
    ended: Any,
    eventually: Any,
) -> None:
    name = train(
        "resume",
        wait=False,
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1},
        CheckpointConfig={"S3Uri": checkpoints},
        **SPOT,
    )["TrainingJobName"]
    eventually(kept)
    process(f"{name}/algo-2").kill()
    job = ended(name)
    assert job["TrainingJobStatus"] == "Completed", job
    assert "Interrupted" in [item["Status"] for item in job["SecondaryStatusTransitions"]]
    model = members(fetch(client, job["ModelArtifacts"]["S3ModelArtifacts"]))
    assert json.loads(model["report.json"])["found"] == ["rounds/7.json"]


def test_without_spot_a_killed_container_has_failed(
    train: Any, checkpoints: str, kept: Any, process: Any, ended: Any, eventually: Any
) -> None:
    name = train("resume", wait=False, CheckpointConfig={"S3Uri": checkpoints})["TrainingJobName"]
    eventually(kept)
    process(name).kill()
    job = ended(name)
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].endswith(", exit code: 137")
    assert "Interrupted" not in [item["Status"] for item in job["SecondaryStatusTransitions"]]
    # A new job with the same configuration goes on where it was.
    assert train("resume", CheckpointConfig={"S3Uri": checkpoints})["TrainingJobStatus"] == (
        "Completed"
    )


def test_waiting_for_instances_has_an_end(train: Any) -> None:
    job = train(
        "killed",
        EnableManagedSpotTraining=True,
        StoppingCondition={"MaxRuntimeInSeconds": 5, "MaxWaitTimeInSeconds": 5},
    )
    assert job["TrainingJobStatus"] == "Stopped"
    assert job["SecondaryStatus"] == "MaxWaitTimeExceeded"
    assert [item["Status"] for item in job["SecondaryStatusTransitions"]].count("Interrupted") > 1


def test_checkpoints_are_copied_whole_and_a_stop_keeps_what_there_is(
    client: Callable[[str], Any],
    bucket: str,
    train: Any,
    checkpoints: str,
    kept: Any,
    ended: Any,
    eventually: Any,
) -> None:
    s3 = client("s3")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    config = {"S3Uri": checkpoints, "LocalPath": "/opt/ml/checkpoints/"}
    job = train("persist", wait=False, CheckpointConfig=config)["TrainingJobName"]
    eventually(lambda: "whole" in kept())
    eventually(lambda: "slow" in kept())
    log = client("logs")
    eventually(
        lambda: (
            "written"
            in [
                event["message"]
                for event in log.filter_log_events(logGroupName="/aws/sagemaker/TrainingJobs")[
                    "events"
                ]
                if event["logStreamName"].startswith(f"{job}/algo-1-")
            ]
        )
    )
    client("sagemaker").stop_training_job(TrainingJobName=job)
    stopped = ended(job)
    assert stopped["TrainingJobStatus"] == "Stopped"
    assert sorted(kept()) == ["deleted", "last", "slow", "whole"]
    prefix = checkpoints.removeprefix(f"s3://{bucket}/")
    versions = s3.list_object_versions(Bucket=bucket, Prefix=f"{prefix}/slow")["Versions"]
    assert [version["Size"] for version in versions] == [1200]
    assert members(fetch(client, stopped["ModelArtifacts"]["S3ModelArtifacts"])) == {
        "model": b"stopped early"
    }


def test_a_checkpoint_that_cannot_be_written_fails_the_job(
    train: Any, make_role: Callable[..., str], bucket: str, checkpoints: str
) -> None:
    everything, key = f"arn:aws:s3:::{bucket}", checkpoints.removeprefix(f"s3://{bucket}/")
    role = make_role(
        {"Effect": "Allow", "Action": "s3:*", "Resource": [everything, f"{everything}/*"]},
        {"Effect": "Deny", "Action": "s3:PutObject", "Resource": f"{everything}/{key}/*"},
    )
    job = train("resume", RoleArn=role, CheckpointConfig={"S3Uri": checkpoints})
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith(
        f"ClientError: Failed to copy checkpoints to {checkpoints}: "
    )
    assert "AccessDenied" in job["FailureReason"]
