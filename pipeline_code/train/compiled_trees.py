"""A scorer that walks its library's trees as machine code; the same bits, many times sooner.

The library takes most of its time for one row to begin: checks, threads, its own copies. Where a
server asks for a row at a time, that is all there is (docs/serving.md has the measurements).
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from pipeline_code.common.exits import BadInput
from pipeline_code.train.algorithms import Scorer
from pipeline_code.train.batches import Matrix
from pipeline_code.train.trees.forest import Forest
from pipeline_code.train.trees.tree_kernel import SIGN, add_to_few, add_to_many

__all__ = ["CompiledTrees", "compared"]

# From so many rows on, walking tree by tree is faster.
MANY_ROWS = 16


@dataclass(frozen=True, slots=True, eq=False)
class CompiledTrees:
    """A scorer's trees, flattened for the kernel.

    CompiledTrees.of(scorer).margins(rows)  # scorer.margins(rows), bit for bit

    Safe to share between threads, which it lets run side by side.

    Raises:
        BadInput: The scorer has splits that are no comparison with a number.
    """

    library: Scorer
    nodes: npt.NDArray[np.uint32]
    values: npt.NDArray[np.float32]
    depths: npt.NDArray[np.int64]
    deepest: int
    base: float
    features: int

    @classmethod
    def of(cls, scorer: Scorer) -> Self:
        """Compiles a scorer."""
        forest = scorer.forest()
        nodes, values = _flattened(forest)
        depths = forest.depths()
        return cls(scorer, nodes, values, depths, int(depths.max()), forest.base, forest.features)

    @property
    def content(self) -> bytes:
        """The file that its library read it from."""
        return self.library.content

    def margins(self, rows: Matrix) -> npt.NDArray[Any]:
        """The log-odds of each row, whatever the rows beside it."""
        # The kernel trusts its arguments: it would read what lies beside the rows.
        if rows.ndim != 2 or rows.shape[1] != self.features:  # noqa: PLR2004
            raise ValueError(f"rows must have {self.features} columns, got shape {rows.shape}")
        margins = np.full(len(rows), self.base, np.float32)
        if len(rows) < MANY_ROWS:
            add_to_few(rows, self.nodes, self.values, self.depths, self.deepest, margins)
        else:
            add_to_many(rows, self.nodes, self.values, self.depths, margins)
        return margins

    def contributions(self, rows: Matrix) -> npt.NDArray[Any]:
        """What each feature adds to a row's log-odds, as the library says."""
        return self.library.contributions(rows)

    def forest(self) -> Forest:
        """The trees as they were before."""
        return self.library.forest()


def compared(scorer: Scorer, rows: Matrix) -> dict[str, float]:
    """Proves on rows, and on rows at the edges of its splits, that a scorer compiles exactly.

    Args:
        scorer: A library's.
        rows: Some of those that it has learned from.

    Returns:
        How many rows were compared, and the largest difference of their log-odds: zero.

    Raises:
        BadInput: There is a difference.
    """
    compiled = CompiledTrees.of(scorer)
    probes = np.concatenate([rows, scorer.forest().edges()])
    expected = scorer.margins(probes)
    few = [compiled.margins(probes[row : row + 1]) for row in range(min(MANY_ROWS, len(probes)))]
    got = np.concatenate([*few, compiled.margins(probes[len(few) :])])
    differences = np.abs(got.astype(np.float64) - expected)
    # Written so that a difference which is no number counts as one.
    wrong = int(np.sum(~(differences == 0)))
    if wrong:
        raise BadInput(
            f"compiled trees must give the library's log-odds, got {wrong} of {len(probes)} rows "
            f"that differ, by up to {np.max(differences)}; the model is not packaged: "
            "pin the library to the version in requirements.txt"
        )
    return {"rows": len(probes), "largest_difference": float(np.max(differences))}


def _flattened(forest: Forest) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.float32]]:
    """The kernel's nodes and values: roots first, then pairs of siblings, tree by tree."""
    inner = np.flatnonzero(forest.left >= 0)
    trees = len(forest.starts)
    pairs = trees + 1 + 2 * np.arange(len(inner))
    # Nodes that no way leads to keep 0, which no walk comes to.
    indices = np.zeros(len(forest.left), np.int64)
    indices[forest.starts] = np.arange(1, trees + 1)
    indices[forest.left[inner]] = pairs
    indices[forest.right[inner]] = pairs + 1
    count = 1 + trees + 2 * len(inner)
    nodes = np.zeros((count, 3), np.uint32)
    # A leaf's split is below everything, so every row goes right: to the leaf itself.
    nodes[1:, 1] = np.arange(count - 1)
    columns = forest.feature + np.where(forest.missing_left, 0, forest.features)
    nodes[indices[inner]] = np.column_stack([_orders(forest.split[inner]), pairs, columns[inner]])
    values = np.zeros(count, np.float32)
    values[indices] = forest.values
    return nodes, values


def _orders(splits: npt.NDArray[np.float32]) -> npt.NDArray[np.uint32]:
    """As the kernel's `ordered`."""
    bits = (splits + np.float32(0)).view(np.uint32)  # makes the negative zero the other
    return np.where(bits & SIGN, ~bits, bits | SIGN)
