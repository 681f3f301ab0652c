"""Fit, predict, save and load: one model, the same bytes every time."""

from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from pipeline_code.common.exits import BadInput
from pipeline_code.features.definitions import FEATURE_NAMES, SCHEMA_VERSION
from pipeline_code.train.model import Model, fit
from pipeline_code.train.parameters import Parameters

QUICK = Parameters(rounds=5, trees_per_round=2, max_depth=4)


def training_rows(count: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(3)
    rows = generator.random((count, len(FEATURE_NAMES)))
    return rows, (rows[:, 0] + rows[:, 1] > 1.7).astype(np.int8)


@pytest.fixture(scope="module")
def model() -> Model:
    rows, labels = training_rows()
    return fit(rows, labels, parameters=QUICK, first_event="2018-08-01T00:00:00Z")


def test_learns_what_there_is_to_learn(model: Model) -> None:
    rows, labels = training_rows(4000)
    scores = model.predict(rows[3000:])
    assert scores[labels[3000:] == 1].min() > np.median(scores)


def test_a_loaded_model_scores_bit_for_bit_the_same(model: Model, tmp_path: Path) -> None:
    rows, _ = training_rows()
    model.save(tmp_path)
    loaded = Model.load(tmp_path)
    assert loaded.metadata == model.metadata
    np.testing.assert_array_equal(loaded.predict(rows), model.predict(rows))
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again" / "model.ubj").read_bytes() == (tmp_path / "model.ubj").read_bytes()


def test_a_row_scores_alone_as_it_scores_among_others(model: Model) -> None:
    rows, _ = training_rows(200)
    together = model.predict(rows)
    alone = np.array([model.predict([row])[0] for row in rows])
    np.testing.assert_array_equal(alone, together)


def test_contributions_add_up_to_the_log_odds_of_the_score(model: Model) -> None:
    rows, _ = training_rows(200)
    added = model.contributions(rows)
    assert added.dtype == np.float32
    assert added.shape == (200, len(FEATURE_NAMES) + 1)
    np.testing.assert_allclose(expit(added.sum(axis=1)), model.predict(rows), atol=1e-5)


def test_a_weight_of_frauds_does_not_move_the_scores(model: Model) -> None:
    rows, labels = training_rows()
    heavy = Parameters(**QUICK.as_dict() | {"positive_weight": 20.0, "rounds": 40})
    weighted = fit(rows, labels, parameters=heavy)
    assert weighted.metadata.calibration.intercept == -np.log(20)
    assert weighted.predict(rows).mean() == pytest.approx(labels.mean(), abs=0.02)


def test_the_same_rows_give_the_same_bytes(model: Model, tmp_path: Path) -> None:
    rows, labels = training_rows()
    again = fit(rows, labels, parameters=QUICK, first_event="2018-08-01T00:00:00Z")
    for folder, candidate in (("first", model), ("second", again)):
        candidate.save(tmp_path / folder)
    files = sorted(file.name for file in (tmp_path / "first").iterdir())
    assert files == ["metadata.json", "model.ubj"]
    for file in files:
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()


def test_another_seed_gives_another_model(model: Model) -> None:
    rows, labels = training_rows()
    other = fit(
        rows,
        labels,
        parameters=Parameters(rounds=5, trees_per_round=2, max_depth=4, seed=8),
    )
    assert (other.predict(rows) != model.predict(rows)).any()


def test_metadata_says_what_the_model_is(model: Model) -> None:
    assert model.metadata.feature_schema_version == SCHEMA_VERSION
    assert model.metadata.feature_names == FEATURE_NAMES
    assert model.metadata.hyperparameters["rounds"] == 5
    assert model.metadata.train_rows == 3000
    assert model.metadata.train_frauds == training_rows()[1].sum()
    assert model.metadata.train_first_event == "2018-08-01T00:00:00Z"


def test_another_schema_version_is_refused(model: Model) -> None:
    rule = f"schema version must be v99, got {SCHEMA_VERSION}; train it again"
    with pytest.raises(BadInput, match=rule):
        model.require_schema(version="v99")


def test_other_feature_names_are_refused(model: Model) -> None:
    with pytest.raises(BadInput, match="the model's features must be a, b, got amount_minor"):
        model.require_schema(names=("a", "b"))


def test_the_model_of_this_code_is_accepted(model: Model) -> None:
    model.require_schema()


@pytest.mark.parametrize("file", ["metadata.json", "model.ubj"])
def test_a_missing_file_is_named(model: Model, tmp_path: Path, file: str) -> None:
    model.save(tmp_path)
    (tmp_path / file).unlink()
    with pytest.raises(BadInput, match=f"must hold {file}, got none"):
        Model.load(tmp_path)


def test_a_damaged_booster_is_refused(model: Model, tmp_path: Path) -> None:
    model.save(tmp_path)
    whole = (tmp_path / "model.ubj").read_bytes()
    rule = r"model\.ubj must be the file that metadata\.json was written with, got"
    for damaged in (b"", whole[:-1], whole.replace(b"base", b"bass", 1)):
        (tmp_path / "model.ubj").write_bytes(damaged)
        with pytest.raises(BadInput, match=f"{rule} {len(damaged)} bytes"):
            Model.load(tmp_path)


def test_another_algorithm_in_the_metadata_is_refused(model: Model, tmp_path: Path) -> None:
    model.save(tmp_path)
    file = tmp_path / "metadata.json"
    file.write_text(file.read_text().replace('"xgboost"', '"oracle"'))
    with pytest.raises(BadInput, match="algorithm must be one of xgboost, scikit-learn, got o"):
        Model.load(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"feature_names": 1}'])
def test_damaged_metadata_is_refused(model: Model, tmp_path: Path, text: str) -> None:
    model.save(tmp_path)
    (tmp_path / "metadata.json").write_text(text)
    with pytest.raises(BadInput, match="must be a model's metadata"):
        Model.load(tmp_path)
