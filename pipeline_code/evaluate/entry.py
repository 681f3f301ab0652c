"""Entry point `evaluate`: scores the new model on the test window and says whether it may pass.

Reads (processing inputs):
    model/model.tar.gz: the model that was trained.
    test/**.parquet: labelled feature rows, later than those of the training.
    fraud_reports/**.parquet: optional, the lake's reports; cards known to be compromised are
        then removed from the test rows, as the published protocol has it.
    train-summary/summary.json: optional, what `features` said about the windows.

Environment:
    MODEL_PACKAGE_GROUP: the registry's group; its newest approved package is the champion, scored
        on the same rows. Unset: there is no champion.

Writes (processing output):
    evaluation/evaluation.json: metrics in the form the registry shows, the gate's margins and its
        reason in words. The job succeeds whatever the gate says: the pipeline's condition decides.

Fails with a message when the model's features are not those of the test rows, or when the test rows
hold no fraud.
"""

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import boto3
import numpy as np

from pipeline_code.common.exits import BadInput
from pipeline_code.common.paths import processing_input, processing_output
from pipeline_code.common.schema import FRAUD_REPORTS, data_files, read
from pipeline_code.evaluate.champion import MODEL_ARCHIVE, download, load_archive, newest_approved
from pipeline_code.evaluate.gate import Champion, Limits, decide
from pipeline_code.evaluate.metrics import average_precision, measure
from pipeline_code.evaluate.protocol import compromised
from pipeline_code.evaluate.scored import Scored
from pipeline_code.train.model import Model
from pipeline_code.train.rows import FeatureRows

# Changes whenever what evaluation.json says changes its meaning.
REPORT_VERSION = 1


def main(argv: Sequence[str]) -> int:
    """Runs the evaluation job."""
    limits = _parse(argv)
    challenger = load_archive(_archive())
    challenger.require_schema()
    everything = FeatureRows.read(processing_input("test"), "test")
    removed = compromised_rows(everything, challenger)
    rows = everything.filter(~removed)
    scored = Scored.of(challenger, rows)
    metrics = measure(scored)
    gate = decide(metrics["average_precision"].value, score_champion(rows), limits)
    report = {
        "version": REPORT_VERSION,
        "binary_classification_metrics": {name: asdict(metric) for name, metric in metrics.items()},
        "gate": gate,
        "rows": {
            "train": challenger.metadata.train_rows,
            "train_frauds": challenger.metadata.train_frauds,
            "test": len(rows),
            "test_frauds": int(scored.labels.sum()),
            "test_removed": int(removed.sum()),
        },
        "windows": _windows(),
    }
    text = json.dumps(report, indent=2)
    (processing_output("evaluation") / "evaluation.json").write_text(text + "\n", encoding="utf-8")
    print(json.dumps({"gate": gate, "rows": report["rows"]}))
    return 0


def score_champion(rows: FeatureRows) -> Champion | None:
    """The champion and its average precision on the same rows; None if nothing is approved.

    A champion that takes other features cannot be scored on these rows. It does not stand in the
    way of a newer feature schema: the gate then has only its floor, and says so.
    """
    group = os.environ.get("MODEL_PACKAGE_GROUP")
    if not group:
        return None
    package = newest_approved(boto3.client("sagemaker"), group)
    if package is None:
        return None
    model = download(boto3.client("s3"), package)
    try:
        model.require_schema()
    except BadInput as mismatch:
        return Champion(arn=package.arn, average_precision=None, remark=str(mismatch))
    return Champion(arn=package.arn, average_precision=average_precision(Scored.of(model, rows)))


def compromised_rows(rows: FeatureRows, model: Model) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which test rows belong to a card known to be compromised, by the lake's fraud reports."""
    folder = processing_input("fraud_reports")
    if not data_files(folder):
        return np.zeros(len(rows), dtype=np.bool_)
    since = date.fromisoformat(model.metadata.train_first_event[:10])
    return compromised(rows, read(folder, FRAUD_REPORTS), since=since)


def _parse(argv: Sequence[str]) -> Limits:
    parser = argparse.ArgumentParser(prog="evaluate", description="score a model, and its champion")
    parser.add_argument("--average-precision-floor", type=float, required=True)
    parser.add_argument("--champion-tolerance", type=float, required=True)
    arguments = parser.parse_args(argv)
    try:
        return Limits(
            floor=arguments.average_precision_floor,
            champion_tolerance=arguments.champion_tolerance,
        )
    except ValueError as error:
        raise BadInput(str(error)) from error


def _archive() -> Path:
    file = processing_input("model") / MODEL_ARCHIVE
    if not file.is_file():
        raise BadInput(f"input model must hold {MODEL_ARCHIVE}, got none; train a model first")
    return file


def _windows() -> dict[str, Any]:
    file = processing_input("train-summary") / "summary.json"
    if not file.is_file():
        return {}
    summary = json.loads(file.read_text(encoding="utf-8"))
    return {name: summary[name] for name in ("as_of", "train", "test") if name in summary}
