"""Trees as numbers, whichever library has learned them: what they mean, apart from how they run."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_code.common.exits import BadInput

__all__ = ["Forest", "joined"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

# Rows at the edges are made for so many splits at most: about 100 MB.
PROBED_SPLITS = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Forest:
    """Binary trees, the nodes of all of them in one list; their sum is a row's log-odds.

    Attributes:
        features: Columns of a row.
        starts: Each tree's root; its nodes follow it.
        left, right: A node's children; -1 in a leaf.
        feature, split: A row whose value is below the split goes left.
        missing_left: Whether a row without a value goes left.
        values: What a leaf adds, in single precision.
        base: What it starts from; the trees are added in their order.

    Raises:
        BadInput: These are no trees over that many features.
    """

    features: int
    starts: Ints
    left: Ints
    right: Ints
    feature: Ints
    split: Floats
    missing_left: npt.NDArray[np.bool_]
    values: Floats
    base: float

    def __post_init__(self) -> None:
        inner = np.flatnonzero(self.left >= 0)
        children = np.concatenate([self.left[inner], self.right[inner]])
        tree = np.searchsorted(self.starts, np.arange(len(self.left)), side="right")
        _require(len(self.starts) > 0 and self.starts[0] == 0, "begin with a tree")
        _require(
            bool(((children >= 0) & (children < len(self.left))).all()), "hold each node's children"
        )
        # Each node has one parent, so no walk from a root goes round.
        _require(
            len(np.unique(np.concatenate([children, self.starts])))
            == len(children) + len(self.starts),
            "have one way to each node",
        )
        parents = np.concatenate([inner, inner])
        _require(bool((tree[parents] == tree[children]).all()), "keep a tree's nodes together")
        _require(
            bool(((self.feature[inner] >= 0) & (self.feature[inner] < self.features)).all()),
            f"split by one of {self.features} features",
        )

    def depths(self) -> Ints:
        """How many splits are above each tree's deepest leaf."""
        depths = np.zeros(len(self.starts), np.int64)
        nodes, trees = self.starts, np.arange(len(self.starts))
        while len(nodes):
            inner = self.left[nodes] >= 0
            nodes = np.concatenate([self.left[nodes[inner]], self.right[nodes[inner]]])
            trees = np.tile(trees[inner], 2)
            depths[np.unique(trees)] += 1
        return depths

    def edges(self) -> Floats:
        """Rows that come to every split with its very value, those next to it, and none.

        Of a forest with more than PROBED_SPLITS of them, to those of trees drawn at equal
        distances.
        """
        splits = np.add.reduceat(self.left >= 0, self.starts)
        share = max(1, int(np.ceil(splits.sum() / PROBED_SPLITS)))
        nodes = self.starts[::share]
        low = np.full((len(nodes), self.features), -np.inf, np.float32)
        high = np.full((len(nodes), self.features), np.inf, np.float32)
        rows = [_within(low, high)[:1]]
        while len(nodes):
            inner = self.left[nodes] >= 0
            nodes, low, high = nodes[inner], low[inner], high[inner]
            at, feature, split = np.arange(len(nodes)), self.feature[nodes], self.split[nodes]
            for value in (split, *(_next(split, end) for end in _ENDS), _NONE):
                probe = _within(low, high)
                probe[at, feature] = value
                rows.append(probe)
            below, above = high.copy(), low.copy()
            below[at, feature] = np.minimum(high[at, feature], split)
            above[at, feature] = np.maximum(low[at, feature], split)
            nodes = np.concatenate([self.left[nodes], self.right[nodes]])
            low, high = np.concatenate([low, above]), np.concatenate([below, high])
        return np.concatenate(rows)


_ENDS = (np.float32(-np.inf), np.float32(np.inf))
_NONE = np.float32(np.nan)


def joined(parts: list[Ints], offsets: Ints) -> Ints:
    """Children of several trees, counted within each, as children within all; -1 stays."""
    sizes = [len(part) for part in parts]
    children = np.concatenate(parts)
    return np.where(children < 0, -1, children + np.repeat(offsets, sizes))


def _within(low: Floats, high: Floats) -> Floats:
    """A value in each range that holds its low end and not its high one."""
    below = np.where(np.isinf(high), np.float32(0), _next(high, _ENDS[0]))
    return np.where(np.isinf(low), below, low)


def _next(values: Floats, end: np.float32) -> Floats:
    """The numbers next to these towards an end."""
    with np.errstate(over="ignore", under="ignore"):
        found: Floats = np.nextafter(values, end)
        return found


def _require(truth: bool, rule: str) -> None:
    if not truth:
        raise BadInput(f"the model's trees must {rule}, got others; train the model again")
