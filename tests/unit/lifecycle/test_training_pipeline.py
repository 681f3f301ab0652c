from collections.abc import Callable
from typing import Any

import pytest

from lifecycle.pipeline_definition import PLACEHOLDERS
from lifecycle.training_config import FeatureJobConfig, JobConfig, TrainingConfig
from lifecycle.training_job import TrainingJobConfig
from lifecycle.training_pipeline import TrainingPipeline
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
        revision="v1-2-gabc",
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
    assert '"DefaultValue": "v1-2-gabc"' in definition


def test_placeholders_stand_for_what_they_name(around: Any, pipeline: dict[str, Any]) -> None:
    body = pipeline["Properties"]["PipelineDefinition"]["PipelineDefinitionBody"]
    values = body["Fn::Sub"][1]
    resolve = around.stack.resolve
    assert values["RawBucket"] == resolve(around.raw.bucket_name)
    assert values["FeaturesBucket"] == resolve(around.features.bucket_name)
    assert values["ArtifactsBucket"] == resolve(around.artifacts.bucket_name)
    assert values["KeyArn"] == around.key_arn
    for name in ("ImageUri", "FeatureJobImageUri", "TrainingImageUri"):
        assert values[name] == resolve(around.image.uri)
    assert values["ImageTag"] == around.image.tag
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
    ("variant", "placeholder", "jobs"),
    [
        ("spark", "FeatureJobImageUri", JobConfig(features=FeatureJobConfig(engine="spark"))),
        (
            "cuda",
            "TrainingImageUri",
            JobConfig(training=TrainingJobConfig(device="cuda", instance_type="ml.g5.xlarge")),
        ),
    ],
)
def test_a_job_that_needs_a_variant_of_the_image_runs_it(
    new_surroundings: Callable[..., Any], variant: Any, placeholder: str, jobs: JobConfig
) -> None:
    config = TrainingConfig(jobs=jobs)
    assert config.image_variants == (variant,)
    around = new_surroundings(variants=config.image_variants)
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
        config=config,
        revision="unknown",
    )
    template = around.template()
    (pipeline,) = template.find_resources("AWS::SageMaker::Pipeline").values()
    values = pipeline["Properties"]["PipelineDefinition"]["PipelineDefinitionBody"]["Fn::Sub"][1]
    own = {"FeatureJobImageUri", "TrainingImageUri"} - {placeholder} | {"ImageUri"}
    assert values[placeholder] == around.stack.resolve(around.image.variant_uri(variant))
    assert {str(values[name]) for name in own} == {str(around.stack.resolve(around.image.uri))}
    # Nothing runs before both images are there.
    builds = set(template.find_resources("Custom::ContainerImage"))
    assert len(builds) == 2
    assert builds <= set(pipeline["DependsOn"])
