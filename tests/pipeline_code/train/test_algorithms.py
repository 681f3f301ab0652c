"""What every algorithm promises, for each of them."""

import numpy as np
import pytest
import xgboost

from pipeline_code.common.exits import BadInput
from pipeline_code.train.algorithms import ALGORITHMS, Algorithm, find_algorithm
from pipeline_code.train.batches import ArrayBatches, Batch
from pipeline_code.train.parameters import Parameters

NAMES = tuple("abcdef")
QUICK = Parameters(rounds=9, trees_per_round=2, max_depth=4, row_share=0.6, feature_share=0.5)


def rows_of(count: int = 4000, seed: int = 5) -> Batch:
    """Frauds are where the first two features are large, in most cases."""
    generator = np.random.default_rng(seed)
    rows = generator.random((count, len(NAMES)), dtype=np.float32)
    fraud = rows[:, 0] + rows[:, 1] + generator.normal(0, 0.2, count) > 1.7
    return Batch(rows, fraud.astype(np.int8), np.arange(count))


ROWS = rows_of()


@pytest.fixture(params=ALGORITHMS)
def algorithm(request: pytest.FixtureRequest) -> Algorithm:
    """Each of them."""
    found = find_algorithm(request.param)
    found.check(QUICK)
    return found


def learned(
    algorithm: Algorithm,
    rounds: int = QUICK.rounds,
    parameters: Parameters = QUICK,
    content: bytes | None = None,
    start: int = 0,
) -> tuple[bytes, np.ndarray]:
    """The file, and the log-odds after the last round of rows that are watched."""
    data = algorithm.prepare(ArrayBatches(ROWS), NAMES)
    watched = algorithm.prepare(ArrayBatches(rows_of(500, seed=6)), NAMES, reference=data)
    boosting = algorithm.begin(data, NAMES, parameters, content, watched)
    margins = np.empty(0)
    for number in range(start, rounds):
        boosting.add_round(number)
        margins = boosting.margins(watched, number + 1)
    return boosting.content(rounds), margins


@pytest.mark.parametrize("stop", [1, 4, 8])
def test_going_on_from_a_file_ends_with_the_same_bytes(algorithm: Algorithm, stop: int) -> None:
    whole, margins = learned(algorithm)
    half, _ = learned(algorithm, stop)
    assert half != whole
    resumed, after = learned(algorithm, content=half, start=stop)
    assert resumed == whole
    np.testing.assert_array_equal(after, margins)


def test_the_first_rounds_of_a_model_are_the_model_of_so_many_rounds(algorithm: Algorithm) -> None:
    data = algorithm.prepare(ArrayBatches(ROWS), NAMES)
    boosting = algorithm.begin(data, NAMES, QUICK)
    for number in range(6):
        boosting.add_round(number)
    assert boosting.content(4) == learned(algorithm, 4)[0]
    scored = algorithm.read(boosting.content(4)).margins(ROWS.rows)
    np.testing.assert_array_equal(boosting.margins(data, 4), scored)


def test_a_row_scores_alone_as_it_scores_among_others(algorithm: Algorithm) -> None:
    scorer = algorithm.read(learned(algorithm)[0])
    rows = ROWS.rows[:150]
    together = scorer.margins(rows)
    alone = np.concatenate([scorer.margins(rows[place : place + 1]) for place in range(len(rows))])
    np.testing.assert_array_equal(alone, together)


def test_contributions_add_up_to_the_log_odds(algorithm: Algorithm) -> None:
    scorer = algorithm.read(learned(algorithm)[0])
    added = scorer.contributions(ROWS.rows[:100])
    assert added.shape == (100, len(NAMES) + 1)
    np.testing.assert_allclose(added.sum(axis=1), scorer.margins(ROWS.rows[:100]), atol=1e-4)
    strength = np.abs(added[:, :-1]).mean(axis=0)
    assert set(np.argsort(strength)[-2:]) == {0, 1}


@pytest.mark.parametrize("name", NAMES[:3])
def test_more_of_an_increasing_feature_never_lowers_a_score(
    algorithm: Algorithm, name: str
) -> None:
    parameters = Parameters(
        rounds=9, trees_per_round=2, max_depth=5, increasing_features=f" {name}, "
    )
    scorer = algorithm.read(learned(algorithm, parameters=parameters)[0])
    rows = np.repeat(ROWS.rows[:40], 50, axis=0)
    rows[:, NAMES.index(name)] = np.tile(np.linspace(0, 1, 50, dtype=np.float32), 40)
    assert (np.diff(scorer.margins(rows).reshape(40, 50), axis=1) >= 0).all()


def test_a_weight_multiplies_the_odds(algorithm: Algorithm) -> None:
    heavy = Parameters(**QUICK.as_dict() | {"positive_weight": 10.0, "rounds": 30})
    scorer = algorithm.read(learned(algorithm, 30, heavy)[0])
    odds = np.mean(ROWS.labels) / (1 - np.mean(ROWS.labels))
    light = algorithm.read(learned(algorithm, 30)[0])
    assert scorer.margins(ROWS.rows).mean() > light.margins(ROWS.rows).mean() + 0.3
    assert 0 < odds < 1


def test_another_seed_gives_another_model(algorithm: Algorithm) -> None:
    other = Parameters(**QUICK.as_dict() | {"seed": 8})
    assert learned(algorithm)[0] != learned(algorithm, parameters=other)[0]


@pytest.mark.parametrize("content", [b"", b"not a booster", b"\xff\xfe"])
def test_what_is_no_model_is_refused(algorithm: Algorithm, content: bytes) -> None:
    rule = f"{algorithm.file} must be a booster, got {len(content)} bytes"
    with pytest.raises(BadInput, match=rule):
        algorithm.read(content)


def test_a_gpu_needs_a_build_for_it() -> None:
    with pytest.raises(BadInput, match="device must be cpu in this image, got cuda"):
        find_algorithm("xgboost").check(Parameters(device="cuda"))


def test_a_gpu_wants_its_matrix_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xgboost, "build_info", lambda: {"USE_CUDA": True})
    find_algorithm("xgboost").check(Parameters(device="cuda"))
    with pytest.raises(BadInput, match="external_memory must be auto or off with device cuda"):
        find_algorithm("xgboost").check(Parameters(device="cuda", external_memory="on"))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (Parameters(device="cuda"), "device must be cpu for scikit-learn, got cuda"),
        (Parameters(external_memory="on"), "external_memory must be auto or off for scikit-learn"),
    ],
)
def test_scikit_learn_refuses_what_it_has_not(parameters: Parameters, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        find_algorithm("scikit-learn").check(parameters)
