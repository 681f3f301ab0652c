from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator
from hypothesis import given, settings
from hypothesis import strategies as st

from lifecycle.jobs.job_requests import Compute
from lifecycle.training.job import TrainingJobConfig, training_request
from lifecycle.training.tuning import TuningConfig, tuning_request
from lifecycle.training.tuning_ranges import CategoricalRange, ContinuousRange, IntegerRange

DEPTH = IntegerRange(name="max_depth", low=4, high=8)
RATE = ContinuousRange(name="learning_rate", low=0.01, high=0.3, scaling="Logarithmic")
ALGORITHM = CategoricalRange(name="algorithm", values=["xgboost", "scikit-learn"])

SAGEMAKER = botocore.session.get_session().get_service_model("sagemaker")
SHAPE = SAGEMAKER.operation_model("CreateHyperParameterTuningJob").input_shape


def training(hyperparameters: dict[str, str]) -> dict[str, Any]:
    return training_request(
        "train",
        role="arn:aws:iam::000000000000:role/training",
        compute=Compute(instance_type="ml.m5.xlarge", volume_size_gib=17, max_runtime_minutes=23),
        config=TrainingJobConfig(spot=True, retries=3),
        channels={"train": "s3://bucket/rows"},
        output_uri="s3://bucket/models",
        hyperparameters=hyperparameters,
        checkpoint_uri="s3://bucket/checkpoints",
    )


def request(config: TuningConfig, **hyperparameters: str) -> dict[str, Any]:
    return tuning_request(training(hyperparameters), config)


def accepted(made: dict[str, Any]) -> bool:
    named = {**made, "HyperParameterTuningJobName": "named-by-the-pipeline"}
    return not ParamValidator().validate(named, SHAPE).has_errors()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"ranges": []}, "ranges must be between 1 and 30, got 0"),
        ({"ranges": [DEPTH, DEPTH]}, "ranges must name a hyperparameter once, got max_depth, max"),
        ({"strategy": "Hyperband"}, "strategy must be one of Bayesian, Random, Grid, got Hyperb"),
        ({"max_jobs": 0}, "max_jobs must be between 1 and 750, got 0"),
        ({"max_jobs": 751}, "max_jobs must be between 1 and 750, got 751"),
        ({"max_jobs": 4, "max_parallel_jobs": 5}, "max_parallel_jobs must be between 1 and 4, got"),
        ({"max_jobs": 200, "max_parallel_jobs": 101}, "max_parallel_jobs must be .* 1 and 100,"),
        ({"random_seed": -1}, "random_seed must be between 0 and 2147483647, got -1"),
        ({"warm_start_parents": list("abcdef")}, "warm_start_parents must be at most 5, got 6"),
        ({"strategy": "Grid"}, "ranges must all be categorical with strategy Grid, got Integer"),
        (
            {"strategy": "Grid", "ranges": [ALGORITHM], "max_jobs": 1, "max_parallel_jobs": 1},
            "max_jobs must be at least the 2 combinations of strategy Grid, got 1",
        ),
    ],
)
def test_values_that_make_no_sense_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}.*; "):
        TuningConfig(**{"ranges": [DEPTH], **values})


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (IntegerRange, {"low": 5, "high": 5}, "range of it must be from a lower to a higher numb"),
        (ContinuousRange, {"low": 0.5, "high": 0.1}, "range of it must be from a lower to a high"),
        (ContinuousRange, {"low": float("nan"), "high": 1.0}, "range of it must be from a lower"),
        (IntegerRange, {"low": 1.5, "high": 3}, "range of it must be of whole numbers, got 1.5"),
        (IntegerRange, {"low": 1, "high": 3, "scaling": "Log"}, "scaling of it must be one of Au"),
        (
            IntegerRange,
            {"low": 0, "high": 3, "scaling": "Logarithmic"},
            "range of it must be above 0 with scaling Logarithmic, got 0 to 3",
        ),
        (
            IntegerRange,
            {"low": 1, "high": 3, "scaling": "ReverseLogarithmic"},
            "scaling of it must be for whole numbers, got ReverseLogarithmic",
        ),
        (
            ContinuousRange,
            {"low": 0.5, "high": 1.0, "scaling": "ReverseLogarithmic"},
            "range of it must be within 0 and 1 with scaling ReverseLogarithmic, got 0.5 to 1.0",
        ),
        (CategoricalRange, {"values": []}, "values of it must be 1 to 30 different ones, got none"),
        (CategoricalRange, {"values": ["a", "a"]}, "values of it must be 1 to 30 different ones, "),
        (CategoricalRange, {"values": [str(n) for n in range(31)]}, "values of it must be 1 to 3"),
    ],
)
def test_ranges_that_make_no_sense_are_refused(
    kind: Any, values: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=f"^{message}.*; "):
        kind(name="it", **values)


