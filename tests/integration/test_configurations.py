"""What no environment is configured for runs as well: the very definition, under live roles.

A pipeline beside the deployed one tunes on spare capacity with two instances a job, and has a gate
that no model passes: nothing is registered that other tests would meet.
"""

import json
from collections.abc import Iterator
from typing import Any

import lifecycle  # noqa: F401  # first: it tells jsii which node to start when aws_cdk is imported

# isort: split
import pytest

from lifecycle.training.config import JobConfig, TrainingConfig
from lifecycle.training.job import OBJECTIVE, TrainingJobConfig
from lifecycle.training.model_gate import GateConfig
from lifecycle.training.pipeline_definition import PLACEHOLDERS, training_definition
from lifecycle.training.tuning import TuningConfig
from lifecycle.training.tuning_ranges import IntegerRange
from operations import executions
from operations.data.lake import data_version
from operations.models import registry
from operations.target import Target

pytestmark = pytest.mark.end_to_end

NAME = "fraudloop-local-tuned"
CONFIG = TrainingConfig(
    train_days=21,
    test_days=7,
    hyperparameters={"rounds": "6", "validation_days": "4"},
    gate=GateConfig(size_limit_mib=0.0001, reviews_per_day=10),
    tuning=TuningConfig(
        ranges=[IntegerRange(name="max_depth", low=2, high=5)],
        strategy="Random",
        max_jobs=2,
        max_parallel_jobs=1,
    ),
    jobs=JobConfig(training=TrainingJobConfig(instance_count=2, spot=True)),
)
ROLES = {
    "BaselineRoleArn": "Baseline",
    "CheckRoleArn": "CheckData",
    "EvaluationRoleArn": "EvaluateModel",
    "FeaturesRoleArn": "ComputeFeatures",
    "TrainingRoleArn": "TrainModel",
}
TUNING = (
    "AddTags",
    "CreateHyperParameterTuningJob",
    "DescribeHyperParameterTuningJob",
    "ListTrainingJobsForHyperParameterTuningJob",
    "StopHyperParameterTuningJob",
)


def values(target: Target, deployed: dict[str, Any]) -> dict[str, str]:
    """What the deployed definition has in the place of each placeholder."""
    steps = {step["Name"]: step["Arguments"] for step in deployed["Steps"]}
    features = steps["ComputeFeatures"]
    image = str(features["AppSpecification"]["ImageUri"])
    found = {
        **{placeholder: str(steps[step]["RoleArn"]) for placeholder, step in ROLES.items()},
        "ArtifactsBucket": target.output("ArtifactsBucketName"),
        "FeatureGroupPattern": str(features["Environment"]["FEATURE_GROUP_PATTERN"]),
        "FeatureJobImageUri": image,
        "FeaturesBucket": target.output("FeaturesBucketName"),
        "ImageTag": image.rpartition(":")[2],
        "ImageUri": image,
        "KeyArn": str(features["ProcessingOutputConfig"]["KmsKeyId"]),
        "MetricNamespace": str(features["Environment"]["POWERTOOLS_METRICS_NAMESPACE"]),
        "ModelPackageGroup": target.output("ModelPackageGroupName"),
        "RawBucket": target.output("RawBucketName"),
        "StoreReads": str(features["Environment"]["STORE_READS_A_SECOND"]),
        "TrainingImageUri": image,
    }
    assert set(found) == set(PLACEHOLDERS)
    return {**found, "AWS::Region": str(target.session.region_name)}


@pytest.fixture(scope="module")
def pipeline(played: Any) -> Iterator[str]:
    """The pipeline, under the deployed one's role and with what a tuning one is granted."""
    sagemaker, iam = played.target.client("sagemaker"), played.target.client("iam")
    deployed = sagemaker.describe_pipeline(
        PipelineName=played.target.output("TrainingPipelineName")
    )
    definition = training_definition(CONFIG, revision="unknown")
    for name, value in values(played.target, json.loads(deployed["PipelineDefinition"])).items():
        definition = definition.replace(f"${{{name}}}", value)
    role = deployed["RoleArn"].rpartition("/")[2]
    allowed = {
        "Effect": "Allow",
        "Action": [f"sagemaker:{action}" for action in TUNING],
        "Resource": "arn:aws:sagemaker:*:*:hyper-parameter-tuning-job/*",
    }
    iam.put_role_policy(
        RoleName=role,
        PolicyName="tuning",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allowed]}),
    )
    sagemaker.create_pipeline(
        PipelineName=NAME,
        PipelineDefinition=definition,
        RoleArn=deployed["RoleArn"],
        ClientRequestToken=f"{NAME}-of-the-integration-tests",
    )
    yield NAME
    sagemaker.delete_pipeline(
        PipelineName=NAME, ClientRequestToken=f"{NAME}-of-the-integration-tests"
    )
    iam.delete_role_policy(RoleName=role, PolicyName="tuning")


