"""The importance of features to a model: their mean absolute contribution, by TreeSHAP."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from pipeline_code.train.model import Model

__all__ = ["ROWS", "ExplainedSample", "Importance", "importances"]

# A mean over more rows would look the same.
ROWS = 1000


@dataclass(frozen=True, slots=True)
class Importance:
    """A feature and how far it moves a score on average, in log-odds."""

    feature: str
    mean_contribution: float


@dataclass(frozen=True, slots=True, eq=False)
class ExplainedSample:
    """Some of many rows, evenly far apart, and what the model's scores of them are made of.

    Attributes:
        names: The model's features.
        indices: Where the rows are.
        contributions: A row each, a column a feature, and the base in the last one.
    """

    names: tuple[str, ...]
    indices: npt.NDArray[np.int64]
    contributions: npt.NDArray[np.float32]

    @classmethod
    def of(cls, model: Model, rows: npt.NDArray[np.float32]) -> Self:
        """Explains at most `ROWS` rows, which is the dearest part of an evaluation."""
        indices = np.unique(np.linspace(0, len(rows) - 1, ROWS).round().astype(np.int64))
        return cls(model.metadata.feature_names, indices, model.contributions(rows[indices]))

    def importances(self) -> list[Importance]:
        """Every feature, the one that matters most first."""
        sizes = np.abs(self.contributions[:, :-1], dtype=np.float64).mean(axis=0)
        order = np.argsort(-sizes, kind="stable")
        return [Importance(self.names[index], float(sizes[index])) for index in order]


def importances(model: Model, rows: npt.NDArray[np.float32]) -> list[Importance]:
    """Every feature, the one that matters most first; measured on evenly many of the rows."""
    return ExplainedSample.of(model, rows).importances()
