"""The pipeline's definition as configured here, step by step."""

import json
import re
from typing import Any

import pytest

from lifecycle.training.config import JobConfig, TrainingConfig
from lifecycle.training.job import TrainingJobConfig
from lifecycle.training.model_gate import GateConfig
from lifecycle.training.pipeline_definition import training_definition
from lifecycle.training.tuning import TuningConfig
from lifecycle.training.tuning_ranges import IntegerRange

CONFIG = TrainingConfig(
    train_days=13,
    test_days=3,
    approval_status="Approved",
    gate=GateConfig(
        average_precision_floor=0.25,
        champion_tolerance=0.02,
        bias_limit=0.4,
        calibration_limit=0.03,
        latency_limit_milliseconds=7.5,
        size_limit_mib=12.0,
        reviews_per_day=33,
        decline_precision=0.85,
    ),
    hyperparameters={"rounds": "12"},
    jobs=JobConfig(
        processing_instance_type="ml.c5.xlarge",
        training=TrainingJobConfig(
            instance_type="ml.c5.2xlarge",
            instance_count=3,
            spot=True,
            max_wait_minutes=41,
            retries=4,
        ),
        volume_size_gib=17,
        max_runtime_minutes=23,
        cache_days=5,
    ),
)


REVISION = "v1-2-gabc"


JOBS = ["CheckData", "ComputeFeatures", "TrainModel", "Baseline", "EvaluateModel"]


@pytest.fixture(scope="module")
def definition() -> dict[str, Any]:
    return dict(json.loads(training_definition(CONFIG, revision=REVISION)))


@pytest.fixture(scope="module")
def steps() -> dict[str, dict[str, Any]]:
    return steps_of(CONFIG)


def steps_of(config: TrainingConfig) -> dict[str, dict[str, Any]]:
    """Every step of a definition, those behind the gate too."""
    definition = json.loads(training_definition(config, revision=REVISION))
    gate = definition["Steps"][-1]["Arguments"]
    nested = [*gate["IfSteps"], *gate["ElseSteps"]]
    return {step["Name"]: step for step in [*definition["Steps"], *nested]}


def filled_in(value: Any) -> Any:
    """A request with a plain value for every reference and placeholder."""
    if isinstance(value, dict):
        if value.keys() & {"Get", "Std:Join", "Std:JsonGet"}:
            return "s3://some/value"
        return {key: filled_in(item) for key, item in value.items()}
    if isinstance(value, list):
        return [filled_in(item) for item in value]
    if isinstance(value, str):
        return re.sub(r"\$\{[^}]+\}", "arn:aws:iam::000000000000:role/some-role", value)
    return value


def inputs(step: dict[str, Any]) -> dict[str, Any]:
    return {
        each["InputName"]: each["S3Input"]["S3Uri"]
        for each in step["Arguments"]["ProcessingInputs"]
    }


def outputs(step: dict[str, Any]) -> dict[str, Any]:
    return {
        each["OutputName"]: each["S3Output"]
        for each in step["Arguments"]["ProcessingOutputConfig"]["Outputs"]
    }


def arguments(step: dict[str, Any]) -> dict[str, Any]:
    given = step["Arguments"]["AppSpecification"]["ContainerArguments"]
    return dict(zip(given[::2], given[1::2], strict=True))


def output_of(step: str, name: str) -> dict[str, str]:
    return {"Get": f"Steps.{step}.ProcessingOutputConfig.Outputs['{name}'].S3Output.S3Uri"}


def of_execution(bucket: str, *parts: str) -> dict[str, Any]:
    execution = {"Get": "Execution.PipelineExecutionId"}
    values = [f"s3://${{{bucket}}}/executions", execution, *parts]
    return {"Std:Join": {"On": "/", "Values": values}}


TUNED = TrainingConfig(
    hyperparameters={"validation_days": "2"},
    tuning=TuningConfig(ranges=[IntegerRange(name="max_depth", low=4, high=8)], max_jobs=3),
)


@pytest.fixture(scope="module")
def tuned() -> dict[str, dict[str, Any]]:
    return steps_of(TUNED)
