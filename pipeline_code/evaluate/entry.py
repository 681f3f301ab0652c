"""Entry point `evaluate`: scores the new model on the test window and says whether it may pass.

Reads (processing inputs):
    model/model.tar.gz: the model that was trained.
    test/**.parquet: labelled feature rows, later than those of the training.
    fraud_reports/**.parquet: optional, the lake's reports; cards known to be compromised are
        then removed from the test rows, as the published protocol has it.
    train-summary/summary.json: optional, what `features` said about the windows.

Environment:
    MODEL_PACKAGE_GROUP: the registry's group; the package that was approved last is the champion,
        scored on the same rows. Unset: there is no champion.
    TRIGGER_REASON, TRIGGER_EVIDENCE: why the model was trained; in characters that the registry
        takes they go with the package.

Writes (processing output `evaluation`):
    evaluation.json: metrics in the form the registry shows, the gate's checks and its reason in
        words. The job succeeds whatever the gate says: the pipeline's condition decides.
    model_card.json: the content of the package's model card, as text.
    report.html, plots/*.png: the same for people; the page holds its pictures.
    model-quality/, bias/, attribution/: statistics.json and constraints.json, what the monitors
        hold the model against once it is deployed; of all test rows, as captures are of all cards.

The same inputs give the same bytes, but for the latency, which is measured.

Fails with a message when the model's features are not those of the test rows, or when the test rows
hold no fraud.
"""

import argparse
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import boto3
import numpy as np

from pipeline_code.common.exits import BadInput
from pipeline_code.common.model_digest import model_digest
from pipeline_code.common.paths import processing_input, processing_output
from pipeline_code.common.schema import FRAUD_REPORTS, data_files, read
from pipeline_code.contracts.reviews import CARDS_REVIEWED_A_DAY
from pipeline_code.evaluate.assessment import Artifact, Assessment, evaluation_document
from pipeline_code.evaluate.baselines import write_baselines
from pipeline_code.evaluate.card import card_content
from pipeline_code.evaluate.champion import Package, download, newest_approved
from pipeline_code.evaluate.columns import columns_of
from pipeline_code.evaluate.declining import DECLINE_PRECISION
from pipeline_code.evaluate.evaluation import Evaluation, evaluate
from pipeline_code.evaluate.gate import Candidate, Champion, Limits, decide
from pipeline_code.evaluate.latency import latency_milliseconds
from pipeline_code.evaluate.protocol import compromised
from pipeline_code.evaluate.report import write_report
from pipeline_code.quality.importance import ExplainedSample
from pipeline_code.quality.metrics import WeightedMetrics
from pipeline_code.quality.scored import ScoredRows
from pipeline_code.train.archive import MODEL_ARCHIVE, unpacked
from pipeline_code.train.model import Model
from pipeline_code.train.rows import FeatureRows


def main(argv: Sequence[str]) -> int:
    """Runs the evaluation job."""
    limits, reviews_per_day, decline_precision = _parse(argv)
    archive = _archive()
    with unpacked(archive) as folder:
        challenger, digest = Model.load(folder), model_digest(folder)
    challenger.require_schema()
    everything = FeatureRows.read(processing_input("test"), "test")
    removed = compromised_rows(everything, challenger)
    rows = everything.filter(~removed)
    explained = ExplainedSample.of(challenger, everything.matrix())
    evaluation = evaluate(challenger, rows, reviews_per_day=reviews_per_day)
    rival = find_rival(rows)
    artifact = _measure_artifact(archive, digest, challenger, rows)
    champion = None if rival is None else rival.champion
    gate = decide(_candidate(evaluation, artifact), champion, limits)
    assessment = Assessment(
        metadata=challenger.metadata,
        evaluation=evaluation,
        importances=explained.importances(),
        removed=int(removed.sum()),
        windows=_windows(),
        rival=None if rival is None else rival.scored,
        gate=gate,
        artifact=artifact,
        decline_precision=decline_precision,
        trigger=(os.environ.get("TRIGGER_REASON", ""), os.environ.get("TRIGGER_EVIDENCE", "")),
    )
    folder = processing_output("evaluation")
    _write(assessment, gate, folder)
    write_baselines(
        challenger,
        everything,
        evaluation,
        explained=explained,
        bias_limit=limits.bias,
        folder=folder,
    )
    print(json.dumps({"gate": gate, "rows": assessment.rows}))
    return 0


