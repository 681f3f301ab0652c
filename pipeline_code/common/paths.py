"""The paths at which SageMaker puts what a container reads, and looks for what it writes.

All of it lies below one root, `/opt/ml`. The embedded AWS runs the same scripts as plain processes,
side by side, so it moves the root with the environment variable `SAGEMAKER_BASE_DIR`.
"""

import os
from pathlib import Path, PurePosixPath

__all__ = [
    "CLOUD_ROOT",
    "checkpoint_folder",
    "failure_file",
    "hyperparameters_file",
    "ml_root",
    "model_folder",
    "processing_input",
    "processing_output",
    "rerooted",
    "training_channel",
    "training_channels_file",
]

CLOUD_ROOT = PurePosixPath("/opt/ml")


def ml_root() -> Path:
    """The root folder: `SAGEMAKER_BASE_DIR`, or `/opt/ml`."""
    return Path(os.environ.get("SAGEMAKER_BASE_DIR", str(CLOUD_ROOT)))


def rerooted(path: str) -> Path:
    """A path that a template wrote below `/opt/ml`, moved below the root; any other path as it is.

    rerooted("/opt/ml/processing/baseline/constraints.json")
    """
    given = PurePosixPath(path)
    if given.is_relative_to(CLOUD_ROOT):
        return ml_root() / given.relative_to(CLOUD_ROOT)
    return Path(path)


def processing_input(name: str) -> Path:
    """The folder of one input of a processing job."""
    return ml_root() / "processing" / "input" / name


def processing_output(name: str) -> Path:
    """The folder of one output of a processing job; made if it is not there."""
    folder = ml_root() / "processing" / "output" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def training_channel(name: str) -> Path:
    """The folder of one channel of a training job."""
    return ml_root() / "input" / "data" / name


def training_channels_file() -> Path:
    """The JSON object that says, channel by channel, how a training job's files were dealt."""
    return ml_root() / "input" / "config" / "inputdataconfig.json"


def checkpoint_folder() -> Path:
    """What a training job leaves here is here again when it is started again.

    SageMaker makes the folder for a job that has checkpoints.
    """
    return ml_root() / "checkpoints"


def hyperparameters_file() -> Path:
    """The JSON object of a training job's hyperparameters; SageMaker makes every value a string."""
    return ml_root() / "input" / "config" / "hyperparameters.json"


def model_folder() -> Path:
    """What training leaves here becomes model.tar.gz; what serving finds here came out of it."""
    return ml_root() / "model"


def failure_file(entry: str) -> Path:
    """Where SageMaker reads why the job failed: training and processing differ."""
    return ml_root() / "output" / ("failure" if entry == "train" else "message")
