import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lifecycle  # noqa: F401  # first: it tells jsii which node to start when aws_cdk is imported

# isort: split
import aws_cdk as cdk
import pytest
from cdk_nag import AwsSolutionsChecks

from lifecycle.training.config import FeatureJobConfig, JobConfig, TrainingConfig
from lifecycle.training.job import TrainingJobConfig
from lifecycle.training.pipeline import TrainingPipeline
from lifecycle.training.pipeline_definition import PLACEHOLDERS
from lifecycle.training.tuning import TuningConfig
from lifecycle.training.tuning_ranges import IntegerRange


def pipeline_around(around: Any, config: TrainingConfig) -> None:
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
        metric_namespace="Test/metrics",
        encryption_key=around.key,
        config=config,
        revision="v1-2-gabc",
    )


@pytest.fixture(scope="module")
def around(new_surroundings: Callable[[], Any]) -> Any:
    around = new_surroundings()
    pipeline_around(around, TrainingConfig(train_days=11))
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
    assert values["FeatureGroupPattern"] == "test-{entity}-{version}"


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
    pipeline_around(around, config)
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


def test_cdk_nag_finds_nothing_in_a_pipeline_of_other_settings(
    new_surroundings: Callable[..., Any],
) -> None:
    # No environment tunes or has GPUs, so tests/nag does not see what these take.
    config = TrainingConfig(
        hyperparameters={"validation_days": "2"},
        tuning=TuningConfig(ranges=[IntegerRange(name="max_depth", low=4, high=8)]),
        jobs=JobConfig(
            features=FeatureJobConfig(engine="spark", instance_count=2),
            training=TrainingJobConfig(device="cuda", instance_type="ml.g5.xlarge", spot=True),
        ),
    )
    around = new_surroundings(variants=config.image_variants)
    pipeline_around(around, config)
    app = cdk.Stage.of(around.stack)
    assert app is not None
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    # The buckets beside it are bare, and reported.
    with pytest.raises(RuntimeError, match="ValidationFailed"):
        app.synth()
    report = json.loads((Path(app.outdir) / "validation-report.json").read_text())
    found = {
        (construct["constructPath"], finding["ruleName"])
        for plugin in report["pluginReports"]
        for finding in plugin.get("violations", [])
        for construct in finding["violatingConstructs"]
    }
    assert found
    assert {path for path, _ in found if path.startswith("Test/Training/")} == set()
