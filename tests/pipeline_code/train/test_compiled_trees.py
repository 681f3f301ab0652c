"""Compiled trees against the libraries that have learned them: the same bits, whatever the row."""

import json
import threading
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_code.common.exits import BadInput
from pipeline_code.train.algorithms import Scorer, find_algorithm
from pipeline_code.train.batches import ArrayBatches, Batch
from pipeline_code.train.compiled_trees import MANY_ROWS, CompiledTrees, compared
from pipeline_code.train.model import Model, fit
from pipeline_code.train.parameters import Parameters
from pipeline_code.train.trees import ubjson
from pipeline_code.train.trees.forest import Forest

Rows = npt.NDArray[np.float32]

FEATURES = 4
LARGEST = float(np.finfo(np.float32).max)
# What floating point has that integers have not.
PECULIAR = (0.0, -0.0, 1e-45, -1e-45, 1e-38, 1e-35, -1e-35, 16777217.0)
EXTREME = (LARGEST, -LARGEST, LARGEST / 3)


@st.composite
def lessons(draw: st.DrawFn) -> dict[str, Any]:
    """What a model is learned from, and how."""
    return {
        "seed": draw(st.integers(0, 2**32 - 1)),
        "depth": draw(st.integers(1, 7)),
        "rounds": draw(st.integers(1, 5)),
        "trees": draw(st.integers(1, 3)),
        "missing": draw(st.sampled_from([0.0, 0.3])),
        "values": draw(st.sampled_from([(), PECULIAR, EXTREME])),
        "base": draw(st.floats(2**-10, 1 - 2**-10, width=32)),
    }


def drawn(lesson: dict[str, Any], count: int = 400) -> tuple[Rows, npt.NDArray[np.int8]]:
    random = np.random.default_rng(lesson["seed"])
    rows = np.round(random.normal(0, 3, (count, FEATURES)), 1).astype(np.float32)
    if lesson["values"]:
        strange = random.random(rows.shape) < 0.5
        rows[strange] = random.choice(np.array(lesson["values"], np.float32), strange.sum())
    labels = (np.nan_to_num(rows[:, 0], posinf=9) + random.normal(0, 2, count) > 0).astype(np.int8)
    labels[:2] = (0, 1)
    rows[random.random(rows.shape) < lesson["missing"]] = np.nan
    return rows, labels


def of_xgboost(lesson: dict[str, Any], **more: Any) -> Scorer:
    rows, labels = drawn(lesson)
    told = {
        "objective": "binary:logistic",
        "max_depth": lesson["depth"],
        "num_parallel_tree": lesson["trees"],
        "base_score": lesson["base"],
        "min_child_weight": 0,
        "subsample": 0.9,
        "seed": lesson["seed"] % 1000,
        "nthread": 1,
    }
    data = xgboost.DMatrix(rows, labels, nthread=1)
    booster = xgboost.train(told | more, data, lesson["rounds"])
    return find_algorithm("xgboost").read(bytes(booster.save_raw("ubj")))


def of_scikit_learn(lesson: dict[str, Any], **more: Any) -> Scorer:
    rows, labels = drawn(lesson)
    told = {
        "max_depth": lesson["depth"],
        "trees_per_round": lesson["trees"],
        "min_child_weight": 0.0,
        "row_share": 0.9,
        "seed": lesson["seed"] % 1000,
        "increasing_features": "",
    }
    algorithm, names = find_algorithm("scikit-learn"), tuple("abcd")
    data = algorithm.prepare(ArrayBatches(Batch(rows, labels, np.arange(len(rows)))), names)
    boosting = algorithm.begin(data, names, Parameters(**told | more))
    for number in range(lesson["rounds"]):
        boosting.add_round(number)
    return algorithm.read(boosting.content(lesson["rounds"]))


MAKERS = {"xgboost": of_xgboost, "scikit-learn": of_scikit_learn}


def rows_of_all_kinds(lesson: dict[str, Any], forest: Forest) -> Rows:
    """Learned ones, ones at the splits' edges, and ones of peculiar values only."""
    random = np.random.default_rng(lesson["seed"])
    odd = np.array([*PECULIAR, *EXTREME, np.inf, -np.inf, np.nan], np.float32)
    at_splits = np.concatenate([odd, forest.split])
    with np.errstate(over="ignore", under="ignore"):
        beside = [np.nextafter(at_splits, np.float32(end)) for end in (-np.inf, np.inf)]
    at_splits = np.concatenate([at_splits, *beside])
    mixed = random.choice(at_splits, (400, FEATURES)).astype(np.float32)
    return np.concatenate([drawn(lesson)[0], forest.edges(), mixed])


