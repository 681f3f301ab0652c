"""Entry point `train`: fits one model on the channel `train`, as a SageMaker training job.

Reads:
    input/data/train/**.parquet: feature rows with the label `is_fraud`, written by `features`.
    input/config/hyperparameters.json: `Parameters` as strings; absent or empty means the defaults.
    input/config/resourceconfig.json: the hosts, if there are several: all learn one model together.
    input/config/inputdataconfig.json: whether each host has all files or a share of them.
    checkpoints/: what a killed run of this very job has left, if the job has checkpoints.

Writes:
    model/: the model's own files and metadata.json. The same input gives the same bytes.
    checkpoints/: how far it is, from time to time and at SIGTERM.
    output/failure: why it failed.

Its log is a JSON object a line, besides what libraries say. Those of rounds and the last hold what
the validation slice says:
    {"round": 12, "validation:average_precision": 0.71, "validation:auc_roc": 0.88}

Before it is written, the model is compiled as servers do it (`compiled_trees.py`), and compared.

Fails with a message when the rows could only make a bad model, when a hyperparameter is unknown or
out of its limits, or when compiled trees give another score than the library. Ends with exit code
143 when SIGTERM came before the model was done.
"""

import argparse
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline_code.common.exits import BadInput
from pipeline_code.common.paths import (
    checkpoint_folder,
    hyperparameters_file,
    ml_root,
    model_folder,
    training_channel,
    training_channels_file,
)
from pipeline_code.features.definitions import FEATURE_NAMES
from pipeline_code.train.algorithms import find_algorithm
from pipeline_code.train.batches import Batches, Matrix, ParquetBatches
from pipeline_code.train.hosts import Hosts, Team
from pipeline_code.train.interruption import (
    EXIT_CODE,
    InterruptibleBatches,
    Interruption,
    TrainingInterruptedError,
    noticed,
)
from pipeline_code.train.joining import join
from pipeline_code.train.model import Model, assembled
from pipeline_code.train.parameters import Parameters
from pipeline_code.train.survey import Survey
from pipeline_code.train.training import Job, train
from pipeline_code.train.validation import prefixed

CHANNEL = "train"
CHECKED_ROWS = 1 << 14


def main(argv: Sequence[str]) -> int:
    """Runs the training job; it takes no arguments."""
    argparse.ArgumentParser(prog="train", description="fit one model").parse_args(argv)
    with noticed() as interruption:
        parameters = read_parameters()
        find_algorithm(parameters.algorithm).check(parameters)
        hosts = Hosts.read()
        if len(hosts.names) > 1 and not find_algorithm(parameters.algorithm).scales_out:
            raise BadInput(
                f"instance count must be 1 for {parameters.algorithm}, got {len(hosts.names)}; "
                "use xgboost"
            )
        try:
            with join(hosts) as team:
                learned = _learn(parameters, team, interruption)
            # Apart from the others, with whom XGBoost would share even the rows of a comparison.
            if team.leads:
                _package(learned)
        except TrainingInterruptedError as error:
            _log({"interrupted": "SIGTERM", "when": str(error)})
            return EXIT_CODE
    return 0


@dataclass(frozen=True, slots=True)
class _TrainedModel:
    """A model, this host's rows, and how long each part has taken."""

    model: Model
    batches: Batches
    seconds: dict[str, float]


def _learn(parameters: Parameters, team: Team, interruption: Interruption) -> _TrainedModel:
    started = time.monotonic()
    batches = _batches(team, interruption)
    survey = Survey.of(batches, CHANNEL, FEATURE_NAMES, team)
    survey.check(CHANNEL, parameters.allow_constant_features)
    surveyed = time.monotonic()
    for left in ml_root().glob("train-*"):
        # The matrix of a run that was killed.
        shutil.rmtree(left)
    job = Job(
        batches=batches,
        names=FEATURE_NAMES,
        parameters=parameters,
        survey=survey,
        name=CHANNEL,
        team=team,
        interruption=interruption,
        checkpoint_folder=checkpoint_folder() if checkpoint_folder().is_dir() else None,
        work=ml_root(),
        report=_log if team.leads else _quiet,
    )
    model = assembled(train(job), survey, parameters, FEATURE_NAMES, survey.period())
    seconds = {"survey": surveyed - started, "fit": time.monotonic() - surveyed}
    return _TrainedModel(model, batches, seconds)


def _package(learned: _TrainedModel) -> None:
    """Writes the model, once it is known to score the same when it is compiled."""
    started = time.monotonic()
    model = learned.model.checked(_some_rows(learned.batches))
    model.save(model_folder())
    seconds = learned.seconds | {"package": time.monotonic() - started}
    _log(_summary(model) | {f"{name}_seconds": round(took, 3) for name, took in seconds.items()})


def _some_rows(batches: Batches) -> Matrix:
    """Rows at equal distances of the first batch, to compare compiled trees on."""
    rows = next(iter(batches)).rows
    return rows[:: -(-len(rows) // CHECKED_ROWS)]


def _batches(team: Team, interruption: Interruption) -> Batches:
    """This host's rows: its share of the files, or all of them where S3 has dealt them already."""
    dealt = team.size > 1 and not _is_sharded()
    with team.all_or_none():
        batches: Batches = ParquetBatches.open(
            training_channel(CHANNEL),
            CHANNEL,
            share=team.hosts.rank if dealt else 0,
            shares=team.size if dealt else 1,
        )
    # A host that leaves while others wait for it would look like one that was lost.
    return InterruptibleBatches(batches, interruption) if team.size == 1 else batches


def _is_sharded() -> bool:
    file = training_channels_file()
    if not file.is_file():
        return False
    channels = json.loads(file.read_text(encoding="utf-8"))
    return bool(channels.get(CHANNEL, {}).get("S3DistributionType") == "ShardedByS3Key")


def _summary(model: Model) -> dict[str, Any]:
    metadata = model.metadata
    return {
        "final": True,
        "rounds": metadata.rounds,
        **prefixed(metadata.validation),
        "train_rows": metadata.train_rows,
        "train_frauds": metadata.train_frauds,
    }


def _log(line: Mapping[str, Any]) -> None:
    # The platform reads metrics from the log while the job runs.
    print(json.dumps(line), flush=True)


def _quiet(_: Mapping[str, Any]) -> None:
    return


def read_parameters() -> Parameters:
    """The job's hyperparameters; the defaults if SageMaker wrote none."""
    file = hyperparameters_file()
    if not file.is_file():
        return Parameters()
    try:
        document = json.loads(file.read_text(encoding="utf-8") or "{}")
    except ValueError as error:
        raise BadInput(f"{file.name} must be JSON: {error}") from error
    if not isinstance(document, dict):
        raise BadInput(f"{file.name} must be a JSON object, got {type(document).__name__}")
    return Parameters.parse(document)
