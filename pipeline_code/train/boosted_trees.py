"""XGBoost behind the `Algorithm` interface: a boosted forest of histogram trees."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from pipeline_code.common.exits import BadInput
from pipeline_code.train.batches import Batch, Batches, Matrix, empty_batch
from pipeline_code.train.parameters import Parameters
from pipeline_code.train.trees.boosted_forest import read_forest
from pipeline_code.train.trees.forest import Forest
from pipeline_code.train.xgboost_core import xgboost

__all__ = ["BoostedScorer", "BoostedTrees", "available_cores", "settings_of"]

MAX_BINS = 256


@dataclass(frozen=True, slots=True)
class BoostedTrees:
    """XGBoost as an algorithm."""

    file = "model.ubj"
    scales_out = True

    def version(self) -> str:
        """The library and its version."""
        return f"xgboost {xgboost.__version__}"

    def check(self, parameters: Parameters) -> None:
        """Raises BadInput if a GPU is wanted of a build without, or with a matrix on the disk."""
        if parameters.device == "cuda" and not xgboost.build_info()["USE_CUDA"]:
            raise BadInput(
                "hyperparameter device must be cpu in this image, got cuda; its XGBoost "
                f"{xgboost.__version__} is built without CUDA: put the package xgboost in place of "
                "xgboost-cpu into its requirements"
            )
        if parameters.device == "cuda" and parameters.external_memory == "on":
            raise BadInput(
                "hyperparameter external_memory must be auto or off with device cuda, got on; "
                "rows are read into the host's memory here"
            )

    def prepare(
        self,
        batches: Batches,
        names: Sequence[str],
        reference: Any = None,
        cache: Path | None = None,
    ) -> xgboost.DMatrix:
        """The rows as bins of a histogram, a byte a value, in memory or on the disk."""
        stream = _Stream(batches, names, cache)
        kind = xgboost.QuantileDMatrix if cache is None else xgboost.ExtMemQuantileDMatrix
        return kind(stream, ref=reference, nthread=available_cores(), max_bin=MAX_BINS)

    def begin(
        self,
        data: Any,
        names: Sequence[str],
        parameters: Parameters,
        content: bytes | None = None,
        watched: Any = None,
    ) -> "_Boosting":
        """Starts to learn, or goes on."""
        known = [data] if watched is None else [data, watched]
        booster = xgboost.Booster(
            settings_of(parameters, names),
            cache=known,
            model_file=None if content is None else bytearray(content),
        )
        return _Boosting(booster, data)

    def read(self, content: bytes) -> "BoostedScorer":
        """Reads model.ubj."""
        refusal = f"{self.file} must be a booster, got {len(content)} bytes"
        if not content:
            # XGBoost ends the process on nothing at all.
            raise BadInput(refusal)
        booster = xgboost.Booster()
        try:
            booster.load_model(bytearray(content))
        except xgboost.core.XGBoostError as error:
            raise BadInput(refusal) from error
        # Servers answer requests side by side; for one row, waking threads costs more than it
        # saves.
        booster.set_param({"nthread": 1})
        return BoostedScorer(booster, content)


@dataclass(frozen=True, slots=True)
class BoostedScorer:
    booster: xgboost.Booster
    content: bytes

    def margins(self, rows: Matrix) -> npt.NDArray[Any]:
        # validate_features compares names, which a bare array has none of.
        margins: npt.NDArray[Any] = self.booster.inplace_predict(
            rows, predict_type="margin", validate_features=False
        )
        return margins

    def contributions(self, rows: Matrix) -> npt.NDArray[Any]:
        data = xgboost.DMatrix(rows, feature_names=self.booster.feature_names, nthread=1)
        contributions: npt.NDArray[Any] = self.booster.predict(data, pred_contribs=True)
        return contributions

    def forest(self) -> Forest:
        return read_forest(self.content)


@dataclass(frozen=True, slots=True)
class _Boosting:
    booster: xgboost.Booster
    data: xgboost.DMatrix

    def add_round(self, number: int) -> None:
        # The updater draws a split's features from a generator that it seeds in its first round
        # and that no model file holds. Another tree method and back make a new updater, so that
        # each round's draws follow from the seed and its number.
        self.booster.set_param({"tree_method": "approx"})
        self.booster.save_config()
        self.booster.set_param({"tree_method": "hist"})
        self.booster.update(self.data, iteration=number)

    def margins(self, data: xgboost.DMatrix, rounds: int) -> npt.NDArray[Any]:
        booster = self._after(rounds)
        margins: npt.NDArray[Any] = booster.predict(data, output_margin=True)
        return margins

    def content(self, rounds: int) -> bytes:
        return bytes(self._after(rounds).save_raw("ubj"))

    def _after(self, rounds: int) -> xgboost.Booster:
        # The whole booster remembers the log-odds of its matrices; a slice of it does not.
        return (
            self.booster if rounds == self.booster.num_boosted_rounds() else self.booster[:rounds]
        )


class _Stream(xgboost.DataIter):  # type: ignore[misc]
    """Batches as XGBoost asks for them: all of them several times."""

    def __init__(self, batches: Batches, names: Sequence[str], cache: Path | None) -> None:
        self._batches = batches
        self._names = list(names)
        self._place: Iterator[Batch] = iter(())
        self._given = 0
        super().__init__(cache_prefix=None if cache is None else str(cache))

    def reset(self) -> None:
        self._place = iter(self._batches)
        self._given = 0

    def next(self, input_data: Any) -> bool:
        batch = next(self._place, None)
        if batch is None:
            if self._given:
                return False
            # A host may have none of these rows; XGBoost wants one batch at least.
            batch = empty_batch(len(self._names))
        self._given += 1
        input_data(data=batch.rows, label=batch.labels, feature_names=self._names)
        return True


def settings_of(parameters: Parameters, names: Sequence[str]) -> dict[str, Any]:
    """XGBoost's parameters."""
    increasing = parameters.increasing(names)
    settings = {
        "objective": "binary:logistic",
        # XGBoost 3 estimates the base score from the labels, which costs average precision here.
        "base_score": 0.5,
        "tree_method": "hist",
        "device": parameters.device,
        "max_bin": MAX_BINS,
        "max_depth": parameters.max_depth,
        "learning_rate": parameters.learning_rate,
        "num_parallel_tree": parameters.trees_per_round,
        "subsample": parameters.row_share,
        "colsample_bynode": parameters.feature_share,
        "min_child_weight": parameters.min_child_weight,
        "reg_lambda": parameters.l2_penalty,
        "scale_pos_weight": parameters.positive_weight,
        "seed": parameters.seed,
        "seed_per_iteration": True,
        "nthread": available_cores(),
    }
    if any(increasing):
        settings["monotone_constraints"] = tuple(int(one) for one in increasing)
    return settings


def available_cores() -> int:
    """Cores this process may use, which in a container is fewer than the machine has."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else (os.cpu_count() or 1)
