"""Training jobs through boto3: channels, hyperparameters, artifacts, metrics, failures, stops."""

import io
import json
import tarfile
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws.server import EmbeddedAws
from tests.local_aws.sagemaker.conftest import fetch, printed, wait_for


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
    # The API's model requires the member, of a job without a model as well.
    assert job["ModelArtifacts"]["S3ModelArtifacts"].endswith("/output/model.tar.gz")
    assert (job["EnableNetworkIsolation"], job["EnableManagedSpotTraining"]) == (False, False)


def test_a_job_can_be_stopped(
    client: Callable[[str], Any], train: Any, eventually: Any, embedded_aws: EmbeddedAws
) -> None:
    sagemaker = client("sagemaker")
    name = train("sleep", wait=False)["TrainingJobName"]
    eventually(lambda: printed(embedded_aws, name))
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
                    "InstanceCount": 17,
                    "VolumeSizeInGB": 1,
                }
            },
            "ResourceConfig.InstanceCount must be at most 16, got 17",
        ),
        (
            {"AlgorithmSpecification": {"AlgorithmName": "x", "TrainingInputMode": "File"}},
            "does not support AlgorithmName",
        ),
        (
            {"CheckpointConfig": {"S3Uri": "s3://bucket/x", "LocalPath": "/home/x"}},
            "CheckpointConfig.LocalPath must be a path below /opt/ml, got /home/x",
        ),
        (
            {"EnableManagedSpotTraining": True},
            r"It must be present .* MaxRuntimeInSeconds \(60\), got None",
        ),
        (
            {
                "EnableManagedSpotTraining": True,
                "StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 59},
            },
            r"MaxRuntimeInSeconds \(60\), got 59",
        ),
        (
            {"StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 90}},
            "MaxWaitTimeInSeconds must be absent, got 90",
        ),
        ({"metrics": "loss=(["}, "the Regex of metric 'loss' must be a regular expression"),
        ({"metrics": "loss=[0-9]+"}, "the Regex of metric 'loss' must capture its value"),
    ],
)
def test_what_cannot_run_is_refused_by_name(
    train: Any, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ClientError, match=message):
        train(**changes)
