"""LightGBM behind the `Algorithm` interface: leaf-wise histogram trees, on one host, in memory.

Its own draws of rows cannot be gone on with from a model file, so rows are drawn here, by the seed
and the round's number, and left out by gradients of zero. There are no forests within a round
either: its trees follow one another, each with its part of the learning rate.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from pipeline_code.common.exits import BadInput
from pipeline_code.train.batches import Batches, Matrix, empty_batch
from pipeline_code.train.boosted_trees import available_cores
from pipeline_code.train.forest import Forest
from pipeline_code.train.light_forest import read_forest
from pipeline_code.train.parameters import Parameters

__all__ = ["LightTrees"]

MAX_BINS = 255
# Where the file begins to say with which settings it was made: cores among them, which would make
# files of equal models differ.
SETTINGS_MARK = "\nparameters:"


@dataclass(frozen=True, slots=True)
class LightTrees:
    """LightGBM as an algorithm."""

    file = "model.txt"
    scales_out = False

    def version(self) -> str:
        """The library and its version."""
        return f"lightgbm {_library().__version__}"

    def check(self, parameters: Parameters) -> None:
        """Raises BadInput if the library is not there, or asked for what it is not used for."""
        _library()
        if parameters.device != "cpu":
            raise BadInput("hyperparameter device must be cpu for lightgbm, got cuda; use xgboost")
        if parameters.external_memory == "on":
            raise BadInput(
                "hyperparameter external_memory must be auto or off for lightgbm, got on; "
                "use xgboost"
            )

    def prepare(
        self,
        batches: Batches,
        names: Sequence[str],
        reference: Any = None,  # noqa: ARG002 - its rows are no bins, which would have to be the same
        cache: Path | None = None,  # noqa: ARG002 - `check` has refused it
    ) -> "_Rows":
        """The rows as one array."""
        parts = [empty_batch(len(names)), *batches]
        return _Rows(
            np.concatenate([part.rows for part in parts]),
            np.concatenate([part.labels for part in parts]),
        )

    def begin(
        self,
        data: Any,
        names: Sequence[str],
        parameters: Parameters,
        content: bytes | None = None,
        watched: Any = None,  # noqa: ARG002 - it need not be told
    ) -> "_Boosting":
        """Starts to learn, or goes on."""
        return _Boosting(data, names, parameters, content)

    def read(self, content: bytes) -> "_Scorer":
        """Reads model.txt."""
        library = _library()
        try:
            booster = library.Booster(model_str=content.decode())
        except (library.basic.LightGBMError, ValueError) as error:
            raise BadInput(f"{self.file} must be a booster, got {len(content)} bytes") from error
        return _Scorer(booster, content)


@dataclass(frozen=True, slots=True)
class _Rows:
    matrix: Matrix
    labels: npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class _Scorer:
    booster: Any
    content: bytes

    def margins(self, rows: Matrix) -> npt.NDArray[Any]:
        # One thread, as servers answer requests side by side.
        margins: npt.NDArray[Any] = self.booster.predict(rows, raw_score=True, num_threads=1)
        return margins

    def contributions(self, rows: Matrix) -> npt.NDArray[Any]:
        contributions: npt.NDArray[Any] = self.booster.predict(
            rows, pred_contrib=True, num_threads=1
        )
        return contributions

    def forest(self) -> Forest:
        return read_forest(self.content)


class _Boosting:
    def __init__(
        self, data: _Rows, names: Sequence[str], parameters: Parameters, content: bytes | None
    ) -> None:
        self._library = _library()
        self._parameters = parameters
        self._names = list(names)
        self._labels = data.labels.astype(np.float64)
        self._weights = np.where(data.labels == 1, parameters.positive_weight, 1.0)
        self._dataset = self._library.Dataset(
            data.matrix,
            feature_name=self._names,
            params={"max_bin": MAX_BINS, "verbose": -1, "num_threads": available_cores()},
            free_raw_data=False,
        )
        self._before = (
            None if content is None else self._library.Booster(model_str=content.decode())
        )
        self._booster: Any = None
        # By the array's identity: log-odds so far, and of how many trees.
        self._known: dict[int, tuple[npt.NDArray[np.float64], int]] = {}

    def add_round(self, number: int) -> None:
        trees = self._parameters.trees_per_round
        for tree in range(number * trees, (number + 1) * trees):
            self._add_tree(tree, number)

    def margins(self, data: _Rows, rounds: int) -> npt.NDArray[Any]:
        wanted = rounds * self._parameters.trees_per_round
        margins, trees = self._known.get(id(data), (np.zeros(len(data.labels)), 0))
        if trees > wanted:
            margins, trees = np.zeros(len(data.labels)), 0
        # Tree by tree, as LightGBM adds them up itself: the same sum to the last bit.
        for tree in range(trees, wanted):
            margins = margins + self._booster.predict(
                data.matrix,
                start_iteration=tree,
                num_iteration=1,
                raw_score=True,
                num_threads=available_cores(),
            )
        self._known[id(data)] = (margins, wanted)
        return margins

    def content(self, rounds: int) -> bytes:
        return _file(self._booster, rounds * self._parameters.trees_per_round)

    def _add_tree(self, tree: int, number: int) -> None:
        drawn = np.random.default_rng([self._parameters.seed, number])
        kept = drawn.random(len(self._labels)) < self._parameters.row_share
        factors = np.where(kept, self._weights, 0.0)

        def gradients(
            margins: npt.NDArray[np.float64], _: Any
        ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
            scores = expit(margins)
            return (scores - self._labels) * factors, scores * (1 - scores) * factors

        settings = _settings(self._parameters, self._names, tree)
        if self._booster is None:
            self._booster = self._library.train(
                settings | {"objective": gradients},
                self._dataset,
                num_boost_round=1,
                init_model=self._before,
                keep_training_booster=True,
            )
        else:
            self._booster.reset_parameter(settings)
            self._booster.update(fobj=gradients)


def _settings(parameters: Parameters, names: Sequence[str], tree: int) -> dict[str, Any]:
    settings: dict[str, Any] = {
        # It grows where that pays most, so fewer than half of a full tree's leaves do.
        "num_leaves": max(2, 2 ** (parameters.max_depth - 1) - 1),
        "max_depth": parameters.max_depth,
        "learning_rate": parameters.learning_rate / parameters.trees_per_round,
        "feature_fraction_bynode": parameters.feature_share,
        # Features are drawn anew for each tree, by its number.
        "feature_fraction_seed": (parameters.seed + 7_919 * tree) % 2**31,
        "min_sum_hessian_in_leaf": parameters.min_child_weight,
        "lambda_l2": parameters.l2_penalty,
        "max_bin": MAX_BINS,
        "seed": parameters.seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": available_cores(),
        "verbose": -1,
    }
    increasing = parameters.increasing(names)
    if any(increasing):
        settings["monotone_constraints"] = [int(one) for one in increasing]
    return settings


def _file(booster: Any, trees: int) -> bytes:
    text: str = booster.model_to_string(num_iteration=trees)
    return (text.split(SETTINGS_MARK, maxsplit=1)[0] + "\n").encode()


def _library() -> ModuleType:
    """LightGBM, loaded when it is first used: it needs a system library that not all have."""
    try:
        import lightgbm  # noqa: PLC0415
    except (ImportError, OSError) as error:
        raise BadInput(
            f"algorithm lightgbm must have its libraries, got: {error}; install the package "
            "lightgbm and the system's libgomp1, or use xgboost"
        ) from error
    library: ModuleType = lightgbm
    return library
