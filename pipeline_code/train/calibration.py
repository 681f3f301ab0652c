"""The calibration of a model's log-odds to probabilities."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.special import expit

Floats = npt.NDArray[np.float64]

# A slope of zero would score all rows alike; a negative one would turn their order around.
LOWEST_SLOPE = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Platt's two numbers: log-odds become `slope * log-odds + intercept`.

    Calibration.fitted(margins, labels).probabilities(margins)

    The slope is positive, so that the order of rows stays.
    """

    slope: float = 1.0
    intercept: float = 0.0

    def __post_init__(self) -> None:
        if not (0 < self.slope < np.inf and abs(self.intercept) < np.inf):
            raise ValueError(
                f"slope must be positive and intercept finite, got {self.slope}, {self.intercept}"
            )

    @classmethod
    def of_weight(cls, positive_weight: float) -> Self:
        """Takes back what weighting the frauds did: it multiplied their odds."""
        return cls(intercept=-float(np.log(positive_weight)))

    @classmethod
    def fitted(cls, margins: npt.NDArray[Any], labels: npt.NDArray[Any]) -> Self:
        """The likeliest two numbers for rows that the model has not learned from.

        With Platt's targets, one imagined row more of each class: rows that the model tells apart
        without a mistake would otherwise have an infinite slope.
        """
        # Only who learns needs it, and loading it takes a while.
        from scipy.optimize import minimize  # noqa: PLC0415

        odds = margins.astype(np.float64)
        frauds = float(np.sum(labels == 1))
        targets = np.where(labels == 1, (frauds + 1) / (frauds + 2), 1 / (len(labels) - frauds + 2))

        def loss(numbers: Floats) -> tuple[float, Floats]:
            shifted = numbers[0] * odds + numbers[1]
            surprise = np.mean(np.logaddexp(0, shifted) - targets * shifted)
            excess = expit(shifted) - targets
            return float(surprise), np.array([np.mean(excess * odds), np.mean(excess)])

        found = minimize(
            loss,
            np.array([1.0, 0.0]),
            jac=True,
            method="L-BFGS-B",
            bounds=[(LOWEST_SLOPE, None), (None, None)],
            # The default tolerance stops early where frauds are one row in a thousand.
            options={"ftol": 1e-14, "gtol": 1e-10},
        )
        return cls(slope=float(found.x[0]), intercept=float(found.x[1]))

    def log_odds(self, margins: npt.NDArray[Any]) -> Floats:
        """The calibrated log-odds."""
        odds: Floats = margins.astype(np.float64) * self.slope + self.intercept
        return odds

    def probabilities(self, margins: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """The calibrated probabilities; a row's depends on its own log-odds only."""
        probabilities: npt.NDArray[np.float32] = expit(self.log_odds(margins)).astype(np.float32)
        return probabilities
