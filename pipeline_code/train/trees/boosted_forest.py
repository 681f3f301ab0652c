"""The trees of an XGBoost model, from its file."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline_code.common.exits import BadInput
from pipeline_code.train.trees import ubjson
from pipeline_code.train.trees.forest import Forest, joined
from pipeline_code.train.xgboost_core import xgboost

__all__ = ["read_forest"]

FILE = "model.ubj"


def read_forest(content: bytes) -> Forest:
    """The trees that XGBoost adds up, and where it starts.

    Raises:
        BadInput: It has categorical splits, several outputs or other learners than trees.
    """
    try:
        learner = ubjson.read(content)["learner"]
        name = learner["gradient_booster"]["name"]
        _require(name == "gbtree", "be of gbtree", name)
        parameters = learner["learner_model_param"]
        classes, targets = int(parameters["num_class"]), int(parameters["num_target"])
        _require(max(classes, targets) <= 1, "have one output", max(classes, targets))
        trees = learner["gradient_booster"]["model"]["trees"]
        _check(trees)
        return _forest(trees, int(parameters["num_feature"]), _base(learner))
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(f"{FILE} must be a booster's trees: {error!r}") from error


def _check(trees: Sequence[Mapping[str, Any]]) -> None:
    for number, tree in enumerate(trees):
        outputs = int(tree["tree_param"]["size_leaf_vector"])
        _require(outputs <= 1, "have leaves of one value", outputs)
        _require(
            not np.any(tree["split_type"]),
            "compare with numbers only",
            f"a categorical split in tree {number}; encode categories as numbers",
        )


def _forest(trees: Sequence[Mapping[str, Any]], features: int, base: float) -> Forest:
    sizes = np.array([len(tree["left_children"]) for tree in trees], np.int64)
    starts = np.cumsum(sizes) - sizes

    def together(name: str) -> Any:
        return np.concatenate([tree[name] for tree in trees])

    left = joined([tree["left_children"].astype(np.int64) for tree in trees], starts)
    right = joined([tree["right_children"].astype(np.int64) for tree in trees], starts)
    conditions = together("split_conditions").astype(np.float32)
    _require(not np.isnan(conditions).any(), "have numbers as splits", "others")
    return Forest(
        features=features,
        starts=starts,
        left=left,
        right=right,
        feature=np.where(left < 0, 0, together("split_indices").astype(np.int64)),
        split=conditions,
        missing_left=together("default_left").astype(np.bool_),
        # A leaf's value is where another node's split is.
        values=np.where(left < 0, conditions, np.float32(0)),
        base=base,
    )


def _base(learner: Mapping[str, Any]) -> float:
    """The base score's log-odds as XGBoost takes them, asked of it: its logarithm is its own."""
    text = learner["learner_model_param"]["base_score"]
    settings = {
        "objective": learner["objective"]["name"],
        "base_score": float(text.strip("[]")),
        "nthread": 1,
    }
    row = xgboost.DMatrix(np.zeros((1, 1), np.float32), nthread=1)
    empty = xgboost.train(settings, row, num_boost_round=0)
    return float(empty.predict(row, output_margin=True)[0])


def _require(truth: bool, rule: str, got: object) -> None:
    if not truth:
        raise BadInput(f"{FILE} must {rule} to be compiled, got {got}")
