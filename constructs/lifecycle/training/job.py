"""The training job: its compute, what it tells SageMaker, and how it outlives interruptions."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from lifecycle.jobs.instance_types import check_instance_type
from lifecycle.jobs.job_requests import KEY_ARN, Compute, channel, cluster, entry_point, limit
from lifecycle.lake.data_lake import CHECKPOINTS_PREFIX

__all__ = [
    "OBJECTIVE",
    "TRAINING_IMAGE_URI",
    "TrainingJobConfig",
    "checkpoint_prefix",
    "metric_definitions",
    "training_request",
]

TRAINING_IMAGE_URI: Final = "${TrainingImageUri}"
OBJECTIVE: Final = "validation:average_precision"
METRICS: Final = (OBJECTIVE, "validation:auc_roc")
CHECKPOINT_FOLDER: Final = "/opt/ml/checkpoints"
DEVICES: Final = ("cpu", "cuda")
# SageMaker's accelerated families with NVIDIA GPUs.
GPU_INSTANCE: Final = re.compile(r"ml\.[gp]\d")
# SageMaker's limits for a training job.
MOST_INSTANCES: Final = 100
MOST_RETRIES: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingJobConfig:
    """The compute of the training job, and what happens when it is taken away.

    TrainingJobConfig(instance_count=4, spot=True, max_wait_minutes=240)

    Attributes:
        instance_type: Type of its instances. With device cuda it may have a disk of its own, which
            no key of ours encrypts.
        instance_count: How many of them train one model together; several take XGBoost.
        device: `cpu`, or `cuda` on instances with GPUs, which takes XGBoost and its own image.
        spot: Whether it runs on spare capacity, which costs less and can be taken back.
        max_wait_minutes: With spot, the limit of waiting for capacity and running together. If
            omitted, twice the limit of running.
        checkpoints: Whether a job that was interrupted goes on where it was.
        retries: How often SageMaker starts it again after an error of SageMaker's own.
    """

    instance_type: str = "ml.m5.xlarge"
    instance_count: int = 1
    device: Literal["cpu", "cuda"] = "cpu"
    spot: bool = False
    max_wait_minutes: int | None = None
    checkpoints: bool = True
    retries: int = 2

    def __post_init__(self) -> None:
        self._check_compute()
        self._check_interruptions()

    def _check_compute(self) -> None:
        if not 1 <= self.instance_count <= MOST_INSTANCES:
            raise ValueError(
                f"instance_count must be between 1 and {MOST_INSTANCES}, got "
                f"{self.instance_count}; give a whole number"
            )
        if self.device not in DEVICES:
            raise ValueError(
                f"device must be one of {', '.join(DEVICES)}, got {self.device}; "
                "use cuda for instances with GPUs"
            )
        # Nearly all instances with GPUs have a disk of their own.
        check_instance_type("instance_type", self.instance_type, local_disk=self.device == "cuda")
        if self.device == "cuda" and GPU_INSTANCE.match(self.instance_type) is None:
            raise ValueError(
                f"instance_type must have a GPU with device cuda, got {self.instance_type}; "
                "use one like ml.g5.xlarge, or device cpu"
            )

    def _check_interruptions(self) -> None:
        if not 0 <= self.retries <= MOST_RETRIES:
            raise ValueError(
                f"retries must be between 0 and {MOST_RETRIES}, got {self.retries}; use 0 for none"
            )
        if self.spot and not self.checkpoints:
            raise ValueError(
                "checkpoints must be true with spot, got false; an interrupted job would start "
                "from the beginning"
            )
        if self.max_wait_minutes is not None and not self.spot:
            raise ValueError(
                f"max_wait_minutes must be omitted without spot, got {self.max_wait_minutes}; "
                "a job of its own capacity does not wait for any"
            )


def training_request(
    entry: str,
    *,
    role: str,
    compute: Compute,
    config: TrainingJobConfig,
    channels: Mapping[str, Any],
    output_uri: Any,
    hyperparameters: Mapping[str, str],
    checkpoint_uri: Any,
) -> dict[str, Any]:
    """A training job of one entry point, isolated from every network.

    Several instances still reach each other: SageMaker isolates a cluster from everything else.

    Args:
        entry: The image's entry point.
        role: Placeholder of the role that the job runs as.
        compute: What it runs on.
        config: How it outlives interruptions.
        channels: Channel name to the S3 URI of Parquet files.
        output_uri: Below it, SageMaker leaves the model in a folder of the job's name.
        hyperparameters: Given to the entry point; none is the same as an empty mapping.
        checkpoint_uri: Where checkpoints are kept, if the configuration has them.
    """
    request: dict[str, Any] = {
        "AlgorithmSpecification": {
            "TrainingImage": TRAINING_IMAGE_URI,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": entry_point(entry),
            "MetricDefinitions": metric_definitions(),
        },
        "RoleArn": role,
        "InputDataConfig": [channel(name, uri) for name, uri in channels.items()],
        "OutputDataConfig": {"S3OutputPath": output_uri, "KmsKeyId": KEY_ARN},
        "ResourceConfig": cluster(compute),
        "StoppingCondition": limit(compute),
        "EnableNetworkIsolation": True,
        "EnableInterContainerTrafficEncryption": True,
        # The profiler is Debugger's, which is closed to new customers.
        "ProfilerConfig": {"DisableProfiler": True},
    }
    if hyperparameters:
        request["HyperParameters"] = dict(hyperparameters)
    if config.retries:
        request["RetryStrategy"] = {"MaximumRetryAttempts": config.retries}
    if config.checkpoints:
        request["CheckpointConfig"] = {"S3Uri": checkpoint_uri, "LocalPath": CHECKPOINT_FOLDER}
    if config.spot:
        request["EnableManagedSpotTraining"] = True
        minutes = _wait_minutes(config, compute.max_runtime_minutes)
        request["StoppingCondition"]["MaxWaitTimeInSeconds"] = minutes * 60
    return request


def metric_definitions() -> list[dict[str, str]]:
    """How SageMaker finds the metrics among the lines that training prints."""
    return [{"Name": name, "Regex": f'"{name}": ([0-9.eE+-]+)'} for name in METRICS]


def checkpoint_prefix(hyperparameters: Mapping[str, str], instance_count: int) -> str:
    """Where jobs with these settings keep their checkpoints, in the artifacts bucket.

    What else a model depends on has to follow: its image and its rows.
    """
    settings = json.dumps([sorted(hyperparameters.items()), instance_count])
    digest = hashlib.sha256(settings.encode()).hexdigest()[:16]
    return f"{CHECKPOINTS_PREFIX}{digest}"


def _wait_minutes(config: TrainingJobConfig, runtime_minutes: int) -> int:
    return 2 * runtime_minutes if config.max_wait_minutes is None else config.max_wait_minutes
