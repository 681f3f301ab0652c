"""The same inputs give the same model, byte for byte, whether a step runs again or is cached."""

import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from operations import executions
from operations.executions import PipelineExecution
from operations.models import registry
from operations.models.origins import Origins
from operations.target import Target

pytestmark = pytest.mark.end_to_end

REQUEST = (
    "AlgorithmSpecification",
    "RoleArn",
    "InputDataConfig",
    "OutputDataConfig",
    "ResourceConfig",
    "StoppingCondition",
    "HyperParameters",
    "EnableNetworkIsolation",
)
CACHED = ("CheckData", "ComputeFeatures", "TrainModel", "Baseline")


@pytest.fixture(scope="module")
def as_of(played: Any) -> str:
    """The moment that the deployed version was trained at; what has come since does not count."""
    package = registry.find(played.target, "deployed")
    report = urlsplit(package["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"])
    answer = played.target.client("s3").get_object(
        Bucket=report.netloc, Key=report.path.lstrip("/")
    )
    return str(json.load(answer["Body"])["windows"]["as_of"])


def run(target: Target, as_of: str) -> PipelineExecution:
    arn = executions.start(
        target, reason="repeated, with what no registry takes: #!", parameters={"AsOf": as_of}
    )
    return executions.require_success(target, executions.watch(target, arn))


@pytest.fixture(scope="module")
def first(played: Any, as_of: str) -> PipelineExecution:
    return run(played.target, as_of)


def content(target: Target, uri: str) -> bytes:
    place = urlsplit(uri)
    answer = target.client("s3").get_object(Bucket=place.netloc, Key=place.path.lstrip("/"))
    return bytes(answer["Body"].read())


def archive(target: Target, execution: PipelineExecution) -> bytes:
    """The model that the execution registered."""
    assert execution.model_package is not None
    package = registry.find(target, execution.model_package)
    return content(target, package["InferenceSpecification"]["Containers"][0]["ModelDataUrl"])


def test_a_second_start_is_served_from_the_cache_and_registers_the_same_model(
    played: Any, first: PipelineExecution, as_of: str
) -> None:
    second = run(played.target, as_of)
    details = {step.name: step.detail for step in second.steps}
    for name in CACHED:
        assert details[name].startswith("cached from "), (name, details[name])
    assert second.model_package != first.model_package
    assert archive(played.target, second) == archive(played.target, first)


def test_a_training_that_runs_again_ends_with_the_same_bytes(
    played: Any, first: PipelineExecution
) -> None:
    sagemaker = played.target.client("sagemaker")
    origins = Origins(played.target)
    job = origins.training_job(origins.steps(first.arn))
    done = sagemaker.describe_training_job(TrainingJobName=job["arn"].rpartition("/")[2])
    # Without its checkpoints, of which the last one is the model.
    sagemaker.create_training_job(
        TrainingJobName="trained-again", **{name: done[name] for name in REQUEST if name in done}
    )
    waiter = sagemaker.get_waiter("training_job_completed_or_stopped")
    waiter.wait(TrainingJobName="trained-again", WaiterConfig={"Delay": 1, "MaxAttempts": 120})
    again = sagemaker.describe_training_job(TrainingJobName="trained-again")
    assert content(played.target, again["ModelArtifacts"]["S3ModelArtifacts"]) == archive(
        played.target, first
    )
