"""Trees that scikit-learn has grown, as a file of XGBoost's (ADR 0042)."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline_code.train.boosted_trees import settings_of
from pipeline_code.train.parameters import Parameters
from pipeline_code.train.xgboost_core import xgboost

__all__ = ["TreeFile"]

# What XGBoost writes for a root's parent.
NO_PARENT = 2**31 - 1


class TreeFile:
    """XGBoost's file, to which trees are added.

    file = TreeFile(names, parameters)
    file.add(nodes)
    file.content(1)  # model.ubj

    Args:
        names: The features' names.
        parameters: The job's.
        content: The file to go on from; one without trees if omitted.
    """

    def __init__(
        self, names: Sequence[str], parameters: Parameters, content: bytes | None = None
    ) -> None:
        booster = xgboost.Booster(
            model_file=bytearray(content or _without_trees(names, parameters))
        )
        self._document: dict[str, Any] = json.loads(bytes(booster.save_raw("json")))
        self._features = len(names)
        self._trees_per_round = parameters.trees_per_round
        self._trees: list[Mapping[str, Any]] = self._model["trees"]

    def __len__(self) -> int:
        """How many trees it holds."""
        return len(self._trees)

    def add(self, nodes: npt.NDArray[Any]) -> None:
        """Adds a tree.

        Args:
            nodes: Its nodes, as scikit-learn's TreePredictor has them: the root first.
        """
        self._trees.append(_tree(nodes, len(self), self._features))

    def content(self, trees: int) -> bytes:
        """The file with so many of its trees."""
        self._model.update(
            trees=self._trees[:trees],
            tree_info=[0] * trees,
            iteration_indptr=list(range(0, trees + 1, self._trees_per_round)),
        )
        self._model["gbtree_model_param"]["num_trees"] = str(trees)
        text = json.dumps(self._document)
        return bytes(xgboost.Booster(model_file=bytearray(text.encode())).save_raw("ubj"))

    @property
    def _model(self) -> dict[str, Any]:
        model: dict[str, Any] = self._document["learner"]["gradient_booster"]["model"]
        return model


def _without_trees(names: Sequence[str], parameters: Parameters) -> bytes:
    row = np.zeros((1, len(names)), np.float32)
    data = xgboost.DMatrix(row, feature_names=list(names), nthread=1)
    booster = xgboost.train(settings_of(parameters, names), data, num_boost_round=0)
    return bytes(booster.save_raw("ubj"))


def _tree(nodes: npt.NDArray[Any], number: int, features: int) -> Mapping[str, Any]:
    """One tree; where XGBoost keeps the second derivative, which weights TreeSHAP, rows count."""
    # XGBoost takes for granted that a right child follows its sibling.
    order = [0]
    for node in order:
        if not nodes["is_leaf"][node]:
            order += [nodes["left"][node], nodes["right"][node]]
    nodes = nodes[order]
    leaf = nodes["is_leaf"] == 1
    inner = np.flatnonzero(~leaf)
    left = np.full(len(nodes), -1)
    left[inner] = 1 + 2 * np.arange(len(inner))
    values = nodes["value"].astype(np.float32)
    empty = ("categories", "categories_nodes", "categories_segments", "categories_sizes")
    return {name: [] for name in empty} | {
        "id": number,
        "left_children": left.tolist(),
        "right_children": np.where(leaf, -1, left + 1).tolist(),
        "parents": [NO_PARENT, *np.repeat(inner, 2).tolist()],
        "split_indices": nodes["feature_idx"].tolist(),
        "split_type": [0] * len(nodes),
        "split_conditions": np.where(leaf, values, _below(nodes["num_threshold"])).tolist(),
        "default_left": nodes["missing_go_to_left"].tolist(),
        "loss_changes": np.where(leaf, 0, nodes["gain"]).tolist(),
        "base_weights": values.tolist(),
        "sum_hessian": nodes["count"].astype(np.float64).tolist(),
        "tree_param": {
            "num_deleted": "0",
            "num_feature": str(features),
            "num_nodes": str(len(nodes)),
            "size_leaf_vector": "1",
        },
    }


def _below(thresholds: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Numbers that exactly the values of single precision "at most the threshold" are below."""
    infinite = np.float32(np.inf)
    with np.errstate(over="ignore", under="ignore"):
        single = thresholds.astype(np.float32)
        at_most = np.where(single > thresholds, np.nextafter(single, -infinite), single)
        below: npt.NDArray[np.float32] = np.nextafter(at_most, infinite)
        return below
