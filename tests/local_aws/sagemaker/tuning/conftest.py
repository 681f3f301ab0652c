"""Tuning jobs of a stand-in that scores by its parameters."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.local_aws.sagemaker.conftest import IMAGE, unique, wait_for

STAND_IN = Path(__file__).parents[1] / "stand_in_training"


X = {"ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]}


KINDS = {"CategoricalParameterRanges": [{"Name": "kind", "Values": ["c", "a", "b"]}]}


@pytest.fixture
def tune(client: Callable[[str], Any], bucket: str, job_role: str) -> Callable[..., Any]:
    """tune(ranges, jobs=3, **static): the description of a tuning job that has ended.

    Its other arguments change the request's config, definition or the request itself.
    """
    sagemaker = client("sagemaker")

    def run(
        ranges: dict[str, Any],
        jobs: int | None = 3,
        parallel: int = 1,
        *,
        strategy: str = "Random",
        wait: bool = True,
        config: dict[str, Any] | None = None,
        definition: dict[str, Any] | None = None,
        request: dict[str, Any] | None = None,
        **static: str,
    ) -> dict[str, Any]:
        name = unique("tuning")
        limits = {"MaxParallelTrainingJobs": parallel}
        sagemaker.create_hyper_parameter_tuning_job(
            **{
                "HyperParameterTuningJobName": name,
                "HyperParameterTuningJobConfig": {
                    "Strategy": strategy,
                    "HyperParameterTuningJobObjective": {
                        "Type": "Maximize",
                        "MetricName": "score",
                    },
                    "ResourceLimits": limits
                    | ({} if jobs is None else {"MaxNumberOfTrainingJobs": jobs}),
                    "ParameterRanges": ranges,
                    "RandomSeed": 7,
                    **(config or {}),
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
                    **(definition or {}),
                },
                **(request or {}),
            }
        )
        if not wait:
            return {"HyperParameterTuningJobName": name}
        return wait_for(
            lambda: sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name),
            "HyperParameterTuningJobStatus",
        )

    return run


def score(trial: dict[str, Any]) -> float:
    return float(trial["FinalHyperParameterTuningJobObjectiveMetric"]["Value"])
