"""Which features a model decides by: the mean of their contributions' size, by TreeSHAP."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_code.train.model import Model

__all__ = ["ROWS", "Importance", "importances", "sampled"]

# A mean over more rows would look the same.
ROWS = 1000


@dataclass(frozen=True, slots=True)
class Importance:
    """A feature and how far it moves a score on average, in log-odds."""

    feature: str
    mean_contribution: float


def sampled(rows: int) -> npt.NDArray[np.int64]:
    """The places of the rows that are explained: `ROWS` of them, evenly far apart."""
    return np.unique(np.linspace(0, rows - 1, ROWS).round().astype(np.int64))


def importances(model: Model, rows: npt.NDArray[np.float32]) -> list[Importance]:
    """Every feature, the one that matters most first; measured on evenly many of the rows."""
    added = model.contributions(rows[sampled(len(rows))])[:, :-1]
    sizes = np.abs(added, dtype=np.float64).mean(axis=0)
    order = np.argsort(-sizes, kind="stable")
    names = model.metadata.feature_names
    return [Importance(names[place], float(sizes[place])) for place in order]