def test_every_setting_is_in_the_request() -> None:
    config = TuningConfig(
        ranges=[DEPTH, RATE, ALGORITHM],
        strategy="Random",
        max_jobs=9,
        max_parallel_jobs=3,
        early_stopping=False,
        warm_start_parents=["last-month", "last-week"],
        random_seed=5,
    )
    made = request(config)
    assert accepted(made)
    assert made["HyperParameterTuningJobConfig"] == {
        "Strategy": "Random",
        "HyperParameterTuningJobObjective": {
            "Type": "Maximize",
            "MetricName": "validation:average_precision",
        },
        "ResourceLimits": {"MaxNumberOfTrainingJobs": 9, "MaxParallelTrainingJobs": 3},
        "ParameterRanges": {
            "CategoricalParameterRanges": [
                {"Name": "algorithm", "Values": ["xgboost", "scikit-learn"]}
            ],
            "ContinuousParameterRanges": [
                {
                    "Name": "learning_rate",
                    "MinValue": "0.01",
                    "MaxValue": "0.3",
                    "ScalingType": "Logarithmic",
                }
            ],
            "IntegerParameterRanges": [
                {"Name": "max_depth", "MinValue": "4", "MaxValue": "8", "ScalingType": "Auto"}
            ],
        },
        "TrainingJobEarlyStoppingType": "Off",
        "RandomSeed": 5,
    }
    assert made["WarmStartConfig"] == {
        "ParentHyperParameterTuningJobs": [
            {"HyperParameterTuningJobName": "last-month"},
            {"HyperParameterTuningJobName": "last-week"},
        ],
        "WarmStartType": "TransferLearning",
    }


def test_by_default_jobs_that_fall_behind_stop_and_nothing_is_learned_from_before() -> None:
    made = request(TuningConfig(ranges=[DEPTH]))
    assert made["HyperParameterTuningJobConfig"]["TrainingJobEarlyStoppingType"] == "Auto"
    assert "WarmStartConfig" not in made


def test_a_grid_has_as_many_jobs_as_combinations() -> None:
    made = request(TuningConfig(ranges=[ALGORITHM], strategy="Grid", max_jobs=2))
    assert accepted(made)
    assert made["HyperParameterTuningJobConfig"]["ResourceLimits"] == {"MaxParallelTrainingJobs": 2}


def test_its_training_jobs_are_like_the_one_they_replace() -> None:
    one = training({})
    made = request(TuningConfig(ranges=[DEPTH]))["TrainingJobDefinition"]
    for name in (
        "RoleArn",
        "InputDataConfig",
        "OutputDataConfig",
        "ResourceConfig",
        "StoppingCondition",
        "EnableNetworkIsolation",
        "EnableInterContainerTrafficEncryption",
        "EnableManagedSpotTraining",
        "RetryStrategy",
    ):
        assert made[name] == one[name]
    algorithm = one["AlgorithmSpecification"]
    # The image is started with the argument `train`: a definition cannot name an entry point.
    assert made["AlgorithmSpecification"] == {
        name: algorithm[name] for name in algorithm if name != "ContainerEntrypoint"
    }


def test_its_training_jobs_do_not_share_checkpoints() -> None:
    assert "CheckpointConfig" in training({})
    made = request(TuningConfig(ranges=[DEPTH]))
    assert "CheckpointConfig" not in made["TrainingJobDefinition"]


NAMES = st.sampled_from(["max_depth", "rounds", "seed", "trees_per_round"])


@settings(deadline=None)
@given(
    given=st.dictionaries(NAMES, st.just("3")),
    tuned=st.lists(NAMES, min_size=1, unique=True),
)
def test_what_is_tuned_is_not_fixed_and_the_rest_is(
    given: dict[str, str], tuned: list[str]
) -> None:
    config = TuningConfig(ranges=[IntegerRange(name=name, low=1, high=9) for name in tuned])
    made = request(config, **given)
    fixed = made["TrainingJobDefinition"].get("StaticHyperParameters", {})
    assert fixed == {name: value for name, value in given.items() if name not in tuned}
    assert accepted(made)
