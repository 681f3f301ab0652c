"""The step that makes the model: what it is given, and where its model is found."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lifecycle.jobs.job_requests import Compute
from lifecycle.jobs.pipeline_parts import EXECUTION_ID, RequestStep, join
from lifecycle.training.job import checkpoint_prefix, training_request
from lifecycle.training.tuning import tuning_request

if TYPE_CHECKING:
    from lifecycle.training.config import TrainingConfig

__all__ = ["ModelStep", "model_step"]

MODELS_URI = "s3://${ArtifactsBucket}/models"


def _models_uri() -> Any:
    """Where an execution leaves its models; step caching does not compare where outputs go."""
    return join("/", MODELS_URI, EXECUTION_ID)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelStep:
    """A step, and a reference to the archive of the model that it makes."""

    step: RequestStep
    data_uri: Any


def model_step(config: TrainingConfig, *, compute: Compute, features: RequestStep) -> ModelStep:
    """Trains on the features' training rows: once, or as often as it takes to tune.

    Args:
        config: Hyperparameters, and how the job outlives interruptions.
        compute: What one instance is.
        features: The step whose output `train` holds the rows.
    """
    training = config.jobs.training
    request = training_request(
        "train",
        role="${TrainingRoleArn}",
        compute=replace(compute, instance_count=training.instance_count),
        config=training,
        channels={"train": features.output_uri("train")},
        output_uri=_models_uri(),
        hyperparameters=config.job_hyperparameters,
        checkpoint_uri=_checkpoint_uri(config, features),
    )
    days = config.jobs.cache_days
    if config.tuning is not None:
        request = tuning_request(request, config.tuning)
        step = RequestStep("TuneModel", "Tuning", request, cache_days=days)
        return ModelStep(step=step, data_uri=_best_model(step))
    step = RequestStep("TrainModel", "Training", request, cache_days=days)
    return ModelStep(step=step, data_uri=step.get("ModelArtifacts.S3ModelArtifacts"))


def _best_model(tuning: RequestStep) -> Any:
    """A tuning job names its best training job, but not that job's archive.

    The folder is the job's own word: a cached one is an earlier execution's.
    """
    folder = tuning.get("TrainingJobDefinition.OutputDataConfig.S3OutputPath")
    job = tuning.get("BestTrainingJob.TrainingJobName")
    return join("/", folder, job, "output/model.tar.gz")


def _checkpoint_uri(config: TrainingConfig, features: RequestStep) -> Any:
    """The same for equal rows, settings and code, and for nothing else.

    The place is part of what step caching compares: with the execution's name in it, every one
    would train anew. The job that computed the rows is the same wherever they are used again.
    """
    prefix = checkpoint_prefix(config.job_hyperparameters, config.jobs.training.instance_count)
    settings = f"s3://${{ArtifactsBucket}}/{prefix}/${{ImageTag}}"
    return join("/", settings, features.get("ProcessingJobName"))
