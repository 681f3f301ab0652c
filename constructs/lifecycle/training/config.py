"""The configuration of the training pipeline: windows, gate, hyperparameters and compute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from lifecycle.image.image_build import Variant
from lifecycle.jobs.instance_types import check_instance_type
from lifecycle.training.job import TrainingJobConfig
from lifecycle.training.model_gate import GateConfig
from lifecycle.training.tuning import TuningConfig
from pipeline_code.common.exits import BadInput
from pipeline_code.contracts.decisions import APPROVED, PENDING
from pipeline_code.train.parameters import Parameters

__all__ = ["FeatureJobConfig", "JobConfig", "TrainingConfig"]

ENGINES = ("single", "spark")
# SageMaker's limit for a processing job.
MOST_INSTANCES = 100
APPROVAL_STATUSES = (PENDING, APPROVED)
XGBOOST = "xgboost"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureJobConfig:
    """What computes the features: one instance, or Spark on several.

    FeatureJobConfig(engine="spark", instance_count=4, instance_type="ml.r5.2xlarge")

    Attributes:
        engine: `single`, which is the faster one while one instance's disk holds the rows, or
            `spark`. Both write the same rows.
        instance_count: How many instances Spark has; each gets a copy of the raw data.
        instance_type: Their type. If omitted, that of the other processing jobs.
    """

    engine: Literal["single", "spark"] = "single"
    instance_count: int = 1
    instance_type: str | None = None

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise ValueError(
                f"engine must be one of {', '.join(ENGINES)}, got {self.engine}; "
                "use spark for what one instance cannot hold"
            )
        if not 1 <= self.instance_count <= MOST_INSTANCES:
            raise ValueError(
                f"instance_count must be between 1 and {MOST_INSTANCES}, got "
                f"{self.instance_count}; give a whole number"
            )
        if self.engine == "single" and self.instance_count != 1:
            raise ValueError(
                f"instance_count must be 1 with engine single, got {self.instance_count}; "
                "use engine spark for several instances"
            )
        if self.instance_type is not None:
            check_instance_type("instance_type", self.instance_type)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobConfig:
    """The compute that the jobs of a pipeline run on.

    Attributes:
        processing_instance_type: Instances of the check, feature, evaluation and baseline jobs.
        volume_size_gib: Encrypted storage volume of each job.
        max_runtime_minutes: A job that runs longer is stopped and fails its step.
        cache_days: A step whose inputs are unchanged is not run again for so many days.
        features: The engine of the feature job, and its instances.
        training: The instances of the training job, and how it outlives interruptions.
    """

    processing_instance_type: str = "ml.m5.xlarge"
    volume_size_gib: int = 30
    max_runtime_minutes: int = 120
    cache_days: int = 30
    features: FeatureJobConfig = field(default_factory=FeatureJobConfig)
    training: TrainingJobConfig = field(default_factory=TrainingJobConfig)

    def __post_init__(self) -> None:
        for name in ("volume_size_gib", "max_runtime_minutes", "cache_days"):
            value = getattr(self, name)
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}; give a whole number")
        check_instance_type("processing_instance_type", self.processing_instance_type)
        wait = self.training.max_wait_minutes
        if wait is not None and wait < self.max_runtime_minutes:
            raise ValueError(
                "training.max_wait_minutes must be at least max_runtime_minutes of "
                f"{self.max_runtime_minutes}, got {wait}; it includes the running"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """What the pipeline trains on, and what a model must reach to be registered.

    Attributes:
        train_days: Length of the training window.
        test_days: Length of the test window, the most recent days whose labels are known.
        approval_status: Status of a registered model; `Approved` deploys it without an operator.
        gate: What a model must reach.
        hyperparameters: Passed to training as they are; those not named keep the script's
            defaults.
        tuning: Which of them are tried instead. If omitted, one model is trained.
        jobs: The compute that the jobs run on.
    """

    train_days: int = 60
    test_days: int = 7
    approval_status: str = PENDING
    gate: GateConfig = field(default_factory=GateConfig)
    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    tuning: TuningConfig | None = None
    jobs: JobConfig = field(default_factory=JobConfig)

    def __post_init__(self) -> None:
        for name in ("train_days", "test_days"):
            value = getattr(self, name)
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}; give a number of days")
        if self.approval_status not in APPROVAL_STATUSES:
            raise ValueError(
                f"approval_status must be one of {', '.join(APPROVAL_STATUSES)}, "
                f"got {self.approval_status}; use PendingManualApproval to have a person approve"
            )
        self._check_algorithm(self._parsed(self.hyperparameters).algorithm)
        if self.tuning is not None:
            self._check_tuning(self.tuning)

    @property
    def image_variants(self) -> tuple[Variant, ...]:
        """What the image has to be built with besides."""
        wanted: dict[Variant, bool] = {
            "spark": self.jobs.features.engine == "spark",
            "cuda": self.jobs.training.device == "cuda",
        }
        return tuple(variant for variant, needed in wanted.items() if needed)

    @property
    def job_hyperparameters(self) -> dict[str, str]:
        """What the training job is given: the hyperparameters, and the device if it is a GPU."""
        device = self.jobs.training.device
        return {**self.hyperparameters, **({} if device == "cpu" else {"device": device})}

    def _parsed(self, hyperparameters: Mapping[str, str]) -> Parameters:
        """The hyperparameters as the job will read them: what it refuses is refused here."""
        if "device" in hyperparameters:
            raise ValueError(
                f"hyperparameters must not name device, got {hyperparameters['device']}; "
                "it is jobs.training.device"
            )
        try:
            return Parameters.parse(hyperparameters)
        except BadInput as error:
            raise ValueError(f"hyperparameters must be those of training; {error}") from error

    def _check_algorithm(self, algorithm: str) -> None:
        training = self.jobs.training
        if algorithm == XGBOOST:
            return
        if training.instance_count > 1:
            raise ValueError(
                f"jobs.training.instance_count must be 1 with algorithm {algorithm}, "
                f"got {training.instance_count}; use algorithm {XGBOOST} for several instances"
            )
        if training.device != "cpu":
            raise ValueError(
                f"jobs.training.device must be cpu with algorithm {algorithm}, got "
                f"{training.device}; use algorithm {XGBOOST} for GPUs"
            )

    def _check_tuning(self, tuning: TuningConfig) -> None:
        """Whatever may be tried must be trainable, and measurable."""
        for each in tuning.ranges:
            if each.name in self.hyperparameters:
                raise ValueError(
                    f"tuning must not name a hyperparameter that is given, got {each.name}; "
                    "leave it out of hyperparameters"
                )
            for value in each.tried:
                parameters = self._parsed({**self.hyperparameters, each.name: value})
                self._check_algorithm(parameters.algorithm)
                if parameters.validation_days < 1:
                    raise ValueError(
                        "hyperparameter validation_days must be at least 1 with tuning, got "
                        f"{parameters.validation_days}; the jobs are compared on those days"
                    )
