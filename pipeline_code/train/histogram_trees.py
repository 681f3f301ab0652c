"""scikit-learn's histogram trees behind the `Algorithm` interface: on one host, in memory.

They grow leaf by leaf, where XGBoost's grow level by level. What has been learned is kept in
XGBoost's file, and is XGBoost's trees from then on: scikit-learn has no file but a pickle, and does
not say what a feature adds to a score (ADR 0042).

The public estimator can neither go on from a file nor draw by a round's number. So its bins and its
grower are used here, tree by tree; a test holds that they give the estimator's trees.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from pipeline_code.common.exits import BadInput
from pipeline_code.train.batches import Batches, Matrix
from pipeline_code.train.boosted_trees import BoostedScorer, BoostedTrees, available_cores
from pipeline_code.train.grown_trees import TreeFile
from pipeline_code.train.parameters import Parameters

__all__ = ["HistogramTrees"]

# One of them is for missing values.
BINS = 256
# Bins are cut by so many rows at most, as scikit-learn does.
CUTTING_ROWS = 200_000

_XGBOOST = BoostedTrees()


@dataclass(frozen=True, slots=True)
class HistogramTrees:
    """scikit-learn's HistGradientBoosting as an algorithm."""

    file = _XGBOOST.file
    scales_out = False

    def version(self) -> str:
        """The libraries and their versions."""
        return f"scikit-learn {metadata.version('scikit-learn')}, {_XGBOOST.version()}"

    def check(self, parameters: Parameters) -> None:
        """Raises BadInput if the library is asked for what it has not."""
        if parameters.device != "cpu":
            raise BadInput(
                "hyperparameter device must be cpu for scikit-learn, got cuda; use xgboost"
            )
        if parameters.external_memory == "on":
            raise BadInput(
                "hyperparameter external_memory must be auto or off for scikit-learn, got on; "
                "use xgboost"
            )

    def prepare(
        self,
        batches: Batches,
        names: Sequence[str],  # noqa: ARG002 - `begin` gets them, too
        reference: "_Rows | None" = None,
        cache: Path | None = None,  # noqa: ARG002 - `check` has refused it
    ) -> "_Rows":
        """The rows as they are, and as bins of a histogram."""
        parts = list(batches)
        rows = np.concatenate([part.rows for part in parts])
        labels = np.concatenate([part.labels for part in parts])
        mapper = _cut(rows) if reference is None else reference.mapper
        # A batch at a time, as the mapper makes double precision of what it is given.
        bins = np.empty(rows.shape, np.uint8, order="F")
        np.concatenate([mapper.transform(part.rows) for part in parts if len(part.rows)], out=bins)
        return _Rows(rows, labels, mapper, bins)

    def begin(
        self,
        data: "_Rows",
        names: Sequence[str],
        parameters: Parameters,
        content: bytes | None = None,
        watched: Any = None,  # noqa: ARG002 - it need not be told
    ) -> "_Boosting":
        """Starts to learn, or goes on."""
        return _Boosting(data, names, parameters, content)

    def read(self, content: bytes) -> BoostedScorer:
        """Reads model.ubj."""
        return _XGBOOST.read(content)


@dataclass(frozen=True, slots=True)
class _Rows:
    matrix: Matrix
    labels: npt.NDArray[np.int8]
    mapper: Any
    bins: npt.NDArray[np.uint8]


class _Boosting:
    def __init__(
        self, data: _Rows, names: Sequence[str], parameters: Parameters, content: bytes | None
    ) -> None:
        self._data = data
        self._parameters = parameters
        self._increasing = np.array(parameters.increasing(names), np.int8)
        self._weights = np.where(data.labels == 1, parameters.positive_weight, 1.0)
        self._missing = (data.bins == BINS - 1).any(axis=0)
        self._file = TreeFile(names, parameters, content)
        self._before = len(self._file)
        self._grown: list[Any] = []
        # By the rows' identity: log-odds so far, and of how many trees.
        self._known: dict[int, tuple[npt.NDArray[np.float32], int]] = {}

    def add_round(self, number: int) -> None:
        scores = expit(self.margins(self._data, number).astype(np.float64))
        gradients = (scores - self._data.labels) * self._weights
        hessians = scores * (1 - scores) * self._weights
        for tree in range(self._parameters.trees_per_round):
            drawn = np.random.default_rng([self._parameters.seed, number, tree])
            left_out = drawn.random(len(scores)) >= self._parameters.row_share
            self._grow(np.where(left_out, 0, gradients), np.where(left_out, 0, hessians), drawn)

    def margins(self, data: _Rows, rounds: int) -> npt.NDArray[Any]:
        wanted = rounds * self._parameters.trees_per_round
        margins, trees = self._known.get(id(data), (None, 0))
        if margins is None or trees > wanted:
            trees = min(self._before, wanted)
            margins = _XGBOOST.read(self._file.content(trees)).margins(data.matrix)
        # Tree by tree in single precision, as XGBoost does: the same sum to the last bit.
        for grown in self._grown[trees - self._before : wanted - self._before]:
            added = grown.predict_binned(data.bins, BINS - 1, available_cores())
            margins = margins + added.astype(np.float32)
        self._known[id(data)] = (margins, wanted)
        return margins

    def content(self, rounds: int) -> bytes:
        return self._file.content(rounds * self._parameters.trees_per_round)

    def _grow(
        self,
        gradients: npt.NDArray[np.float64],
        hessians: npt.NDArray[np.float64],
        drawn: np.random.Generator,
    ) -> None:
        from sklearn.ensemble._hist_gradient_boosting.grower import TreeGrower  # noqa: PLC0415

        parameters, mapper = self._parameters, self._data.mapper
        grower = TreeGrower(
            self._data.bins,
            gradients.astype(np.float32),
            hessians.astype(np.float32),
            # It grows where that pays most, so fewer than half of a full tree's leaves do.
            max_leaf_nodes=max(2, 2 ** (parameters.max_depth - 1) - 1),
            max_depth=parameters.max_depth,
            min_hessian_to_split=parameters.min_child_weight,
            n_bins=BINS,
            n_bins_non_missing=mapper.n_bins_non_missing_,
            has_missing_values=self._missing,
            monotonic_cst=self._increasing,
            l2_regularization=parameters.l2_penalty,
            feature_fraction_per_split=parameters.feature_share,
            rng=drawn,
            shrinkage=parameters.learning_rate / parameters.trees_per_round,
            n_threads=available_cores(),
        )
        grower.grow()
        self._grown.append(grower.make_predictor(mapper.bin_thresholds_))
        self._file.add(self._grown[-1].nodes)


def _cut(rows: Matrix) -> Any:
    """What makes bins of values: cut so that about as many rows are in each."""
    # Only who learns needs it, and loading it takes a while.
    from sklearn.ensemble._hist_gradient_boosting.binning import _BinMapper  # noqa: PLC0415

    mapper = _BinMapper(n_bins=BINS, subsample=None, n_threads=available_cores())
    return mapper.fit(rows[:: -(-len(rows) // CUTTING_ROWS)])
