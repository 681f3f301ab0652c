"""The interface of algorithms; XGBoost and scikit-learn are the two there are.

An algorithm learns round by round, so that stopping early, checkpoints and what is said on the way
are the same for all (`training.py`). Everything is in log-odds: calibration comes after it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy.typing as npt

from pipeline_code.common.exits import BadInput
from pipeline_code.train.batches import Batches, Matrix
from pipeline_code.train.boosted_trees import BoostedTrees
from pipeline_code.train.histogram_trees import HistogramTrees
from pipeline_code.train.parameters import Parameters
from pipeline_code.train.trees.forest import Forest

__all__ = ["ALGORITHMS", "Algorithm", "Boosting", "Scorer", "find_algorithm"]


class Scorer(Protocol):
    """A trained model. Safe to share between threads."""

    @property
    def content(self) -> bytes:
        """The file that it was read from."""

    def margins(self, rows: Matrix) -> npt.NDArray[Any]:
        """The log-odds of each row, whatever the rows beside it."""

    def contributions(self, rows: Matrix) -> npt.NDArray[Any]:
        """What each feature adds to a row's log-odds (TreeSHAP), and the base in a last column."""

    def forest(self) -> Forest:
        """Its trees; raises BadInput if some of them are more than comparisons with numbers."""


class Boosting(Protocol):
    """A model that is being learned."""

    def add_round(self, number: int) -> None:
        """Learns the round of this number, counted from 0; its draws depend on nothing else."""

    def margins(self, data: Any, rounds: int) -> npt.NDArray[Any]:
        """The log-odds of prepared rows after so many rounds."""

    def content(self, rounds: int) -> bytes:
        """The model's file after so many rounds: what to score with, or to go on from."""


class Algorithm(Protocol):
    """A way to learn.

    data = algorithm.prepare(batches, names)
    boosting = algorithm.begin(data, names, parameters)
    boosting.add_round(0)
    algorithm.read(boosting.content(1)).margins(rows)

    Guarantees:
        Equal input gives equal bytes. What goes on from a file ends with the same bytes as if it
        had never stopped.
    """

    @property
    def file(self) -> str:
        """The name of the model's file."""

    @property
    def scales_out(self) -> bool:
        """Whether hosts can share the work, and rows can stay on the disk."""

    def version(self) -> str:
        """The library and its version; another one may learn something else."""

    def check(self, parameters: Parameters) -> None:
        """Raises BadInput if this machine cannot do what the parameters want."""

    def prepare(
        self,
        batches: Batches,
        names: Sequence[str],
        reference: Any = None,
        cache: Path | None = None,
    ) -> Any:
        """Rows as the algorithm wants them.

        Args:
            batches: Where they come from, as often as is needed.
            names: The features' names.
            reference: Rows prepared for learning, if these are to be scored only.
            cache: Beginning of the names of files that hold the rows; in memory if omitted.
        """

    def begin(
        self,
        data: Any,
        names: Sequence[str],
        parameters: Parameters,
        content: bytes | None = None,
        watched: Any = None,
    ) -> Boosting:
        """Starts to learn from prepared rows, or goes on from a file's content.

        Args:
            data: Prepared rows.
            names: The features' names.
            parameters: The job's.
            content: The file to go on from.
            watched: Prepared rows whose log-odds will be asked for after every round.
        """

    def read(self, content: bytes) -> Scorer:
        """Reads a file's content; raises BadInput if it is none of this algorithm's."""


ALGORITHMS: Mapping[str, Algorithm] = {
    "xgboost": BoostedTrees(),
    "scikit-learn": HistogramTrees(),
}


def find_algorithm(name: str) -> Algorithm:
    """The algorithm of that name, or BadInput naming those there are."""
    if name not in ALGORITHMS:
        raise BadInput(f"algorithm must be one of {', '.join(ALGORITHMS)}, got {name}")
    return ALGORITHMS[name]
