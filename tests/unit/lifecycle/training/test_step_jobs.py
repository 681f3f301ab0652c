"""The jobs of the pipeline's steps: compute, encryption, network, roles, interruptions."""

import json
from typing import Any

import pytest

from lifecycle.training.config import FeatureJobConfig, JobConfig, TrainingConfig
from lifecycle.training.job import TrainingJobConfig, checkpoint_prefix, metric_definitions
from lifecycle.training.pipeline_definition import training_definition

from .conftest import JOBS, REVISION, arguments

PROCESSING = [name for name in JOBS if name != "TrainModel"]


def test_features_run_on_the_instance_of_the_other_jobs(steps: dict[str, Any]) -> None:
    request = steps["ComputeFeatures"]["Arguments"]
    cluster = request["ProcessingResources"]["ClusterConfig"]
    assert cluster["InstanceCount"] == 1
    assert cluster["InstanceType"] == {"Get": "Parameters.ProcessingInstanceType"}


def test_features_run_on_spark_if_they_are_to() -> None:
    features = FeatureJobConfig(engine="spark", instance_count=3, instance_type="ml.r5.2xlarge")
    config = TrainingConfig(jobs=JobConfig(features=features))
    by_name = {
        step["Name"]: step
        for step in json.loads(training_definition(config, revision=REVISION))["Steps"]
    }
    assert arguments(by_name["ComputeFeatures"])["--engine"] == "spark"
    clusters = {
        name: by_name[name]["Arguments"]["ProcessingResources"]["ClusterConfig"]
        for name in PROCESSING
    }
    assert clusters["ComputeFeatures"]["InstanceCount"] == 3
    assert clusters["ComputeFeatures"]["InstanceType"] == "ml.r5.2xlarge"
    assert {
        clusters[name]["InstanceCount"] for name in PROCESSING if name != "ComputeFeatures"
    } == {1}
    # The hosts talk to each other about transactions.
    network = by_name["ComputeFeatures"]["Arguments"]["NetworkConfig"]
    assert network["EnableInterContainerTrafficEncryption"] is True
    # Every host reads all of the lake.
    for each in by_name["ComputeFeatures"]["Arguments"]["ProcessingInputs"]:
        assert each["S3Input"]["S3DataDistributionType"] == "FullyReplicated"


def test_training_runs_without_the_profiler(steps: dict[str, Any]) -> None:
    assert steps["TrainModel"]["Arguments"]["ProfilerConfig"] == {"DisableProfiler": True}


@pytest.mark.parametrize("name", PROCESSING)
def test_processing_encrypts_its_volume_and_its_outputs(steps: dict[str, Any], name: str) -> None:
    job = steps[name]["Arguments"]
    cluster = job["ProcessingResources"]["ClusterConfig"]
    assert cluster["VolumeKmsKeyId"] == "${KeyArn}"
    assert job["ProcessingOutputConfig"]["KmsKeyId"] == "${KeyArn}"
    assert job["NetworkConfig"]["EnableInterContainerTrafficEncryption"] is True


def test_training_encrypts_its_volume_its_model_and_its_traffic(steps: dict[str, Any]) -> None:
    job = steps["TrainModel"]["Arguments"]
    assert job["ResourceConfig"]["VolumeKmsKeyId"] == "${KeyArn}"
    assert job["OutputDataConfig"]["KmsKeyId"] == "${KeyArn}"
    assert job["EnableInterContainerTrafficEncryption"] is True


@pytest.mark.parametrize(
    ("name", "isolated"),
    [("CheckData", True), ("Baseline", True), ("ComputeFeatures", False), ("EvaluateModel", False)],
)
def test_only_jobs_that_call_aws_have_a_network(
    steps: dict[str, Any], name: str, isolated: bool
) -> None:
    job = steps[name]["Arguments"]
    assert job["NetworkConfig"]["EnableNetworkIsolation"] is isolated
    assert ("AWS_DEFAULT_REGION" in job.get("Environment", {})) is not isolated


def test_training_is_isolated(steps: dict[str, Any]) -> None:
    assert steps["TrainModel"]["Arguments"]["EnableNetworkIsolation"] is True


