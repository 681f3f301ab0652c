"""Every pipeline's definition is, byte for byte, what the SageMaker Python SDK writes."""

import os
from collections.abc import Callable, Iterator

import boto3
import pytest

from lifecycle.batch.definition import batch_definition
from lifecycle.jobs.pipeline_parts import RequestStep, definition_text, join
from lifecycle.monitoring.definition import monitoring_definition
from lifecycle.monitoring.label_definition import label_definition
from lifecycle.parity.definition import parity_definition
from lifecycle.training.config import FeatureJobConfig, JobConfig, TrainingConfig
from lifecycle.training.job import TrainingJobConfig
from lifecycle.training.pipeline_definition import training_definition
from lifecycle.training.tuning import TuningConfig
from lifecycle.training.tuning_ranges import IntegerRange
from stacks.environments import ENVIRONMENTS, Environment

TRAININGS = {
    **{name: environment.training for name, environment in ENVIRONMENTS.items()},
    "spot": TrainingConfig(
        hyperparameters={"rounds": "12"},
        jobs=JobConfig(training=TrainingJobConfig(spot=True, max_wait_minutes=150, retries=4)),
    ),
    "spark": TrainingConfig(
        jobs=JobConfig(
            features=FeatureJobConfig(
                engine="spark", instance_count=3, instance_type="ml.r5.2xlarge"
            )
        )
    ),
    "cuda": TrainingConfig(
        jobs=JobConfig(training=TrainingJobConfig(device="cuda", instance_type="ml.g5.xlarge"))
    ),
    "tuned": TrainingConfig(
        hyperparameters={"validation_days": "2"},
        tuning=TuningConfig(ranges=[IntegerRange(name="max_depth", low=4, high=8)], max_jobs=3),
    ),
}
Writer = Callable[[str], str]


@pytest.fixture(scope="module")
def written_by_sdk() -> Iterator[Writer]:
    """The SDK's own text for a definition."""
    with pytest.MonkeyPatch.context() as patch:
        # It makes clients while it is imported, and reads the user's settings.
        for name, value in {
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "offline",
            "AWS_SECRET_ACCESS_KEY": "offline",
            "SAGEMAKER_ADMIN_CONFIG_OVERRIDE": os.devnull,
            "SAGEMAKER_USER_CONFIG_OVERRIDE": os.devnull,
            "SAGEMAKER_TELEMETRY_OPT_OUT": "true",
        }.items():
            patch.setenv(name, value)
        from tests.unit.lifecycle.jobs import sdk_pipeline  # noqa: PLC0415 - it takes seconds

        session = boto3.Session()
        yield lambda definition: sdk_pipeline.written_by_sdk(definition, session)


@pytest.mark.parametrize("name", TRAININGS)
def test_training_is_as_the_sdk_has_it(written_by_sdk: Writer, name: str) -> None:
    text = training_definition(TRAININGS[name], revision="v1-2-gabc")
    assert written_by_sdk(text) == text


@pytest.mark.parametrize("environment", ENVIRONMENTS.values(), ids=lambda each: each.name)
def test_the_other_pipelines_are_as_the_sdk_has_them(
    written_by_sdk: Writer, environment: Environment
) -> None:
    for text in (
        batch_definition(environment.batch_scoring),
        monitoring_definition(environment.monitoring.compute),
        label_definition(environment.monitoring.compute),
        parity_definition(environment.parity),
    ):
        assert written_by_sdk(text) == text


def test_the_sdk_refuses_what_the_service_does_not_describe(written_by_sdk: Writer) -> None:
    first = RequestStep("First", "Processing", {})
    second = RequestStep("Second", "Processing", {"Uri": join("/", first.get("NoSuchMember"))})
    text = definition_text([], [first, second])
    with pytest.raises(AttributeError, match="NoSuchMember"):
        written_by_sdk(text)