@pytest.mark.parametrize("library", MAKERS)
@settings(max_examples=30, deadline=None)
@given(lesson=lessons())
def test_any_model_scores_any_row_as_its_library(library: str, lesson: dict[str, Any]) -> None:
    scorer = MAKERS[library](lesson)
    rows = rows_of_all_kinds(lesson, scorer.forest())
    expected = scorer.margins(rows)
    compiled = CompiledTrees.of(scorer)
    many = compiled.margins(rows)
    assert many.dtype == expected.dtype
    assert many.tobytes() == expected.tobytes()
    few = [compiled.margins(rows[place : place + 3]) for place in range(0, 300, 3)]
    assert np.concatenate(few).tobytes() == expected[:300].tobytes()


LESSON = {
    "seed": 5,
    "depth": 4,
    "rounds": 3,
    "trees": 2,
    "missing": 0.1,
    "values": (),
    "base": 0.25,
}


@pytest.mark.parametrize("library", MAKERS)
def test_the_edges_come_to_every_split(library: str) -> None:
    scorer = MAKERS[library](LESSON)
    forest = scorer.forest()
    edges = forest.edges()
    inner = np.flatnonzero(forest.left >= 0)
    assert len(edges) == 4 * len(inner) + 1
    visited: set[tuple[int, float]] = set()
    for row in edges:
        for start in forest.starts:
            node = int(start)
            while forest.left[node] >= 0:
                value = row[forest.feature[node]]
                visited.add((node, float(value) - float(forest.split[node])))
                left = forest.missing_left[node] if np.isnan(value) else value < forest.split[node]
                node = int(forest.left[node] if left else forest.right[node])
    assert {node for node, distance in visited if distance == 0} == set(inner)
    # Further below, a missing value may have gone the other way where the feature was split before.
    assert {node for node, distance in visited if np.isnan(distance)} >= set(forest.starts)