@pytest.mark.parametrize("name", PROCESSING)
def test_processing_runs_on_the_configured_compute(steps: dict[str, Any], name: str) -> None:
    job = steps[name]["Arguments"]
    cluster = job["ProcessingResources"]["ClusterConfig"]
    assert cluster["InstanceType"] == {"Get": "Parameters.ProcessingInstanceType"}
    assert cluster["VolumeSizeInGB"] == 17
    assert job["StoppingCondition"] == {"MaxRuntimeInSeconds": 23 * 60}


def test_training_runs_on_the_configured_compute(steps: dict[str, Any]) -> None:
    job = steps["TrainModel"]["Arguments"]
    assert job["ResourceConfig"]["InstanceType"] == {"Get": "Parameters.TrainingInstanceType"}
    assert job["ResourceConfig"]["VolumeSizeInGB"] == 17
    assert job["ResourceConfig"]["InstanceCount"] == 3
    assert job["StoppingCondition"]["MaxRuntimeInSeconds"] == 23 * 60


@pytest.mark.parametrize(
    ("name", "entry", "role"),
    [
        ("CheckData", "check", "CheckRoleArn"),
        ("ComputeFeatures", "features", "FeaturesRoleArn"),
        ("Baseline", "monitor", "BaselineRoleArn"),
        ("EvaluateModel", "evaluate", "EvaluationRoleArn"),
    ],
)
def test_each_processing_job_has_its_entry_point_and_its_role(
    steps: dict[str, Any], name: str, entry: str, role: str
) -> None:
    job = steps[name]["Arguments"]
    command = ["python", "-m", "pipeline_code", entry]
    assert job["AppSpecification"]["ContainerEntrypoint"] == command
    image = "${FeatureJobImageUri}" if name == "ComputeFeatures" else "${ImageUri}"
    assert job["AppSpecification"]["ImageUri"] == image
    assert job["RoleArn"] == f"${{{role}}}"


def test_the_training_job_has_its_entry_point_and_its_role(steps: dict[str, Any]) -> None:
    job = steps["TrainModel"]["Arguments"]
    command = ["python", "-m", "pipeline_code", "train"]
    assert job["AlgorithmSpecification"]["ContainerEntrypoint"] == command
    assert job["AlgorithmSpecification"]["TrainingImage"] == "${TrainingImageUri}"
    assert job["RoleArn"] == "${TrainingRoleArn}"


def test_training_outlives_interruptions_as_configured(steps: dict[str, Any]) -> None:
    job = steps["TrainModel"]["Arguments"]
    assert job["EnableManagedSpotTraining"] is True
    assert job["StoppingCondition"]["MaxWaitTimeInSeconds"] == 41 * 60
    assert job["RetryStrategy"] == {"MaximumRetryAttempts": 4}


def test_equal_rows_settings_and_code_share_checkpoints_in_every_execution(
    steps: dict[str, Any],
) -> None:
    place = steps["TrainModel"]["Arguments"]["CheckpointConfig"]["S3Uri"]["Std:Join"]
    settings, rows = place["Values"]
    assert place["On"] == "/"
    assert settings == (
        f"s3://${{ArtifactsBucket}}/{checkpoint_prefix({'rounds': '12'}, 3)}/${{ImageTag}}"
    )
    assert rows == {"Get": "Steps.ComputeFeatures.ProcessingJobName"}


def test_training_tells_sagemaker_its_metrics(steps: dict[str, Any]) -> None:
    algorithm = steps["TrainModel"]["Arguments"]["AlgorithmSpecification"]
    assert algorithm["MetricDefinitions"] == metric_definitions()


def test_training_on_gpus_runs_the_image_for_them_and_is_told_so() -> None:
    training = TrainingJobConfig(device="cuda", instance_type="ml.g5.xlarge")
    config = TrainingConfig(jobs=JobConfig(training=training))
    document = json.loads(training_definition(config, revision=REVISION))
    by_name = {step["Name"]: step for step in document["Steps"]}
    job = by_name["TrainModel"]["Arguments"]
    assert job["HyperParameters"] == {"device": "cuda"}
    # AWS refuses a key for the disk that such an instance brings along.
    assert set(job["ResourceConfig"]) == {"InstanceCount", "InstanceType"}
    assert job["AlgorithmSpecification"]["TrainingImage"] == "${TrainingImageUri}"
    # The evaluation scores on a processor.
    evaluation = by_name["EvaluateModel"]["Arguments"]["AppSpecification"]
    assert evaluation["ImageUri"] == "${ImageUri}"