def run(target: Target, pipeline: str) -> executions.PipelineExecution:
    arn = target.client("sagemaker").start_pipeline_execution(
        PipelineName=pipeline,
        PipelineParameters=[{"Name": "DataVersion", "Value": data_version(target)}],
    )["PipelineExecutionArn"]
    return executions.watch(target, arn)


@pytest.fixture(scope="module")
def first(played: Any, pipeline: str) -> executions.PipelineExecution:
    return run(played.target, pipeline)


@pytest.fixture(scope="module")
def tuning_job(played: Any, first: executions.PipelineExecution) -> dict[str, Any]:
    (step,) = (step for step in first.steps if step.name == "TuneModel")
    assert step.status == "Succeeded", step.detail
    return dict(
        played.target.client("sagemaker").describe_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=step.detail.rpartition("/")[2]
        )
    )


def test_every_step_before_the_gate_succeeds(first: executions.PipelineExecution) -> None:
    assert {step.name: step.status for step in first.steps} == {
        "CheckData": "Succeeded",
        "ComputeFeatures": "Succeeded",
        "TuneModel": "Succeeded",
        "Baseline": "Succeeded",
        "EvaluateModel": "Succeeded",
        "Gate": "Succeeded",
        "RefuseModel": "Failed",
    }, first.explain()
    (gate,) = (step for step in first.steps if step.name == "Gate")
    assert gate.state == "Refused"
    assert first.explain().startswith("the gate refused the model: average precision ")


def test_the_refusal_says_which_limit_was_missed_and_by_how_much(
    played: Any, first: executions.PipelineExecution
) -> None:
    assert first.status == "Failed"
    (refused,) = (step.detail for step in first.steps if step.status == "Failed")
    assert "size of the model" in refused
    assert "above the limit 0.0001 MiB" in refused
    (evaluated,) = (step for step in first.steps if step.name == "EvaluateModel")
    assert evaluated.status == "Succeeded"
    assert first.model_package is None


def test_the_jobs_that_were_compared_are_of_two_instances_on_spare_capacity(
    played: Any, tuning_job: dict[str, Any]
) -> None:
    sagemaker = played.target.client("sagemaker")
    jobs = sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=tuning_job["HyperParameterTuningJobName"]
    )["TrainingJobSummaries"]
    assert len(jobs) == 2
    for summary in jobs:
        job = sagemaker.describe_training_job(TrainingJobName=summary["TrainingJobName"])
        assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
        assert job["ResourceConfig"]["InstanceCount"] == 2
        assert job["EnableManagedSpotTraining"] is True
        assert job["HyperParameters"]["rounds"] == "6"


def test_the_model_that_was_judged_is_the_one_that_validated_best(
    played: Any, first: executions.PipelineExecution, tuning_job: dict[str, Any]
) -> None:
    sagemaker = played.target.client("sagemaker")
    best = tuning_job["BestTrainingJob"]
    metric = best["FinalHyperParameterTuningJobObjectiveMetric"]
    assert metric["MetricName"] == OBJECTIVE
    assert 0 < metric["Value"] <= 1
    (evaluated,) = (step.detail for step in first.steps if step.name == "EvaluateModel")
    job = sagemaker.describe_processing_job(ProcessingJobName=evaluated.rpartition("/")[2])
    given = {each["InputName"]: each["S3Input"]["S3Uri"] for each in job["ProcessingInputs"]}
    made = sagemaker.describe_training_job(TrainingJobName=best["TrainingJobName"])
    assert given["model"] == made["ModelArtifacts"]["S3ModelArtifacts"]


def test_the_same_data_is_not_tuned_on_again(
    played: Any, pipeline: str, first: executions.PipelineExecution
) -> None:
    before = len(registry.packages(played.target))
    second = run(played.target, pipeline)
    pages = played.target.client("sagemaker").list_pipeline_execution_steps(
        PipelineExecutionArn=second.arn
    )["PipelineExecutionSteps"]
    served = {step["StepName"] for step in pages if "CacheHitResult" in step}
    assert served == {"CheckData", "ComputeFeatures", "TuneModel", "Baseline"}
    # Its model lies below the prefix of the execution that made it, and is found there.
    assert {step.name: step.status for step in second.steps}["EvaluateModel"] == "Succeeded"
    assert len(registry.packages(played.target)) == before
