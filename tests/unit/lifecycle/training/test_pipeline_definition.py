import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from lifecycle.training.config import TrainingConfig
from lifecycle.training.pipeline_definition import PLACEHOLDERS, training_definition

from .conftest import (
    CONFIG,
    JOBS,
    REVISION,
    arguments,
    filled_in,
    inputs,
    of_execution,
    output_of,
    outputs,
)

ROOT = Path(__file__).parents[4]


OPERATIONS = {
    "Processing": "CreateProcessingJob",
    "Training": "CreateTrainingJob",
    "RegisterModel": "CreateModelPackage",
}


JOB_NAMES = {"Processing": "ProcessingJobName", "Training": "TrainingJobName"}


PRINT = """
import sys
sys.path[:0] = ["constructs", "."]
from lifecycle.training.pipeline_definition import training_definition
from lifecycle.training.config import TrainingConfig
print(training_definition(TrainingConfig(), revision="abc"))
"""


@pytest.fixture(scope="module")
def defaults(definition: dict[str, Any]) -> dict[str, Any]:
    return {each["Name"]: each.get("DefaultValue") for each in definition["Parameters"]}


def raw(table: str) -> dict[str, Any]:
    return {"Std:Join": {"On": "/", "Values": [{"Get": "Parameters.RawDataUri"}, table, ""]}}


def text_of(parameter: str) -> dict[str, Any]:
    return {"Std:Join": {"On": "", "Values": [{"Get": f"Parameters.{parameter}"}]}}


@pytest.mark.parametrize("name", [*JOBS, "RegisterModel"])
def test_every_request_is_one_that_the_service_accepts(steps: dict[str, Any], name: str) -> None:
    kind = steps[name]["Type"]
    model = botocore.session.get_session().get_service_model("sagemaker")
    shape = model.operation_model(OPERATIONS[kind]).input_shape
    request = filled_in(steps[name]["Arguments"])
    if kind in JOB_NAMES:
        # SageMaker Pipelines names the jobs itself.
        request[JOB_NAMES[kind]] = "named-by-the-pipeline"
    report = ParamValidator().validate(request, shape)
    assert not report.has_errors(), report.generate_report()


