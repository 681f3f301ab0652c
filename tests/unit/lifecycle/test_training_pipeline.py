from collections.abc import Callable
from typing import Any

import pytest

from lifecycle.pipeline_definition import PLACEHOLDERS
from lifecycle.training_pipeline import (
    FeatureJobConfig,
    JobConfig,
    TrainingConfig,
    TrainingPipeline,
)
from pipeline_code.features.definitions import SCHEMA_VERSION


@pytest.fixture(scope="module")
def around(new_surroundings: Callable[[], Any]) -> Any:
    around = new_surroundings()
    TrainingPipeline(
        around.stack,
        "Training",
        pipeline_name="test-training",
        image=around.image,
        raw_bucket=around.raw,
        features_bucket=around.features,
        artifacts_bucket=around.artifacts,
        feature_store=around.feature_store,
        registry=around.registry,
        encryption_key=around.key,
        config=TrainingConfig(train_days=11),
    )
    return around


@pytest.fixture(scope="module")
def pipeline(around: Any) -> dict[str, Any]:
    (found,) = around.template().find_resources("AWS::SageMaker::Pipeline").values()
    return dict(found)


def test_every_placeholder_of_the_definition_gets_a_value(pipeline: dict[str, Any]) -> None:
    body = pipeline["Properties"]["PipelineDefinition"]["PipelineDefinitionBody"]
    definition, values = body["Fn::Sub"]
    assert set(values) == set(PLACEHOLDERS)
    assert '"DefaultValue": 11' in definition


def test_placeholders_stand_for_what_they_name(around: Any, pipeline: dict[str, Any]) -> None:
    body = pipeline["Properties"]["PipelineDefinition"]["PipelineDefinitionBody"]
    values = body["Fn::Sub"][1]
    resolve = around.stack.resolve
    assert values["RawBucket"] == resolve(around.raw.bucket_name)
    assert values["FeaturesBucket"] == resolve(around.features.bucket_name)
    assert values["ArtifactsBucket"] == resolve(around.artifacts.bucket_name)
    assert values["KeyArn"] == around.key_arn
    assert values["ImageUri"] == values["FeatureJobImageUri"] == resolve(around.image.uri)
    assert values["ModelPackageGroup"] == "test-fraud"
    assert values["CustomerFeatureGroup"] == f"test-customer-{SCHEMA_VERSION}"
    assert values["TerminalFeatureGroup"] == f"test-terminal-{SCHEMA_VERSION}"


def test_the_pipeline_is_deployed_after_the_image_and_the_roles_policies(
    around: Any, pipeline: dict[str, Any]
) -> None:
    (build,) = around.template().find_resources("Custom::ContainerImage")
    assert build in pipeline["DependsOn"]
    policies = [name for name in pipeline["DependsOn"] if "DefaultPolicy" in name]
    for role in ("Check", "Features", "Training", "Evaluation", "Baseline", "Pipeline"):
        assert any(role in policy for policy in policies), role


def test_the_pipeline_runs_under_its_own_role(pipeline: dict[str, Any]) -> None:
    assert "RolesPipeline" in pipeline["Properties"]["RoleArn"]["Fn::GetAtt"][0]
    assert pipeline["Properties"]["PipelineName"] == "test-training"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"train_days": 0}, "train_days must be at least 1, got 0"),
        ({"test_days": -1}, "test_days must be at least 1, got -1"),
        ({"approval_status": "Rejected"}, "approval_status must be one of .*, got Rejected"),
        ({"average_precision_floor": 1.1}, "average_precision_floor must be between 0 and 1"),
        ({"champion_tolerance": -0.1}, "champion_tolerance must be between 0 and 1, got -0.1"),
    ],
)
def test_training_values_that_make_no_sense_are_refused(
    values: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        TrainingConfig(**values)


def test_a_floor_and_a_tolerance_of_nothing_are_allowed() -> None:
    config = TrainingConfig(average_precision_floor=0, champion_tolerance=0)
    assert (config.average_precision_floor, config.champion_tolerance) == (0, 0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"volume_size_gib": 0}, "volume_size_gib must be at least 1, got 0"),
        ({"max_runtime_minutes": 0}, "max_runtime_minutes must be at least 1, got 0"),
        ({"cache_days": 0}, "cache_days must be at least 1, got 0"),
        ({"processing_instance_type": "m5.large"}, "processing_instance_type must be a SageMaker"),
        ({"training_instance_type": "m5.large"}, "training_instance_type must be a SageMaker"),
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


def test_with_engine_spark_the_features_image_has_spark(
    new_surroundings: Callable[..., Any],
) -> None:
    around = new_surroundings(with_spark=True)
    TrainingPipeline(
        around.stack,
        "Training",
        pipeline_name="test-training",
        image=around.image,
        raw_bucket=around.raw,
        features_bucket=around.features,
        artifacts_bucket=around.artifacts,
        feature_store=around.feature_store,
        registry=around.registry,
        encryption_key=around.key,
        config=TrainingConfig(jobs=JobConfig(features=FeatureJobConfig(engine="spark"))),
    )
    template = around.template()
    (pipeline,) = template.find_resources("AWS::SageMaker::Pipeline").values()
    values = pipeline["Properties"]["PipelineDefinition"]["PipelineDefinitionBody"]["Fn::Sub"][1]
    assert values["FeatureJobImageUri"] == around.stack.resolve(around.image.spark_uri)
    assert values["ImageUri"] == around.stack.resolve(around.image.uri)
    # Nothing runs before both images are there.
    assert set(template.find_resources("Custom::ContainerImage")) <= set(pipeline["DependsOn"])
