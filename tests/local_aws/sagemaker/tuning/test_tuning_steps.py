"""Tuning steps of pipelines, and what the registry is told by later steps."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local_aws.server import EmbeddedAws
from tests.local_aws.sagemaker.conftest import (
    IMAGE,
    end,
    json_get,
    printed,
    report_file,
    steps_of,
    unique,
)

STAND_IN = Path(__file__).parents[1] / "stand_in_training"


@pytest.fixture
def tuning(bucket: str, job_role: str) -> Callable[..., dict[str, Any]]:
    """tuning(**static): a step that tries two kinds, of which `a` is the better one."""

    def make(**static: Any) -> dict[str, Any]:
        arguments = {
            "HyperParameterTuningJobConfig": {
                "Strategy": "Grid",
                "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "score"},
                "ResourceLimits": {"MaxParallelTrainingJobs": 2},
                "ParameterRanges": {
                    "CategoricalParameterRanges": [{"Name": "kind", "Values": ["b", "a"]}]
                },
            },
            "TrainingJobDefinition": {
                "AlgorithmSpecification": {
                    "TrainingImage": IMAGE,
                    "TrainingInputMode": "File",
                    "MetricDefinitions": [{"Name": "score", "Regex": '"score": ([-0-9.eE+]+)'}],
                },
                "StaticHyperParameters": static,
                "RoleArn": job_role,
                "Environment": {"PYTHONPATH": str(STAND_IN)},
                "OutputDataConfig": {"S3OutputPath": f"s3://{bucket}/tuned"},
                "ResourceConfig": {
                    "InstanceType": "ml.m5.large",
                    "InstanceCount": 1,
                    "VolumeSizeInGB": 1,
                },
                "StoppingCondition": {"MaxRuntimeInSeconds": 60},
            },
        }
        return {
            "Name": "Tune_everything",
            "Type": "Tuning",
            "Arguments": arguments,
            "CacheConfig": {"Enabled": True},
        }

    return make


def registration(bucket: str, group: str) -> dict[str, Any]:
    """A step that registers the best model, described by property files."""
    # As the SDK's get_top_model_s3_uri has it.
    best = {"Get": "Steps.Tune_everything.TrainingJobSummaries[0].TrainingJobName"}
    values = ["s3:/", bucket, "tuned", best, "output/model.tar.gz"]
    return {
        "Name": "Register",
        "Type": "RegisterModel",
        "Arguments": {
            "ModelPackageGroupName": group,
            "InferenceSpecification": {
                "Containers": [
                    {"Image": IMAGE, "ModelDataUrl": {"Std:Join": {"On": "/", "Values": values}}}
                ],
                "SupportedContentTypes": ["text/csv"],
                "SupportedResponseMIMETypes": ["text/csv"],
            },
            "CustomerMetadataProperties": {
                "train_rows": json_get("Describe", "package.train_rows"),
                "gate_reason": json_get("Describe", "package['gate_reason']"),
                "tuning": {"Get": "Steps.Tune_everything.HyperParameterTuningJobName"},
                "best": {"Get": "Steps.Tune_everything.BestTrainingJob.TrainingJobName"},
            },
            "ModelCard": {
                "ModelCardContent": json_get("Describe", "content"),
                "ModelCardStatus": json_get("Describe", "status"),
            },
            "ModelApprovalStatus": "PendingManualApproval",
        },
    }


def test_the_best_model_is_registered_with_what_is_known_of_it(
    client: Callable[[str], Any],
    bucket: str,
    pipeline: Any,
    execute: Any,
    processing: Any,
    tuning: Any,
) -> None:
    sagemaker, group = client("sagemaker"), unique("group")
    level = {"Std:Join": {"On": "", "Values": [{"Get": "Parameters.Level"}]}}
    describe = processing("Describe", "card", "Draft", PropertyFiles=[report_file()])
    name = pipeline(
        [tuning(level=level), describe, registration(bucket, group)],
        [{"Name": "Level", "Type": "Integer", "DefaultValue": 2}],
    )
    execution = execute(name)
    assert execution["PipelineExecutionStatus"] == "Succeeded", execution.get("FailureReason")
    steps = steps_of(client, execution)
    arn = steps["Tune_everything"]["Metadata"]["TuningJob"]["Arn"]
    tuned = arn.rpartition("/")[2]
    assert len(tuned) <= 32
    assert tuned.startswith(f"{execution['PipelineExecutionArn'].rpartition('/')[2]}-Tune-eve-")
    job = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=tuned)
    best = job["BestTrainingJob"]
    assert best["TunedHyperParameters"] == {"kind": "a"}
    assert best["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] == 3.0  # 1, and the level

    package = sagemaker.describe_model_package(
        ModelPackageName=steps["Register"]["Metadata"]["RegisterModel"]["Arn"]
    )
    (container,) = package["InferenceSpecification"]["Containers"]
    model = f"s3://{bucket}/tuned/{best['TrainingJobName']}/output/model.tar.gz"
    assert container["ModelDataUrl"] == model
    assert client("s3").head_object(Bucket=bucket, Key=model.removeprefix(f"s3://{bucket}/"))
    assert package["CustomerMetadataProperties"] == {
        "train_rows": "120",
        "gate_reason": "passed: 0.75 is not below 0.5",
        "tuning": tuned,
        "best": best["TrainingJobName"],
    }
    assert package["ModelCard"] == {
        "ModelCardContent": '{"model_overview": {"model_creator": "the tests"}}',
        "ModelCardStatus": "Draft",
    }

    again = steps_of(client, execute(name))["Tune_everything"]
    assert (
        again["CacheHitResult"]["SourcePipelineExecutionArn"] == (execution["PipelineExecutionArn"])
    )
    other = steps_of(client, execute(name, Level="3"))["Tune_everything"]
    assert "CacheHitResult" not in other


def test_a_tuning_step_fails_with_its_job(
    client: Callable[[str], Any], pipeline: Any, execute: Any, tuning: Any
) -> None:
    execution = execute(pipeline([tuning(fail="no fraud at all")]))
    assert execution["PipelineExecutionStatus"] == "Failed"
    step = steps_of(client, execution)["Tune_everything"]
    assert "All training jobs have failed" in step["FailureReason"]


def test_a_stopped_execution_stops_its_tuning_job(
    client: Callable[[str], Any],
    pipeline: Any,
    tuning: Any,
    eventually: Any,
    embedded_aws: EmbeddedAws,
) -> None:
    sagemaker = client("sagemaker")
    name = pipeline([tuning(epochs="1000", pause="0.5")])
    arn = sagemaker.start_pipeline_execution(PipelineName=name)["PipelineExecutionArn"]
    execution = {"PipelineExecutionArn": arn}
    step = eventually(
        lambda: steps_of(client, execution).get("Tune_everything", {}).get("Metadata")
    )
    tuned = step["TuningJob"]["Arn"].rpartition("/")[2]
    jobs = sagemaker.list_training_jobs_for_hyper_parameter_tuning_job
    for trial in eventually(
        lambda: jobs(HyperParameterTuningJobName=tuned)["TrainingJobSummaries"]
    ):
        eventually(lambda trial=trial: printed(embedded_aws, trial["TrainingJobName"]))
    sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn)
    assert end(sagemaker, arn)["PipelineExecutionStatus"] == "Stopped"
    job = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=tuned)
    assert job["HyperParameterTuningJobStatus"] == "Stopped"
