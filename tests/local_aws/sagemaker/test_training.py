"""Training jobs through boto3: channels, hyperparameters, artifacts, metrics, failures, stops."""

import io
import json
import tarfile
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_aws.sagemaker.conftest import ENTRIES, IMAGE, unique, wait_for


@pytest.fixture
def train(client: Callable[[str], Any], bucket: str, job_role: str) -> Callable[..., Any]:
    """train(**changes): the description of a training job that has ended."""
    sagemaker, prefix = client("sagemaker"), unique("train")
    client("s3").put_object(Bucket=bucket, Key=f"{prefix}/a.csv", Body=b"1,2")

    def run(entry: str = "train", *, wait: bool = True, **changes: Any) -> dict[str, Any]:
        name = unique("training")
        source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/{prefix}"}
        request = {
            "TrainingJobName": name,
            "RoleArn": job_role,
            "AlgorithmSpecification": {
                "TrainingImage": IMAGE,
                "TrainingInputMode": "File",
                "ContainerEntrypoint": [*ENTRIES, entry],
                "MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.]+);"}],
            },
            "HyperParameters": {"depth": "8"},
            "InputDataConfig": [
                {"ChannelName": "train", "DataSource": {"S3DataSource": source}},
            ],
            "OutputDataConfig": {"S3OutputPath": f"s3://{bucket}/models"},
            "ResourceConfig": {
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 10,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
            **changes,
        }
        sagemaker.create_training_job(**request)
        if not wait:
            return {"TrainingJobName": name}
        return wait_for(
            lambda: sagemaker.describe_training_job(TrainingJobName=name), "TrainingJobStatus"
        )

    return run


def fetch(client: Callable[[str], Any], uri: str) -> bytes:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bytes(client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())


def test_a_model_is_trained_from_its_channel(
    client: Callable[[str], Any], bucket: str, train: Any
) -> None:
    job = train()
    name = job["TrainingJobName"]
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Completed", job
    artifact = job["ModelArtifacts"]["S3ModelArtifacts"]
    assert artifact == f"s3://{bucket}/models/{name}/output/model.tar.gz"
    with tarfile.open(fileobj=io.BytesIO(fetch(client, artifact))) as archive:
        assert archive.getnames() == ["job", "model.json"]
        file = archive.extractfile("model.json")
        assert file is not None
        assert json.load(file) == {"rows": ["1,2"], "settings": {"depth": "8"}}
    assert fetch(client, f"s3://{bucket}/models/{name}/output/output.tar.gz")
    assert [(m["MetricName"], m["Value"]) for m in job["FinalMetricDataList"]] == [("loss", 0.25)]
    steps = [item["Status"] for item in job["SecondaryStatusTransitions"]]
    assert steps == ["Starting", "Downloading", "Training", "Uploading", "Completed"]


def test_equal_models_have_equal_archives(client: Callable[[str], Any], train: Any) -> None:
    first, second = (
        fetch(client, train("same")["ModelArtifacts"]["S3ModelArtifacts"]) for _ in range(2)
    )
    assert first == second


def test_a_failing_job_gives_its_reason(train: Any) -> None:
    job = train(HyperParameters={"fail": "no positive example"})
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"] == "AlgorithmError: no positive example, exit code: 2"
    assert job["SecondaryStatusTransitions"][-1]["StatusMessage"] == job["FailureReason"]
    assert "ModelArtifacts" not in job or not job["ModelArtifacts"].get("S3ModelArtifacts")


def test_a_job_can_be_stopped(client: Callable[[str], Any], train: Any) -> None:
    sagemaker = client("sagemaker")
    name = train("sleep", wait=False)["TrainingJobName"]
    sagemaker.stop_training_job(TrainingJobName=name)
    job = wait_for(
        lambda: sagemaker.describe_training_job(TrainingJobName=name), "TrainingJobStatus"
    )
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Stopped"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {
                "ResourceConfig": {
                    "InstanceType": "ml.m5.large",
                    "InstanceCount": 2,
                    "VolumeSizeInGB": 1,
                }
            },
            "ResourceConfig.InstanceCount must be 1, got 2",
        ),
        (
            {"AlgorithmSpecification": {"AlgorithmName": "x", "TrainingInputMode": "File"}},
            "does not support AlgorithmName",
        ),
        (
            {"CheckpointConfig": {"S3Uri": "s3://bucket/x"}},
            "does not support CheckpointConfig",
        ),
    ],
)
def test_what_cannot_run_is_refused_by_name(
    train: Any, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ClientError, match=message):
        train(**changes)
