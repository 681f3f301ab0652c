"""The training pipeline: from raw transactions to a gated, registered model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["JobConfig", "TrainingConfig"]

APPROVAL_STATUSES = ("PendingManualApproval", "Approved")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobConfig:
    """The compute that the jobs of a pipeline run on.

    Attributes:
        processing_instance_type: Instances of the check, feature, evaluation and baseline jobs.
        training_instance_type: Instance of the training job.
        volume_size_gib: Encrypted storage volume of each job.
        max_runtime_minutes: A job that runs longer is stopped and fails its step.
        cache_days: A step whose inputs are unchanged is not run again for so many days.
    """

    processing_instance_type: str = "ml.m5.xlarge"
    training_instance_type: str = "ml.m5.xlarge"
    volume_size_gib: int = 30
    max_runtime_minutes: int = 120
    cache_days: int = 30

    def __post_init__(self) -> None:
        for name in ("volume_size_gib", "max_runtime_minutes", "cache_days"):
            value = getattr(self, name)
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}; give a whole number")
        for name in ("processing_instance_type", "training_instance_type"):
            value = getattr(self, name)
            if not value.startswith("ml."):
                raise ValueError(
                    f"{name} must be a SageMaker instance type, got {value}; "
                    "use one like ml.m5.xlarge"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """What the pipeline trains on, and what a model must reach to be registered.

    Attributes:
        train_days: Length of the training window.
        test_days: Length of the test window, the most recent days whose labels are known.
        approval_status: Status of a registered model; `Approved` deploys it without a person.
        average_precision_floor: A model below it is never registered.
        champion_tolerance: How much average precision a challenger may lose to the champion.
        hyperparameters: Passed to training as they are; those not named keep the script's
            defaults.
        jobs: The compute that the jobs run on.
    """

    train_days: int = 60
    test_days: int = 7
    approval_status: str = "PendingManualApproval"
    average_precision_floor: float = 0.3
    champion_tolerance: float = 0.01
    hyperparameters: Mapping[str, str] = field(default_factory=dict)
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
        for name in ("average_precision_floor", "champion_tolerance"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ValueError(f"{name} must be between 0 and 1, got {value}; use 0 for no limit")