def _candidate(evaluation: Evaluation, artifact: Artifact) -> Candidate:
    return Candidate(
        average_precision=evaluation.metrics["average_precision"].value,
        bias=evaluation.bias,
        calibration=evaluation.calibration.expected_calibration_error,
        latency=artifact.latency,
        size=artifact.size,
    )


def _write(assessment: Assessment, gate: Mapping[str, Any], folder: Path) -> None:
    documents = {
        "evaluation.json": evaluation_document(assessment, gate),
        "model_card.json": {"content": card_content(assessment)},
    }
    for name, document in documents.items():
        text = json.dumps(document, indent=2, allow_nan=False)
        (folder / name).write_text(text + "\n", encoding="utf-8")
    write_report(assessment, folder)


@dataclass(frozen=True, slots=True)
class ChampionScores:
    """The champion, and its scores of the test rows; none if it takes other features."""

    champion: Champion
    scored: ScoredRows | None = None


def find_rival(rows: FeatureRows) -> ChampionScores | None:
    """The champion, scored on the same rows; None if nothing is approved.

    One of another version of the features is scored too if these rows have all that it takes. Else
    it does not stand in the way of the newer: the gate compares it with nothing, and says why.
    """
    group = os.environ.get("MODEL_PACKAGE_GROUP")
    if not group:
        return None
    package = newest_approved(boto3.client("sagemaker"), group)
    if package is None:
        return None
    model = _champion_model(package)
    try:
        columns = columns_of(model)
    except BadInput as mismatch:
        return ChampionScores(
            Champion(arn=package.arn, average_precision=None, remark=str(mismatch))
        )
    scored = ScoredRows.of(model, rows, columns)
    # By the challenger's own measure, to the bit: with a tolerance of 0 the champion itself passes.
    precision = WeightedMetrics.of(scored).measure()["average_precision"]
    return ChampionScores(Champion(arn=package.arn, average_precision=precision), scored)


def _champion_model(package: Package) -> Model:
    try:
        return download(boto3.client("s3"), package)
    except BadInput as error:
        raise BadInput(
            f"the champion {package.arn} must be a model that this code reads: {error}; "
            "reject it to go on without a champion"
        ) from error


def compromised_rows(rows: FeatureRows, model: Model) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which test rows belong to a card known to be compromised, by the lake's fraud reports."""
    folder = processing_input("fraud_reports")
    if not data_files(folder):
        return np.zeros(len(rows), dtype=np.bool_)
    since = date.fromisoformat(model.metadata.train_first_event[:10])
    return compromised(rows, read(folder, FRAUD_REPORTS), since=since)


def _measure_artifact(archive: Path, digest: str, model: Model, rows: FeatureRows) -> Artifact:
    with archive.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Artifact(
        sha256=sha256,
        digest=digest,
        size=archive.stat().st_size / 2**20,
        latency=latency_milliseconds(model, rows.matrix()),
    )


def _parse(argv: Sequence[str]) -> tuple[Limits, int, float]:
    usual = Limits()
    parser = argparse.ArgumentParser(prog="evaluate", description="score a model, and its champion")
    parser.add_argument("--average-precision-floor", type=float, required=True)
    parser.add_argument("--champion-tolerance", type=float, required=True)
    parser.add_argument("--bias-limit", type=float, default=usual.bias)
    parser.add_argument("--calibration-limit", type=float, default=usual.calibration)
    parser.add_argument("--latency-limit-milliseconds", type=float, default=usual.latency)
    parser.add_argument("--size-limit-mib", type=float, default=usual.size)
    parser.add_argument("--reviews-per-day", type=int, default=CARDS_REVIEWED_A_DAY)
    parser.add_argument("--decline-precision", type=float, default=DECLINE_PRECISION)
    arguments = parser.parse_args(argv)
    try:
        limits = Limits(
            floor=arguments.average_precision_floor,
            champion_tolerance=arguments.champion_tolerance,
            bias=arguments.bias_limit,
            calibration=arguments.calibration_limit,
            latency=arguments.latency_limit_milliseconds,
            size=arguments.size_limit_mib,
        )
    except ValueError as error:
        raise BadInput(str(error)) from error
    return limits, arguments.reviews_per_day, arguments.decline_precision


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
