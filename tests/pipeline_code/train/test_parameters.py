"""Hyperparameters arrive as strings and leave as checked numbers."""

import pytest

from pipeline_code.common.exits import BadInput
from pipeline_code.train.parameters import Parameters


def test_nothing_given_means_the_defaults() -> None:
    assert Parameters.parse({}) == Parameters()


def test_strings_become_numbers() -> None:
    parsed = Parameters.parse({"rounds": "12", "learning_rate": "0.25", "algorithm": '"xgboost"'})
    assert (parsed.rounds, parsed.learning_rate, parsed.algorithm) == (12, 0.25, "xgboost")


def test_numbers_stay_numbers() -> None:
    assert Parameters.parse({"max_depth": 3}).max_depth == 3


def test_what_the_sdk_adds_is_ignored() -> None:
    assert Parameters.parse({"sagemaker_region": '"us-east-1"'}) == Parameters()
    objective = {"_tuning_objective_metric": "validation:average_precision"}
    assert Parameters.parse(objective) == Parameters()


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(BadInput, match=r"must be among algorithm, rounds, .*, got depth"):
        Parameters.parse({"depth": "3"})


@pytest.mark.parametrize("text", ["many", "1.5", ""])
def test_a_value_of_another_type_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="hyperparameter rounds must be of type int"):
        Parameters.parse({"rounds": text})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rounds", 0),
        ("trees_per_round", 0),
        ("max_depth", 17),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("row_share", 1.1),
        ("feature_share", 0.0),
        ("min_child_weight", -1.0),
        ("l2_penalty", -1.0),
        ("seed", -1),
        ("positive_weight", 0.0),
        ("early_stopping_rounds", -1),
        ("validation_days", -1),
        ("checkpoint_seconds", -0.5),
    ],
)
def test_a_value_outside_its_limits_is_refused(name: str, value: float) -> None:
    with pytest.raises(BadInput, match=f"hyperparameter {name} must be between"):
        Parameters.parse({name: str(value)})


@pytest.mark.parametrize(
    ("name", "choices"),
    [
        ("algorithm", "xgboost, scikit-learn"),
        ("device", "cpu, cuda"),
        ("external_memory", "auto, on, off"),
    ],
)
def test_a_value_that_is_no_choice_is_refused(name: str, choices: str) -> None:
    with pytest.raises(BadInput, match=f"{name} must be one of {choices}, got oracle"):
        Parameters.parse({name: "oracle"})


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("true", True),
        ("True", True),
        ("1", True),
        ("false", False),
        ('"false"', False),
        ("0", False),
    ],
)
def test_truths_are_read(text: str, truth: bool) -> None:
    assert Parameters.parse({"calibrate": text}).calibrate is truth
    assert Parameters.parse({"allow_constant_features": truth}).allow_constant_features is truth


def test_what_is_neither_true_nor_false_is_refused() -> None:
    with pytest.raises(BadInput, match="hyperparameter calibrate must be of type bool, got 'yes'"):
        Parameters.parse({"calibrate": "yes"})


def test_stopping_early_needs_a_slice() -> None:
    with pytest.raises(BadInput, match="validation_days must be at least 1 if rounds are stopped"):
        Parameters(early_stopping_rounds=5)
    Parameters(early_stopping_rounds=5, validation_days=1)


def test_increasing_features_are_found_by_name() -> None:
    assert Parameters(increasing_features=" b,c ,").increasing("abc") == (False, True, True)
    assert Parameters().increasing("abc") == (False, False, False)
