"""What jobs and endpoints take of which quota, of an established account."""

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from local_aws.sagemaker.endpoints import capacity
from local_aws.sagemaker.errors import ServiceError
from local_aws.sagemaker.quotas import check_job
from local_aws.sagemaker.store import Store


def resources(kind: str, count: int) -> dict[str, Any]:
    return {"InstanceType": kind, "InstanceCount": count}


def tuning(kind: str, count: int, parallel: int) -> dict[str, Any]:
    return {
        "HyperParameterTuningJobConfig": {"ResourceLimits": {"MaxParallelTrainingJobs": parallel}},
        "TrainingJobDefinition": {"ResourceConfig": resources(kind, count)},
    }


SPOT = {"EnableManagedSpotTraining": True}
GROUPS = {"InstanceGroups": [resources("ml.m5.large", 2), resources("ml.g5.xlarge", 2)]}


@pytest.mark.parametrize(
    ("kind", "request_", "said"),
    [
        (
            "transform-job",
            {"TransformResources": resources("ml.m5.xlarge", 9)},
            "'ml.m5.xlarge for transform job usage' is 8 Instances",
        ),
        (
            "processing-job",
            {"ProcessingResources": {"ClusterConfig": resources("ml.r5.2xlarge", 4)}},
            "'ml.r5.2xlarge for processing job usage' is 0 Instances",
        ),
        (
            "training-job",
            {"ResourceConfig": resources("ml.m5.4xlarge", 11), **SPOT},
            "'ml.m5.4xlarge for spot training job usage' is 10 Instances",
        ),
        (
            "training-job",
            {"ResourceConfig": GROUPS},
            "'ml.g5.xlarge for training job usage' is 1 Instances, with current utilization of 0",
        ),
        (
            "hyper-parameter-tuning-job",
            tuning("ml.c5.xlarge", 4, 8),
            "'ml.c5.xlarge for training job usage' is 30 Instances, with current utilization of 0 "
            "Instances and a request delta of 32 Instances",
        ),
    ],
)
def test_a_job_is_held_to_the_quota_of_its_kind(
    tmp_path: Path, kind: str, request_: dict[str, Any], said: str
) -> None:
    context: Any = SimpleNamespace(store=Store(tmp_path / "store.db"))
    with pytest.raises(ServiceError, match=said):
        check_job(context, kind, request_)


def test_jobs_that_have_ended_and_of_other_kinds_do_not_count(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.db")
    context: Any = SimpleNamespace(store=store)
    wanted = {"ResourceConfig": resources("ml.c5.4xlarge", 5)}
    store.put("training-job", "a", {**wanted, "TrainingJobStatus": "Completed"})
    store.put("training-job", "b", {**wanted, **SPOT, "TrainingJobStatus": "InProgress"})
    check_job(context, "training-job", wanted)
    store.put("training-job", "c", {**wanted, "TrainingJobStatus": "Stopping"})
    with pytest.raises(ServiceError, match="is 8 Instances, with current utilization of 5"):
        check_job(context, "training-job", wanted)
    # A tuning job's training jobs are what counts of it.
    with pytest.raises(ServiceError, match="is 8 Instances, with current utilization of 5"):
        check_job(context, "hyper-parameter-tuning-job", tuning("ml.c5.4xlarge", 1, 4))
    # A type that the table does not know is limited by the sum alone.
    check_job(context, "training-job", {"ResourceConfig": resources("ml.x1.large", 20)})


def test_what_is_being_launched_counts_and_what_failed_does_not(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.db")
    context: Any = SimpleNamespace(store=store)
    kind = "ml.c6i.large"  # 16 of an established account
    store.put("endpoint", "a", {"EndpointStatus": "Creating", "Adding": {kind: 10}})
    store.put("endpoint", "b", {"EndpointStatus": "Failed"})
    capacity.admit(context, Counter({kind: 6}), 6)
    with pytest.raises(ServiceError, match="utilization of 10 Instances and a request delta of 7"):
        capacity.admit(context, Counter({kind: 7}), 7)
    store.put("endpoint", "a", {"EndpointStatus": "Failed"})
    capacity.admit(context, Counter({kind: 16}), 16)
    with pytest.raises(ServiceError, match="'Maximum number of instances per endpoint' is 200"):
        capacity.admit(context, Counter({kind: 201}), 201)
