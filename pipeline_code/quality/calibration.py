"""The calibration of scores: of the rows that score 0.2, are a fifth frauds?"""

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import brier_score_loss, log_loss

from pipeline_code.quality.scored import Floats, ScoredRows

__all__ = ["Bin", "Calibration", "calibration"]

# Frauds are rare and nearly all of them are at the top, so the bins get finer towards it.
SHARES = (0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998)


@dataclass(frozen=True, slots=True)
class Bin:
    """Rows with neighbouring scores: how many, what was expected of them and what came."""

    rows: int
    mean_score: float
    fraud_rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How far scores are from probabilities.

    Attributes:
        expected_calibration_error: Mean distance, over rows, of a bin's mean score from its rate.
        by_chance: What it would be for perfect probabilities, since counts of frauds scatter.
        expected_frauds: The sum of the scores.
        brier: Mean squared distance of score and label.
        log_loss: Mean surprise at the label, in nats.
    """

    bins: tuple[Bin, ...]
    expected_calibration_error: float
    by_chance: float
    expected_frauds: float
    observed_frauds: int
    brier: float
    log_loss: float

    @property
    def expected_over_observed(self) -> float:
        """Above 1 if the scores promise more frauds than came."""
        return self.expected_frauds / self.observed_frauds


def calibration(scored: ScoredRows) -> Calibration:
    """Measures it, in bins that hold stated shares of the rows; equal scores share a bin."""
    scores, labels = scored.scores, scored.labels
    # By values and not by places, so that the order of rows with one score does not matter.
    edges = np.unique(np.quantile(scores, SHARES, method="lower"))
    index = np.searchsorted(edges, scores, side="left")
    rows, expected, observed, spread = (
        np.bincount(index, weights, len(edges) + 1).astype(np.float64)
        for weights in (np.ones(len(scores)), scores, labels, scores * (1 - scores))
    )
    filled = rows > 0
    return Calibration(
        bins=tuple(_bins(rows[filled], expected[filled], observed[filled])),
        expected_calibration_error=float(np.abs(expected - observed).sum() / len(scores)),
        # The mean distance of a normal variable from its mean is sqrt(2 / pi) deviations.
        by_chance=float(np.sqrt(2 / np.pi * spread).sum() / len(scores)),
        expected_frauds=float(scores.sum()),
        observed_frauds=int(labels.sum()),
        brier=float(brier_score_loss(labels, scores)),
        log_loss=float(log_loss(labels, scores, labels=[0, 1])),
    )


def _bins(rows: Floats, expected: Floats, observed: Floats) -> list[Bin]:
    return [
        Bin(int(count), float(score / count), float(frauds / count))
        for count, score, frauds in zip(rows, expected, observed, strict=True)
    ]
