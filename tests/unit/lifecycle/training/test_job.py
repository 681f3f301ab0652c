import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lifecycle.jobs.job_requests import Compute
from lifecycle.training.job import (
    OBJECTIVE,
    TrainingJobConfig,
    checkpoint_prefix,
    metric_definitions,
    training_request,
)

COMPUTE = Compute(instance_type="ml.m5.xlarge", volume_size_gib=17, max_runtime_minutes=23)


def request(config: TrainingJobConfig) -> dict[str, Any]:
    return training_request(
        "train",
        role="${TrainingRoleArn}",
        compute=COMPUTE,
        config=config,
        channels={"train": "s3://bucket/rows"},
        output_uri="s3://bucket/models",
        hyperparameters={},
        checkpoint_uri="s3://bucket/checkpoints/here",
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"instance_type": "m5.large"}, "instance_type must be a SageMaker instance type, got m5"),
        ({"instance_count": 0}, "instance_count must be between 1 and 100, got 0"),
        ({"instance_count": 101}, "instance_count must be between 1 and 100, got 101"),
        ({"device": "tpu"}, "device must be one of cpu, cuda, got tpu"),
        ({"device": "cuda"}, "instance_type must have a GPU with device cuda, got ml.m5.xlarge"),
        ({"retries": -1}, "retries must be between 0 and 30, got -1"),
        ({"retries": 31}, "retries must be between 0 and 30, got 31"),
        ({"spot": True, "checkpoints": False}, "checkpoints must be true with spot, got false"),
        ({"max_wait_minutes": 60}, "max_wait_minutes must be omitted without spot, got 60"),
    ],
)
def test_values_that_make_no_sense_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}.*; "):
        TrainingJobConfig(**values)


@pytest.mark.parametrize("instance_type", ["ml.g4dn.xlarge", "ml.g5.xlarge", "ml.p3.2xlarge"])
def test_instances_with_gpus_take_cuda(instance_type: str) -> None:
    config = TrainingJobConfig(device="cuda", instance_type=instance_type)
    assert config.instance_type == instance_type


def test_a_job_keeps_its_checkpoints() -> None:
    assert request(TrainingJobConfig())["CheckpointConfig"] == {
        "S3Uri": "s3://bucket/checkpoints/here",
        "LocalPath": "/opt/ml/checkpoints",
    }


def test_checkpoints_can_be_switched_off() -> None:
    assert "CheckpointConfig" not in request(TrainingJobConfig(checkpoints=False))


def test_capacity_is_its_own_unless_spare_capacity_is_asked_for() -> None:
    own = request(TrainingJobConfig())
    assert "EnableManagedSpotTraining" not in own
    assert own["StoppingCondition"] == {"MaxRuntimeInSeconds": 23 * 60}


@pytest.mark.parametrize(("given", "minutes"), [(None, 46), (31, 31)])
def test_on_spare_capacity_a_job_waits_for_a_limited_time(given: int | None, minutes: int) -> None:
    spot = request(TrainingJobConfig(spot=True, max_wait_minutes=given))
    assert spot["EnableManagedSpotTraining"] is True
    assert spot["StoppingCondition"] == {
        "MaxRuntimeInSeconds": 23 * 60,
        "MaxWaitTimeInSeconds": minutes * 60,
    }


def test_errors_of_sagemaker_are_tried_again_as_often_as_configured() -> None:
    assert request(TrainingJobConfig(retries=5))["RetryStrategy"] == {"MaximumRetryAttempts": 5}
    assert "RetryStrategy" not in request(TrainingJobConfig(retries=0))


@settings(deadline=None)
@given(value=st.floats(0, 1), other=st.floats(0, 1), rounds=st.integers(1, 10_000))
def test_metrics_are_found_in_the_lines_that_training_prints(
    value: float, other: float, rounds: int
) -> None:
    printed = {"round": rounds, OBJECTIVE: value, "validation:auc_roc": other}
    wanted = {OBJECTIVE: value, "validation:auc_roc": other}
    found = {
        each["Name"]: re.findall(each["Regex"], json.dumps(printed))
        for each in metric_definitions()
    }
    assert {name: [float(text) for text in texts] for name, texts in found.items()} == {
        name: [number] for name, number in wanted.items()
    }


HYPERPARAMETERS = st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=8), max_size=4)


@settings(deadline=None)
@given(first=HYPERPARAMETERS, second=HYPERPARAMETERS, hosts=st.integers(1, 4))
def test_jobs_share_checkpoints_only_if_their_settings_are_the_same(
    first: dict[str, str], second: dict[str, str], hosts: int
) -> None:
    place = checkpoint_prefix(first, hosts)
    reordered = dict(reversed(first.items()))
    assert checkpoint_prefix(reordered, hosts) == place
    assert (checkpoint_prefix(second, hosts) == place) is (first == second)
    assert checkpoint_prefix(first, hosts + 1) != place
    assert re.fullmatch("checkpoints/[0-9a-f]{16}", place)
