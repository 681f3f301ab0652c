"""Requests for tuning that are refused, and who may make them."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_aws.sagemaker.conftest import allow, unique

from .conftest import KINDS, X


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"strategy": "Hyperband"}, "does not support the strategy Hyperband"),
        ({"request": {"Autotune": {"Mode": "Enabled"}}}, "does not support Autotune"),
        ({"strategy": "Grid", "jobs": None}, "Grid must be categorical, got 'x'"),
        (
            {"strategy": "Grid", "ranges": KINDS, "jobs": 2, "parallel": 1},
            "MaxNumberOfTrainingJobs must be 3",
        ),
        ({"jobs": None}, "MaxNumberOfTrainingJobs must be given"),
        ({"parallel": 4}, r"at most MaxNumberOfTrainingJobs \(3\), got 4"),
        ({"x": "1"}, "'x' must be static or have a range, got both"),
        ({"_tuning_objective_metric": "y"}, "names must not be _tuning_objective_metric"),
        (
            {
                "config": {
                    "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "auc"}
                }
            },
            "objective 'auc' must be one of the MetricDefinitions, which has score",
        ),
        ({"config": {"ParameterRanges": {}}}, "ParameterRanges must hold a range"),
        (
            {
                "config": {
                    "TuningJobCompletionCriteria": {
                        "ConvergenceDetected": {"CompleteOnConvergence": "Enabled"}
                    }
                }
            },
            "does not support ConvergenceDetected",
        ),
        (
            {"definition": {"EnableManagedSpotTraining": True}},
            "Invalid MaxWaitTimeInSeconds",
        ),
        (
            {
                "request": {
                    "WarmStartConfig": {
                        "ParentHyperParameterTuningJobs": [
                            {"HyperParameterTuningJobName": "nobody"}
                        ],
                        "WarmStartType": "TransferLearning",
                    }
                }
            },
            "can't find a tuning job with the name nobody",
        ),
    ],
)
def test_what_cannot_run_is_refused_by_name(
    tune: Any, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ClientError, match=message):
        tune(**{"ranges": X, **arguments})


def test_permissions_name_the_tuning_job(
    client: Callable[[str], Any],
    make_role: Callable[..., str],
    session: Any,
    tune: Any,
) -> None:
    job = tune(X, 1)
    name, arn = job["HyperParameterTuningJobName"], job["HyperParameterTuningJobArn"]
    actions = ("DescribeHyperParameterTuningJob", "ListTrainingJobsForHyperParameterTuningJob")
    role = make_role(allow([f"sagemaker:{action}" for action in actions], arn))
    assumed = client("sts").assume_role(RoleArn=role, RoleSessionName="reader")["Credentials"]
    reader = session.client(
        "sagemaker",
        aws_access_key_id=assumed["AccessKeyId"],
        aws_secret_access_key=assumed["SecretAccessKey"],
        aws_session_token=assumed["SessionToken"],
    )
    assert reader.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    assert reader.list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name
    )["TrainingJobSummaries"]
    with pytest.raises(ClientError, match="not authorized"):
        reader.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName="other")
    with pytest.raises(ClientError, match="not authorized"):
        reader.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)


def test_the_training_role_must_be_passed(
    client: Callable[[str], Any], make_role: Callable[..., str], session: Any, tune: Any
) -> None:
    request = client("sagemaker").describe_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=tune(X, 1)["HyperParameterTuningJobName"]
    )
    role = make_role(allow(["sagemaker:CreateHyperParameterTuningJob"], "*"))
    assumed = client("sts").assume_role(RoleArn=role, RoleSessionName="tuner")["Credentials"]
    tuner = session.client(
        "sagemaker",
        aws_access_key_id=assumed["AccessKeyId"],
        aws_secret_access_key=assumed["SecretAccessKey"],
        aws_session_token=assumed["SessionToken"],
    )
    with pytest.raises(ClientError, match="iam:PassRole"):
        tuner.create_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=unique("tuning"),
            HyperParameterTuningJobConfig=request["HyperParameterTuningJobConfig"],
            TrainingJobDefinition=request["TrainingJobDefinition"],
        )
