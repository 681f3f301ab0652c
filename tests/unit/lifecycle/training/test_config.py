from typing import Any

import pytest

from lifecycle.training.config import FeatureJobConfig, JobConfig, TrainingConfig
from lifecycle.training.job import TrainingJobConfig
from lifecycle.training.tuning import TuningConfig
from lifecycle.training.tuning_ranges import CategoricalRange, ContinuousRange, IntegerRange, Range


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"train_days": 0}, "train_days must be at least 1, got 0"),
        ({"test_days": -1}, "test_days must be at least 1, got -1"),
        ({"approval_status": "Rejected"}, "approval_status must be one of .*, got Rejected"),
        (
            {"hyperparameters": {"depth": "6"}},
            "hyperparameters must be those of training; .*, got depth",
        ),
        ({"hyperparameters": {"max_depth": "99"}}, "max_depth must be between 1 and 16, got 99"),
        (
            {"hyperparameters": {"device": "cuda"}},
            "hyperparameters must not name device, got cuda; it is jobs.training.device",
        ),
        (
            {
                "hyperparameters": {"algorithm": "scikit-learn"},
                "jobs": JobConfig(training=TrainingJobConfig(instance_count=2)),
            },
            "jobs.training.instance_count must be 1 with algorithm scikit-learn, got 2; use ",
        ),
        (
            {
                "hyperparameters": {"algorithm": "scikit-learn"},
                "jobs": JobConfig(
                    training=TrainingJobConfig(device="cuda", instance_type="ml.p3.2xlarge")
                ),
            },
            "jobs.training.device must be cpu with algorithm scikit-learn, got cuda; use algorithm",
        ),
    ],
)
def test_training_values_that_make_no_sense_are_refused(
    values: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        TrainingConfig(**values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"volume_size_gib": 0}, "volume_size_gib must be at least 1, got 0"),
        ({"max_runtime_minutes": 0}, "max_runtime_minutes must be at least 1, got 0"),
        ({"cache_days": 0}, "cache_days must be at least 1, got 0"),
        ({"processing_instance_type": "m5.large"}, "processing_instance_type must be a SageMaker"),
        (
            {"training": TrainingJobConfig(spot=True, max_wait_minutes=119)},
            "training.max_wait_minutes must be at least max_runtime_minutes of 120, got 119; ",
        ),
    ],
)
def test_job_values_that_make_no_sense_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        JobConfig(**values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"engine": "dask"}, "engine must be one of single, spark, got dask"),
        ({"instance_count": 2}, "instance_count must be 1 with engine single, got 2; use engine"),
        ({"engine": "spark", "instance_count": 0}, "instance_count must be between 1 and 100"),
        ({"engine": "spark", "instance_count": 101}, "between 1 and 100, got 101"),
        ({"instance_type": "r5.large"}, "instance_type must be a SageMaker instance type"),
    ],
)
def test_feature_job_values_that_make_no_sense_are_refused(
    values: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        FeatureJobConfig(**values)


def test_a_wait_as_long_as_the_runtime_is_allowed() -> None:
    training = TrainingJobConfig(spot=True, max_wait_minutes=120)
    assert JobConfig(max_runtime_minutes=120, training=training).training.max_wait_minutes == 120


@pytest.mark.parametrize("algorithm", ["xgboost", "scikit-learn"])
def test_both_algorithms_train_on_one_instance(algorithm: str) -> None:
    config = TrainingConfig(hyperparameters={"algorithm": algorithm})
    assert config.job_hyperparameters == {"algorithm": algorithm}


def test_training_on_gpus_is_told_so() -> None:
    training = TrainingJobConfig(device="cuda", instance_type="ml.g5.xlarge")
    config = TrainingConfig(hyperparameters={"rounds": "7"}, jobs=JobConfig(training=training))
    assert config.job_hyperparameters == {"rounds": "7", "device": "cuda"}


def test_an_ordinary_configuration_needs_the_image_alone() -> None:
    assert TrainingConfig().image_variants == ()


DEPTH = IntegerRange(name="max_depth", low=4, high=8)
ALGORITHM = CategoricalRange(name="algorithm", values=["xgboost", "scikit-learn"])


@pytest.mark.parametrize(
    ("ranges", "values", "message"),
    [
        (
            [DEPTH],
            {"hyperparameters": {}},
            "hyperparameter validation_days must be at least 1 with tuning, got 0; ",
        ),
        (
            [IntegerRange(name="depth", low=4, high=8)],
            {},
            "hyperparameters must be those of training; .* got depth",
        ),
        (
            [IntegerRange(name="max_depth", low=4, high=99)],
            {},
            "hyperparameters must be those of training; .* between 1 and 16, got 99",
        ),
        (
            [ContinuousRange(name="rounds", low=4.0, high=8.0)],
            {},
            "hyperparameters must be those of training; .* rounds must be of type int",
        ),
        (
            [IntegerRange(name="validation_days", low=2, high=8)],
            {},
            "tuning must not name a hyperparameter that is given, got validation_days; ",
        ),
        (
            [CategoricalRange(name="device", values=["cpu", "cuda"])],
            {},
            "hyperparameters must not name device, got cpu; ",
        ),
        (
            [ALGORITHM],
            {"jobs": JobConfig(training=TrainingJobConfig(instance_count=2))},
            "jobs.training.instance_count must be 1 with algorithm scikit-learn, got 2; ",
        ),
    ],
)
def test_tuning_that_could_not_work_is_refused(
    ranges: list[Range], values: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        TrainingConfig(
            **{
                "hyperparameters": {"validation_days": "2"},
                "tuning": TuningConfig(ranges=ranges),
                **values,
            }
        )


def test_both_algorithms_can_be_tried() -> None:
    config = TrainingConfig(
        hyperparameters={"validation_days": "2"}, tuning=TuningConfig(ranges=[ALGORITHM, DEPTH])
    )
    assert config.tuning is not None
