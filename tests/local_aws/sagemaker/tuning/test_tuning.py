"""Tuning jobs through boto3: strategies, early stopping, warm starts, failures, stops."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws.server import EmbeddedAws
from tests.local_aws.conftest import Queue
from tests.local_aws.sagemaker.conftest import IMAGE, printed, unique, wait_for

from .conftest import KINDS, X, score


@pytest.fixture
def trials(client: Callable[[str], Any]) -> Callable[..., list[dict[str, Any]]]:
    """trials(job, **filters): the training jobs of a tuning job, in the order of their start."""

    def listed(job: dict[str, Any], **filters: Any) -> list[dict[str, Any]]:
        answer = client("sagemaker").list_training_jobs_for_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=job["HyperParameterTuningJobName"], **filters
        )
        found: list[dict[str, Any]] = answer["TrainingJobSummaries"]
        return found

    return listed


def test_the_best_of_the_training_jobs_is_found(
    client: Callable[[str], Any], tune: Any, trials: Any
) -> None:
    sagemaker = client("sagemaker")
    tags = [{"Key": "team", "Value": "fraud"}]
    job = tune(X, 4, 2, request={"Tags": tags}, epochs="2")
    name = job["HyperParameterTuningJobName"]
    assert job["HyperParameterTuningJobStatus"] == "Completed", job.get("FailureReason")
    assert job["TrainingJobStatusCounters"]["Completed"] == 4
    assert job["ObjectiveStatusCounters"] == {"Succeeded": 4, "Pending": 0, "Failed": 0}

    found = trials(job)
    assert [item["TrainingJobName"][: len(name) + 5] for item in found] == [
        f"{name}-00{number}-" for number in range(1, 5)
    ]
    for item in found:
        x = float(item["TunedHyperParameters"]["x"])
        assert score(item) == pytest.approx(1 - (x - 0.3) ** 2)
    best = max(found, key=score)
    assert job["BestTrainingJob"]["TrainingJobName"] == best["TrainingJobName"]
    ranked = trials(job, SortBy="FinalObjectiveMetricValue", SortOrder="Descending")
    assert ranked == sorted(found, key=score, reverse=True)

    training = sagemaker.describe_training_job(TrainingJobName=best["TrainingJobName"])
    assert training["TuningJobArn"] == job["HyperParameterTuningJobArn"]
    assert training["HyperParameters"] == {
        "epochs": "2",
        "x": best["TunedHyperParameters"]["x"],
        "_tuning_objective_metric": "score",
    }
    assert training["ModelArtifacts"]["S3ModelArtifacts"].endswith("/output/model.tar.gz")
    assert sagemaker.list_tags(ResourceArn=training["TrainingJobArn"])["Tags"] == tags
    (summary,) = sagemaker.list_hyper_parameter_tuning_jobs(NameContains=name)[
        "HyperParameterTuningJobSummaries"
    ]
    assert summary["Strategy"] == "Random"
    assert summary["HyperParameterTuningJobStatus"] == "Completed"


def test_one_seed_tries_the_same_values(tune: Any, trials: Any) -> None:
    first, second = (
        [item["TunedHyperParameters"] for item in trials(tune(X, 3, parallel))]
        for parallel in (1, 3)
    )
    assert first == second


def test_a_grid_is_tried_as_a_whole(tune: Any, trials: Any) -> None:
    job = tune(KINDS, None, 9, strategy="Grid")
    values = [item["TunedHyperParameters"]["kind"] for item in trials(job)]
    assert values == ["c", "a", "b"]
    assert job["BestTrainingJob"]["TunedHyperParameters"] == {"kind": "a"}


def test_bayesian_search_learns_from_the_jobs(tune: Any, trials: Any) -> None:
    job = tune(X, 8, 2, strategy="Bayesian")
    assert job["HyperParameterTuningJobStatus"] == "Completed", job.get("FailureReason")
    assert abs(float(job["BestTrainingJob"]["TunedHyperParameters"]["x"]) - 0.3) < 0.05


def test_a_warm_start_knows_what_its_parent_has_seen(tune: Any, trials: Any) -> None:
    parent = tune(X, 6, 2)
    parents = [{"HyperParameterTuningJobName": parent["HyperParameterTuningJobName"]}]

    def warm(kind: str) -> dict[str, Any]:
        return {
            "WarmStartConfig": {"ParentHyperParameterTuningJobs": parents, "WarmStartType": kind}
        }

    child = tune(X, 1, strategy="Bayesian", request=warm("IdenticalDataAndAlgorithm"))
    (only,) = trials(child)
    # Cold, the first point would have been drawn without looking.
    assert abs(float(only["TunedHyperParameters"]["x"]) - 0.3) < 0.15
    best = max([*trials(parent), only], key=score)
    assert child["OverallBestTrainingJob"]["TrainingJobName"] == best["TrainingJobName"]
    assert child["BestTrainingJob"]["TrainingJobName"] == only["TrainingJobName"]

    other = {"MetricDefinitions": [{"Name": "score", "Regex": "score=(.*)"}]}
    algorithm = {"TrainingImage": IMAGE, "TrainingInputMode": "File", **other}
    changed = {"AlgorithmSpecification": algorithm}
    with pytest.raises(ClientError, match=r"same AlgorithmSpecification .* use TransferLearning"):
        tune(X, 1, request=warm("IdenticalDataAndAlgorithm"), definition=changed)
    transferred = tune(X, 1, request=warm("TransferLearning"), definition=changed, wait=False)
    assert transferred["HyperParameterTuningJobName"]


def test_jobs_that_fall_behind_are_stopped(tune: Any, trials: Any) -> None:
    levels = {"CategoricalParameterRanges": [{"Name": "level", "Values": ["3", "2", "4", "-9"]}]}
    job = tune(
        levels,
        None,
        strategy="Grid",
        config={"TrainingJobEarlyStoppingType": "Auto"},
        epochs="200",
        pause="0.005",
    )
    assert job["HyperParameterTuningJobStatus"] == "Completed", job.get("FailureReason")
    assert [item["TrainingJobStatus"] for item in trials(job)] == [
        *("Completed", "Completed", "Completed", "Stopped")
    ]
    assert job["TrainingJobStatusCounters"]["Stopped"] == 1
    assert trials(job)[-1]["ObjectiveStatus"] == "Succeeded"
    assert trials(job, StatusEquals="Stopped") == trials(job)[-1:]
    assert job["BestTrainingJob"]["TunedHyperParameters"] == {"level": "4"}


def test_it_ends_when_the_objective_is_good_enough(tune: Any, trials: Any) -> None:
    criteria = {"TuningJobCompletionCriteria": {"TargetObjectiveMetricValue": 0.0}}
    job = tune(X, 50, config=criteria)
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert len(trials(job)) == 1
    unmoved = {"BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 3}}
    job = tune(
        {"CategoricalParameterRanges": [{"Name": "y", "Values": [str(i) for i in range(9)]}]},
        None,
        strategy="Grid",
        config={"TuningJobCompletionCriteria": unmoved},
    )
    assert len(trials(job)) == 4
    assert job["TuningJobCompletionDetails"]["NumberOfTrainingJobsObjectiveNotImproving"] == 3


def test_it_fails_if_all_of_its_jobs_fail(tune: Any, trials: Any) -> None:
    job = tune(X, 2, fail="no fraud in the training rows")
    assert job["HyperParameterTuningJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("All training jobs have failed")
    assert job["TrainingJobStatusCounters"]["NonRetryableError"] == 2
    for item in trials(job):
        assert item["ObjectiveStatus"] == "Failed"
        assert item["FailureReason"] == (
            "AlgorithmError: no fraud in the training rows, exit code: 1"
        )
    assert "BestTrainingJob" not in job


def test_it_gives_up_after_five_jobs_without_an_objective(tune: Any, trials: Any) -> None:
    job = tune(X, 20, silent="yes")
    assert job["HyperParameterTuningJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("No training job succeeded after 5 attempts")
    assert [item["TrainingJobStatus"] for item in trials(job)] == ["Completed"] * 5
    assert job["ObjectiveStatusCounters"]["Failed"] == 5


def test_a_stop_stops_its_jobs_and_is_an_event(
    client: Callable[[str], Any],
    tune: Any,
    trials: Any,
    eventually: Any,
    queue: Queue,
    embedded_aws: EmbeddedAws,
) -> None:
    sagemaker, rule = client("sagemaker"), unique("rule")
    pattern = {"detail-type": ["SageMaker HyperParameter Tuning Job State Change"]}
    client("events").put_rule(Name=rule, EventPattern=json.dumps(pattern))
    queue.allow("events.amazonaws.com")
    client("events").put_targets(Rule=rule, Targets=[{"Id": "queue", "Arn": queue.arn}])
    job = tune(X, 9, 2, wait=False, epochs="1000", pause="0.5")
    name = job["HyperParameterTuningJobName"]
    eventually(lambda: len(trials(job, StatusEquals="InProgress")) == 2)
    for item in trials(job):
        eventually(lambda item=item: printed(embedded_aws, item["TrainingJobName"]))
    with pytest.raises(sagemaker.exceptions.ResourceInUse, match="stop it first"):
        sagemaker.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    ended = wait_for(
        lambda: sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name),
        "HyperParameterTuningJobStatus",
    )
    assert ended["HyperParameterTuningJobStatus"] == "Stopped"
    assert [item["TrainingJobStatus"] for item in trials(job)] == ["Stopped", "Stopped"]
    seen: list[str] = []

    def statuses() -> bool:
        details = [message["detail"] for message in queue.take()]
        ours = [item for item in details if item["HyperParameterTuningJobName"] == name]
        seen.extend(item["HyperParameterTuningJobStatus"] for item in ours)
        return "Stopped" in seen

    eventually(statuses)
    client("events").remove_targets(Rule=rule, Ids=["queue"])
    client("events").delete_rule(Name=rule)
    assert sorted(seen) == ["InProgress", "Stopped", "Stopping"]
    with pytest.raises(ClientError, match="is in status Stopped"):
        sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    sagemaker.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    with pytest.raises(sagemaker.exceptions.ResourceNotFound):
        sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)


def test_training_jobs_have_checkpoints_of_their_own(
    client: Callable[[str], Any], bucket: str, tune: Any, trials: Any
) -> None:
    config = {"CheckpointConfig": {"S3Uri": f"s3://{bucket}/tuned-checkpoints"}}
    (trial,) = trials(tune(X, 1, definition=config))
    name = trial["TrainingJobName"]
    job = client("sagemaker").describe_training_job(TrainingJobName=name)
    assert job["CheckpointConfig"]["S3Uri"] == f"s3://{bucket}/tuned-checkpoints/{name}/"
