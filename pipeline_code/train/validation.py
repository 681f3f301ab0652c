"""The validation of a model on days after those that it was learned from."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline_code.train.calibration import Calibration

__all__ = ["PREFIX", "figures_of", "prefixed"]

# Of a figure's name in the log, where the platform finds it.
PREFIX = "validation:"


def figures_of(
    labels: npt.NDArray[np.int8], margins: npt.NDArray[Any], calibration: Calibration
) -> dict[str, float]:
    """How well rows are put in order, and how true their probabilities are."""
    # Only who learns needs them, and loading them takes a while.
    from sklearn import metrics  # noqa: PLC0415

    scores = calibration.probabilities(margins).astype(np.float64)
    return {
        "average_precision": float(metrics.average_precision_score(labels, margins)),
        "auc_roc": float(metrics.roc_auc_score(labels, margins)),
        "log_loss": float(metrics.log_loss(labels, scores)),
        "brier_score": float(metrics.brier_score_loss(labels, scores)),
    }


def prefixed(figures: Mapping[str, float]) -> dict[str, float]:
    """The figures as the log names them."""
    return {f"{PREFIX}{name}": value for name, value in figures.items()}