def test_a_forest_too_large_is_probed_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    forest = of_xgboost(LESSON).forest()
    whole = len(forest.edges())
    monkeypatch.setattr("pipeline_code.train.trees.forest.PROBED_SPLITS", whole // 4 // 2)
    assert 1 < len(forest.edges()) < whole


@pytest.mark.parametrize("library", MAKERS)
def test_a_model_that_has_learned_nothing_compiles(library: str) -> None:
    lesson = LESSON | {"rounds": 1, "trees": 1}
    scorer = MAKERS[library](lesson, min_child_weight=1e6)
    assert not scorer.forest().depths().any()
    rows = drawn(LESSON)[0]
    assert compared(scorer, rows)["largest_difference"] == 0


def test_threads_share_a_model() -> None:
    scorer = of_xgboost(LESSON)
    compiled, rows = CompiledTrees.of(scorer), drawn(LESSON)[0]
    expected = scorer.margins(rows).tobytes()
    wrong: list[int] = []

    def work() -> None:
        for _ in range(200):
            got = [compiled.margins(rows[:5]), compiled.margins(rows[5:])]
            if np.concatenate(got).tobytes() != expected:
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("columns", [FEATURES - 1, FEATURES + 1])
@pytest.mark.parametrize("count", [1, MANY_ROWS])
def test_rows_of_another_width_are_refused(columns: int, count: int) -> None:
    compiled = CompiledTrees.of(of_xgboost(LESSON))
    with pytest.raises(ValueError, match=rf"must have 4 columns, got shape \({count}, {columns}\)"):
        compiled.margins(np.zeros((count, columns), np.float32))


@pytest.mark.parametrize("algorithm", MAKERS)
def test_a_compiled_model_is_an_equal_one(algorithm: str) -> None:
    rows, labels = drawn(LESSON | {"missing": 0.0})
    names = tuple("abcd")
    parameters = Parameters(algorithm=algorithm, rounds=4, positive_weight=3.0, max_depth=4)
    model = fit(rows, labels, parameters=parameters, names=names)
    compiled = model.compiled()
    assert compiled.metadata == model.metadata
    assert compiled.compiled() is compiled
    assert compiled.predict(rows).tobytes() == model.predict(rows).tobytes()
    assert compiled.contributions(rows).tobytes() == model.contributions(rows).tobytes()
    assert compiled.scorer.content == model.scorer.content
    np.testing.assert_array_equal(compiled.scorer.forest().split, model.scorer.forest().split)


class Astray:
    """A scorer whose log-odds are not those of its trees, in one row by the last bit."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self.content = scorer.content

    def margins(self, rows: Rows) -> npt.NDArray[Any]:
        margins = self._scorer.margins(rows).copy()
        margins[7] = np.nextafter(margins[7], np.float32(np.inf))
        return margins

    def contributions(self, rows: Rows) -> npt.NDArray[Any]:
        return self._scorer.contributions(rows)

    def forest(self) -> Forest:
        return self._scorer.forest()


def test_a_difference_of_one_bit_is_found_before_packaging() -> None:
    scorer = Astray(of_xgboost(LESSON))
    with pytest.raises(BadInput, match=r"must give the library's log-odds, got 1 of \d+ rows"):
        compared(scorer, drawn(LESSON)[0])


def test_the_check_counts_what_it_has_compared() -> None:
    rows, labels = drawn(LESSON | {"missing": 0.0})
    model = fit(rows, labels, parameters=Parameters(rounds=2), names=tuple("abcd"))
    checked = model.checked(rows)
    edges = len(model.scorer.forest().edges())
    assert checked.metadata.compiled == {"rows": 400 + edges, "largest_difference": 0.0}
    assert edges > 4


def categorical() -> Scorer:
    rows, labels = drawn(LESSON | {"missing": 0.0})
    rows[:, 0] = np.abs(rows[:, 0]).round() % 5
    labels = (rows[:, 0] == 3).astype(np.int8)
    matrix = xgboost.DMatrix(
        rows, labels, feature_types=["c", "q", "q", "q"], enable_categorical=True
    )
    told = {"objective": "binary:logistic", "max_cat_to_onehot": 1}
    booster = xgboost.train(told, matrix, 2)
    return find_algorithm("xgboost").read(bytes(booster.save_raw("ubj")))


def test_a_categorical_split_is_refused() -> None:
    with pytest.raises(BadInput, match="must compare with numbers only to be compiled, got a cat"):
        CompiledTrees.of(categorical())


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"booster": "dart"}, "model.ubj must be of gbtree to be compiled, got dart"),
        (
            {"objective": "multi:softmax", "num_class": 3},
            "model.ubj must have one output to be compiled, got 3",
        ),
    ],
)
def test_what_would_be_added_up_otherwise_is_refused(settings: dict[str, Any], rule: str) -> None:
    with pytest.raises(BadInput, match=rule):
        CompiledTrees.of(of_xgboost(LESSON, **settings))


def stump(**changes: Any) -> Forest:
    whole: dict[str, Any] = {
        "features": 1,
        "starts": np.array([0]),
        "left": np.array([1, -1, -1]),
        "right": np.array([2, -1, -1]),
        "feature": np.array([0, 0, 0]),
        "split": np.zeros(3, np.float32),
        "missing_left": np.zeros(3, np.bool_),
        "values": np.zeros(3, np.float32),
        "base": 0.0,
    }
    return Forest(**whole | changes)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"starts": np.array([], np.int64)}, "begin with a tree"),
        ({"right": np.array([3, -1, -1])}, "hold each node's children"),
        ({"right": np.array([1, -1, -1])}, "have one way to each node"),
        ({"left": np.array([0, -1, -1])}, "have one way to each node"),
        ({"starts": np.array([0, 1])}, "have one way to each node"),
        ({"feature": np.array([1, 0, 0])}, "split by one of 1 features"),
    ],
)
def test_what_the_kernel_could_go_astray_in_is_refused(changes: dict[str, Any], rule: str) -> None:
    assert stump().depths().tolist() == [1]
    with pytest.raises(BadInput, match=f"the model's trees must {rule}, got others"):
        stump(**changes)


def test_a_child_in_another_tree_is_refused() -> None:
    of_two = {
        "starts": np.array([0, 2]),
        "left": np.array([1, -1, -1, -1]),
        "right": np.array([3, -1, -1, -1]),
    }
    four = {name: np.zeros(4, np.float32) for name in ("split", "values")}
    with pytest.raises(BadInput, match="keep a tree's nodes together"):
        stump(**of_two, **four, feature=np.zeros(4, np.int64), missing_left=np.zeros(4, np.bool_))


def test_the_binary_file_reads_as_the_text_does() -> None:
    booster = xgboost.Booster(model_file=bytearray(of_xgboost(LESSON).content))
    text = json.loads(booster.save_raw("json"))
    assert plain(ubjson.read(bytes(booster.save_raw("ubj")))) == plain(text)


def plain(value: Any) -> Any:
    """With single precision as both formats have it."""
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return float(np.float32(value)) if isinstance(value, float | int) else value


@pytest.mark.parametrize("cut", [1, 200, 2000])
def test_a_file_that_ends_early_is_refused(cut: int) -> None:
    content = of_xgboost(LESSON).content
    with pytest.raises(ValueError, match="content must be whole, got"):
        ubjson.read(content[:-cut])


def test_a_byte_that_begins_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="a mark must be one of UBJSON's, got '%' at 0"):
        ubjson.read(b"%")


def test_a_saved_model_says_what_was_compared(tmp_path: Any) -> None:
    rows, labels = drawn(LESSON | {"missing": 0.0})
    model = fit(rows, labels, parameters=Parameters(rounds=2), names=tuple("abcd"))
    model.checked(rows).save(tmp_path / "checked")
    assert Model.load(tmp_path / "checked").metadata.compiled["largest_difference"] == 0.0
    model.save(tmp_path / "older")
    file = tmp_path / "older" / "metadata.json"
    document = json.loads(file.read_text())
    del document["compiled"]  # as models were before
    file.write_text(json.dumps(document))
    assert Model.load(tmp_path / "older").metadata.compiled == {}
