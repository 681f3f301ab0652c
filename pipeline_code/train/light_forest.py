"""The trees of a LightGBM model, from its file.

LightGBM compares in double precision and with "at most", and takes what is nearly zero for zero.
Rows are of single precision here, so for each of its splits there is a number of single precision
that "below" parts them by in the very same way; it is what the trees are given.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline_code.common.exits import BadInput
from pipeline_code.train.forest import EVERYTHING_BELOW, Forest, joined

__all__ = ["read_forest"]

FILE = "model.txt"
# LightGBM's kZeroThreshold, up to which a value counts as zero.
NEARLY_ZERO = np.float32(1e-35)
# Bits of a split's `decision_type`.
CATEGORICAL, DEFAULT_LEFT = 1, 2
MISSING_SHIFT, MISSING_MASK = 2, 3
MISSING_NEVER, MISSING_AS_ZERO = 0, 1

_INFINITE = np.float32(np.inf)


def read_forest(content: bytes) -> Forest:
    """The trees that LightGBM adds up; it starts from nothing.

    Raises:
        BadInput: It has categorical splits, linear leaves, several outputs, an average of trees, or
            takes zeros for missing.
    """
    try:
        head, *blocks = content.decode().split("\nTree=")
        model = _fields(head)
        _require("average_output" not in head.split("\n"), "add up its trees", "their average")
        _require(model["num_tree_per_iteration"] == "1", "have one output", "several")
        # What follows the last tree begins with a line of its own.
        trees = [_Tree(_fields(block.split("\nend of trees")[0])) for block in blocks]
        return _forest(trees, int(model["max_feature_idx"]) + 1)
    except (KeyError, ValueError) as error:
        raise BadInput(f"{FILE} must be a booster's trees: {error!r}") from error


class _Tree:
    """One tree: its splits, then its leaves."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        _require(fields.get("is_linear", "0") == "0", "have leaves of one value", "linear ones")
        leaves = np.array(fields["leaf_value"].split(), np.float64)
        # A tree of one leaf has no splits, and the file no lines of them.
        splits = {name: fields.get(name, "").split() for name in _OF_SPLITS}
        kinds = np.array(splits["decision_type"], np.int64)
        missing = (kinds >> MISSING_SHIFT) & MISSING_MASK
        _require(
            not (kinds & CATEGORICAL).any(),
            "compare with numbers only",
            "a categorical split; encode categories as numbers",
        )
        _require(
            not (missing == MISSING_AS_ZERO).any(), "tell zero from missing", "zero_as_missing"
        )
        thresholds = np.array(splits["threshold"], np.float64)
        _require(not np.isnan(thresholds).any(), "have numbers as splits", "others")
        below = _below(thresholds)
        empty = np.full(len(leaves), -1)
        self.left = np.concatenate([_children(splits["left_child"]), empty])
        self.right = np.concatenate([_children(splits["right_child"]), empty])
        self.feature = np.concatenate([np.array(splits["split_feature"], np.int64), empty * 0])
        self.split = np.concatenate([below, np.zeros(len(leaves), np.float32)])
        # Where no value was missing in training, a missing one is a zero.
        left = np.where(missing == MISSING_NEVER, thresholds >= 0, (kinds & DEFAULT_LEFT) > 0)
        self.missing_left = np.concatenate([left, np.zeros(len(leaves), np.bool_)])
        self.values = np.concatenate([np.zeros(len(below)), leaves])


_OF_SPLITS = ("decision_type", "threshold", "left_child", "right_child", "split_feature")


def _forest(trees: list[_Tree], features: int) -> Forest:
    sizes = np.array([len(tree.left) for tree in trees], np.int64)
    starts = np.cumsum(sizes) - sizes

    def together(name: str) -> Any:
        return np.concatenate([getattr(tree, name) for tree in trees])

    return Forest(
        features=features,
        starts=starts,
        left=joined([tree.left for tree in trees], starts),
        right=joined([tree.right for tree in trees], starts),
        feature=together("feature"),
        split=together("split"),
        missing_left=together("missing_left"),
        values=together("values"),
        base=0.0,
    )


def _below(thresholds: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Numbers that exactly the values "at most the threshold", zeros counted as such, are below."""
    with np.errstate(over="ignore"):
        single = thresholds.astype(np.float32)
        at_most = np.where(single > thresholds, np.nextafter(single, -_INFINITE), single)
        below = np.nextafter(at_most, _INFINITE)
    # All that counts as zero goes where zero does.
    below = np.where(
        below > 0,
        np.maximum(below, np.nextafter(NEARLY_ZERO, _INFINITE)),
        np.minimum(below, -NEARLY_ZERO),
    )
    # Such a split parts what is missing from all that is not.
    return np.where(np.isposinf(thresholds), EVERYTHING_BELOW, below)


def _children(texts: list[str]) -> npt.NDArray[np.int64]:
    """Splits by their number, leaves (which LightGBM counts down from -1) after all splits."""
    children = np.array(texts, np.int64)
    return np.where(children < 0, len(children) + ~children, children)


def _fields(block: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in block.split("\n"))
    return {name: value for name, mark, value in pairs if mark}


def _require(truth: bool, rule: str, got: object) -> None:
    if not truth:
        raise BadInput(f"{FILE} must {rule} to be compiled, got {got}")
