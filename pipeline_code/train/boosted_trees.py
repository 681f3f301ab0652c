"""XGBoost behind the `Algorithm` interface: a boosted forest of histogram trees."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xgboost

from pipeline_code.common.exits import BadInput
from pipeline_code.train.parameters import Parameters

MODEL_FILE = "model.ubj"


@dataclass(frozen=True, slots=True)
class BoostedTrees:
    """A trained booster. Safe to share between threads."""

    booster: xgboost.Booster

    def predict(self, rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """One probability per row."""
        # validate_features compares names, which a bare array has none of.
        scores: npt.NDArray[np.float32] = self.booster.inplace_predict(
            rows, validate_features=False
        )
        return scores

    def save(self, folder: Path) -> None:
        """Writes model.ubj."""
        (folder / MODEL_FILE).write_bytes(self.booster.save_raw("ubj"))


def fit(
    rows: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int8],
    names: Sequence[str],
    parameters: Parameters,
) -> BoostedTrees:
    """Learns a boosted forest."""
    data = xgboost.QuantileDMatrix(rows, label=labels, feature_names=list(names), nthread=_cores())
    booster = xgboost.train(_settings(parameters), data, num_boost_round=parameters.rounds)
    return BoostedTrees(booster)


def load(folder: Path) -> BoostedTrees:
    """Reads model.ubj."""
    file = folder / MODEL_FILE
    if not file.is_file():
        raise BadInput(f"a model folder must hold {MODEL_FILE}, got none in {folder.name}")
    booster = xgboost.Booster()
    try:
        booster.load_model(bytearray(file.read_bytes()))
    except xgboost.core.XGBoostError as error:
        raise BadInput(
            f"{MODEL_FILE} must be a booster, got {file.stat().st_size} bytes"
        ) from error
    # Servers answer requests side by side; for one row, waking threads costs more than it saves.
    booster.set_param({"nthread": 1})
    return BoostedTrees(booster)


def _settings(parameters: Parameters) -> dict[str, Any]:
    return {
        "objective": "binary:logistic",
        # XGBoost 3 estimates the base score from the labels, which costs average precision here.
        "base_score": 0.5,
        "tree_method": "hist",
        "max_depth": parameters.max_depth,
        "learning_rate": parameters.learning_rate,
        "num_parallel_tree": parameters.trees_per_round,
        "subsample": parameters.row_share,
        "colsample_bynode": parameters.feature_share,
        "min_child_weight": parameters.min_child_weight,
        "reg_lambda": parameters.l2_penalty,
        "seed": parameters.seed,
        "nthread": _cores(),
    }


def _cores() -> int:
    """Cores this process may use, which in a container is fewer than the machine has."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else (os.cpu_count() or 1)
