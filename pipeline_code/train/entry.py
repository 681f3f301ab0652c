"""Entry point `train`: fits one model on the channel `train`, as a SageMaker training job.

Reads:
    input/data/train/**.parquet: feature rows with the label `is_fraud`, written by `features`.
    input/config/hyperparameters.json: `Parameters` as strings; absent or empty means the defaults.

Writes:
    model/: the model's own files and metadata.json. The same input gives the same bytes.

Fails with a message when the rows could only make a bad model, or a hyperparameter is unknown or
out of its limits.
"""

import argparse
import json
import time
from collections.abc import Sequence

from pipeline_code.common.exits import BadInput
from pipeline_code.common.paths import hyperparameters_file, model_folder, training_channel
from pipeline_code.train.model import fit
from pipeline_code.train.parameters import Parameters
from pipeline_code.train.rows import FeatureRows

CHANNEL = "train"


def main(argv: Sequence[str]) -> int:
    """Runs the training job; it takes no arguments."""
    argparse.ArgumentParser(prog="train", description="fit one model").parse_args(argv)
    parameters = read_parameters()
    rows = FeatureRows.read(training_channel(CHANNEL), CHANNEL)
    first_event, last_event = rows.period()
    started = time.monotonic()
    model = fit(
        rows.matrix(),
        rows.labels(),
        parameters=parameters,
        first_event=first_event,
        last_event=last_event,
    )
    model.save(model_folder())
    summary = {
        "train_rows": model.metadata.train_rows,
        "train_frauds": model.metadata.train_frauds,
        "fit_seconds": round(time.monotonic() - started, 3),
    }
    print(json.dumps(summary))
    return 0


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
