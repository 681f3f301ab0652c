"""All that was found out of one model, and evaluation.json made of it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from pipeline_code.contracts.serving import CAPTURE_CONTRACT
from pipeline_code.evaluate.declining import DECLINE_PRECISION, DeclineEffect
from pipeline_code.evaluate.evaluation import Evaluation
from pipeline_code.evaluate.model_quality import binary_classification_metrics
from pipeline_code.quality.importance import Importance
from pipeline_code.quality.scored import ScoredRows
from pipeline_code.serve.thresholds import NO_THRESHOLD
from pipeline_code.train.model import Metadata

__all__ = ["Artifact", "Assessment", "evaluation_document"]

# Changes whenever what evaluation.json says changes its meaning.
REPORT_VERSION = 2

# What SageMaker takes as the value of a package's metadata, and how much of it.
METADATA_LIMIT = 256
NOT_METADATA = re.compile(r"[^\w .:/=+\-@]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """The model's archive, as it is registered.

    Attributes:
        sha256: Of the archive's bytes.
        digest: Of the files inside (`pipeline_code.common.model_digest`).
        size: In MiB.
        latency: Milliseconds that one transaction takes in 99 of 100.
    """

    sha256: str
    digest: str
    size: float
    latency: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """What an evaluation's documents tell.

    Attributes:
        removed: Test rows left out, as their cards were known to be compromised.
        windows: What `features` said of the training and test windows; may be empty.
        rival: The champion's scores of the same rows, if there is one that can score them.
        gate: The decision; None if there is nothing to decide.
        artifact: None for a model that is not kept.
        decline_precision: The part of what is declined that has to be fraud.
        trigger: Why the model was trained, and on what evidence, as it was typed.
    """

    metadata: Metadata
    evaluation: Evaluation
    importances: Sequence[Importance]
    removed: int = 0
    windows: Mapping[str, Any] = field(default_factory=dict)
    rival: ScoredRows | None = None
    gate: Mapping[str, Any] | None = None
    artifact: Artifact | None = None
    decline_precision: float = DECLINE_PRECISION
    trigger: tuple[str, str] = ("", "")

    @property
    def declining(self) -> DeclineEffect:
        """From which score on nobody has to look at a transaction any more."""
        return DeclineEffect.of(
            self.evaluation.scored,
            precision=self.decline_precision,
            review_threshold=self.evaluation.threshold,
        )

    @property
    def rows(self) -> dict[str, int]:
        """How many rows there were, and how many of them frauds."""
        return {
            "train": self.metadata.train_rows,
            "train_frauds": self.metadata.train_frauds,
            "test": len(self.evaluation.scored),
            "test_frauds": int(self.evaluation.scored.labels.sum()),
            "test_removed": self.removed,
        }

    @property
    def test_period(self) -> tuple[str, str]:
        """When the test window begins and ends; by its rows' days if `features` did not say."""
        window = self.windows.get("test", {})
        days = self.evaluation.scored.days
        first, after = (_date(int(day)) for day in (days.min(), days.max() + 1))
        return str(window.get("start", first)), str(window.get("end", after))


def evaluation_document(assessment: Assessment, gate: Mapping[str, Any]) -> dict[str, Any]:
    """evaluation.json: SageMaker's metrics, our own sections, the gate, and what goes with it."""
    return {
        "version": REPORT_VERSION,
        "binary_classification_metrics": binary_classification_metrics(assessment.evaluation),
        "gate": dict(gate),
        "rows": assessment.rows,
        "windows": dict(assessment.windows),
        **assessment.evaluation.sections(),
        "declines": assessment.declining.as_dict(),
        "importances": [asdict(importance) for importance in assessment.importances],
        "package": _package(assessment, str(gate["reason"])),
    }


def _package(assessment: Assessment, reason: str) -> dict[str, str]:
    """What the registry keeps as metadata of the model package: flat, and all of it text."""
    metadata, rows, metrics = assessment.metadata, assessment.rows, assessment.evaluation.metrics
    test_start, test_end = assessment.test_period
    values = {
        "train_first_event": metadata.train_first_event,
        "train_last_event": metadata.train_last_event,
        "train_rows": rows["train"],
        "train_frauds": rows["train_frauds"],
        "test_start": test_start,
        "test_end": test_end,
        "test_rows": rows["test"],
        "test_frauds": rows["test_frauds"],
        "average_precision": f"{metrics['average_precision'].value:.6f}",
        "auc_roc": f"{metrics['auc_roc'].value:.6f}",
        "card_precision_at_100": f"{metrics['card_precision_at_100'].value:.6f}",
        "review_threshold": _threshold(assessment.evaluation.threshold),
        "decline_threshold": _threshold(assessment.declining.threshold),
        "feature_schema_version": metadata.feature_schema_version,
        "capture_contract": CAPTURE_CONTRACT,
        "model_digest": "" if assessment.artifact is None else assessment.artifact.digest,
        "model_sha256": "" if assessment.artifact is None else assessment.artifact.sha256,
        "gate_reason": reason,
        "trigger_reason": assessment.trigger[0],
        "trigger_evidence": assessment.trigger[1],
    }
    return {name: _metadata_text(str(value)) for name, value in values.items()}


def _threshold(value: float | None) -> str:
    """As the server reads it. One above every score there can be, which flags nothing, is none."""
    return NO_THRESHOLD if value is None or value > 1 else repr(value)


def _metadata_text(text: str) -> str:
    """The text in the characters and the length that SageMaker takes; never empty."""
    kept = NOT_METADATA.sub(" ", text.replace(";", " /"))
    return " ".join(kept.split())[:METADATA_LIMIT].strip() or "unknown"


def _date(epoch_day: int) -> str:
    return str(np.datetime64(epoch_day, "D"))