def test_two_processes_with_other_hash_seeds_compile_the_same_bytes() -> None:
    printed = [
        subprocess.run(
            [sys.executable, "-c", PRINT],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert printed[0] == printed[1]
    assert printed[0]


def test_placeholders_are_those_that_are_declared() -> None:
    found = set(re.findall(r"\$\{([^}]+)\}", training_definition(CONFIG, revision=REVISION)))
    assert found - {"AWS::Region"} == set(PLACEHOLDERS)


def test_parameters_default_to_the_configuration(defaults: dict[str, Any]) -> None:
    assert defaults == {
        "DataVersion": None,
        "RawDataUri": "s3://${RawBucket}",
        "AsOf": "latest",
        "TrainDays": 13,
        "TestDays": 3,
        "AveragePrecisionFloor": 0.25,
        "ApprovalStatus": "Approved",
        "TriggerReason": "manual",
        "TriggerEvidence": "none",
        "CodeRevision": REVISION,
        "ProcessingInstanceType": "ml.c5.xlarge",
        "TrainingInstanceType": "ml.c5.2xlarge",
    }


def test_steps_come_in_the_order_of_the_lifecycle(definition: dict[str, Any]) -> None:
    assert [step["Name"] for step in definition["Steps"]] == [*JOBS, "Gate"]


def test_features_wait_for_the_check(steps: dict[str, Any]) -> None:
    assert steps["ComputeFeatures"]["DependsOn"] == ["CheckData"]


def test_the_check_reads_all_raw_data(steps: dict[str, Any]) -> None:
    assert inputs(steps["CheckData"]) == {
        name: raw(name) for name in ("transactions", "fraud_reports")
    }


def test_features_read_events_and_leave_train_test_and_summary(steps: dict[str, Any]) -> None:
    features = steps["ComputeFeatures"]
    assert inputs(features) == {name: raw(name) for name in ("transactions", "fraud_reports")}
    assert {name: each["S3Uri"] for name, each in outputs(features).items()} == {
        name: of_execution("FeaturesBucket", "features", name)
        for name in ("train", "test", "summary")
    }
    assert arguments(features) == {
        "--engine": "single",
        "--train-days": text_of("TrainDays"),
        "--delay-days": "7",
        "--test-days": text_of("TestDays"),
        "--as-of": {"Get": "Parameters.AsOf"},
        "--data-version": {"Get": "Parameters.DataVersion"},
        "--raw-uri": {"Get": "Parameters.RawDataUri"},
    }


def test_features_are_put_into_both_groups(steps: dict[str, Any]) -> None:
    environment = steps["ComputeFeatures"]["Arguments"]["Environment"]
    assert environment["FEATURE_GROUP_PATTERN"] == "${FeatureGroupPattern}"


def test_training_sees_the_training_rows_and_nothing_else(steps: dict[str, Any]) -> None:
    (channel,) = steps["TrainModel"]["Arguments"]["InputDataConfig"]
    assert channel["ChannelName"] == "train"
    source = channel["DataSource"]["S3DataSource"]
    assert source["S3Uri"] == output_of("ComputeFeatures", "train")


def test_training_gets_the_configured_hyperparameters(steps: dict[str, Any]) -> None:
    assert steps["TrainModel"]["Arguments"]["HyperParameters"] == {"rounds": "12"}


def test_training_without_hyperparameters_leaves_them_to_the_script() -> None:
    training = json.loads(training_definition(TrainingConfig(), revision=REVISION))["Steps"][2]
    assert "HyperParameters" not in training["Arguments"]


def test_evaluation_scores_the_model_on_rows_it_was_not_trained_on(steps: dict[str, Any]) -> None:
    assert inputs(steps["EvaluateModel"]) == {
        "model": {"Get": "Steps.TrainModel.ModelArtifacts.S3ModelArtifacts"},
        "test": output_of("ComputeFeatures", "test"),
        "train-summary": output_of("ComputeFeatures", "summary"),
        "fraud_reports": raw("fraud_reports"),
    }
    assert arguments(steps["EvaluateModel"]) == {
        "--average-precision-floor": text_of("AveragePrecisionFloor"),
        "--champion-tolerance": "0.02",
        "--bias-limit": "0.4",
        "--calibration-limit": "0.03",
        "--latency-limit-milliseconds": "7.5",
        "--size-limit-mib": "12.0",
        "--reviews-per-day": "33",
        "--decline-precision": "0.85",
    }


def test_the_baseline_is_that_of_the_training_rows(steps: dict[str, Any]) -> None:
    assert inputs(steps["Baseline"]) == {"train": output_of("ComputeFeatures", "train")}
    assert steps["Baseline"]["Arguments"]["AppSpecification"]["ContainerArguments"] == [
        "--baseline"
    ]


def test_each_execution_leaves_its_models_below_a_prefix_of_its_own(
    steps: dict[str, Any], tuned: dict[str, Any]
) -> None:
    jobs = (
        steps["TrainModel"]["Arguments"],
        tuned["TuneModel"]["Arguments"]["TrainingJobDefinition"],
    )
    for job in jobs:
        place = job["OutputDataConfig"]["S3OutputPath"]["Std:Join"]
        assert place == {
            "On": "/",
            "Values": ["s3://${ArtifactsBucket}/models", {"Get": "Execution.PipelineExecutionId"}],
        }


@pytest.mark.parametrize("name", ["CheckData", "ComputeFeatures", "TrainModel", "Baseline"])
def test_steps_that_depend_on_their_arguments_alone_are_cached(
    steps: dict[str, Any], name: str
) -> None:
    assert steps[name]["CacheConfig"] == {"Enabled": True, "ExpireAfter": "P5D"}


@pytest.mark.parametrize("name", ["EvaluateModel", "RegisterModel"])
def test_steps_that_depend_on_the_registry_are_not_cached(steps: dict[str, Any], name: str) -> None:
    assert "CacheConfig" not in steps[name]


@pytest.mark.parametrize("name", ["CheckData", "ComputeFeatures"])
def test_steps_that_read_raw_data_have_its_version_among_their_arguments(
    steps: dict[str, Any], name: str
) -> None:
    # Caching compares these two; outputs and instances are no part of its key.
    job = steps[name]["Arguments"]
    keyed = json.dumps([job["AppSpecification"], job.get("Environment")])
    assert '{"Get": "Parameters.DataVersion"}' in keyed


def test_the_definition_fits_inline(definition: dict[str, Any]) -> None:
    # Beyond 100 KB it would have to lie in S3, where CloudFormation cannot see it change.
    assert len(json.dumps(definition)) < 100_000


def test_nothing_that_caching_compares_changes_with_the_execution(steps: dict[str, Any]) -> None:
    job = steps["TrainModel"]["Arguments"]
    compared = ("AlgorithmSpecification", "CheckpointConfig", "HyperParameters", "InputDataConfig")
    assert "Execution." not in json.dumps([job[name] for name in compared])
