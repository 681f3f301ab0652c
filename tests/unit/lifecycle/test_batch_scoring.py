import json
from collections.abc import Callable
from typing import Any

import botocore.session
import pytest
from aws_cdk import aws_iam as iam
from botocore.validate import ParamValidator

from lifecycle.batch_definition import batch_definition
from lifecycle.batch_scoring import BatchScoring, BatchScoringConfig

CONFIG = BatchScoringConfig(instance_type="ml.c5.xlarge", instance_count=2)


@pytest.fixture(scope="module")
def around(new_surroundings: Callable[[], Any]) -> Any:
    around = new_surroundings()
    model_role = iam.Role(
        around.stack, "ModelRole", assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com")
    )
    BatchScoring(
        around.stack,
        "Batch",
        pipeline_name="test-batch-scoring",
        bucket=around.features,
        model_role=model_role,
        encryption_key=around.key,
        config=CONFIG,
    )
    return around


@pytest.fixture(scope="module")
def transform() -> dict[str, Any]:
    (step,) = json.loads(batch_definition(CONFIG))["Steps"]
    return dict(step["Arguments"])


def test_model_input_and_output_are_told_at_the_start() -> None:
    assert json.loads(batch_definition(CONFIG))["Parameters"] == [
        {"Name": "ModelName", "Type": "String"},
        {"Name": "InputDataUri", "Type": "String"},
        {"Name": "OutputDataUri", "Type": "String"},
    ]


def test_rows_are_csv_and_are_split_and_joined_by_line(transform: dict[str, Any]) -> None:
    assert transform["TransformInput"]["ContentType"] == "text/csv"
    assert transform["TransformInput"]["SplitType"] == "Line"
    assert transform["TransformOutput"]["AssembleWith"] == "Line"
    source = transform["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"]
    assert source == {"Get": "Parameters.InputDataUri"}
    assert transform["TransformOutput"]["S3OutputPath"] == {"Get": "Parameters.OutputDataUri"}


def test_scores_and_volumes_are_encrypted(transform: dict[str, Any]) -> None:
    assert transform["TransformOutput"]["KmsKeyId"] == "${KeyArn}"
    assert transform["TransformResources"] == {
        "InstanceType": "ml.c5.xlarge",
        "InstanceCount": 2,
        "VolumeKmsKeyId": "${KeyArn}",
    }


def test_the_request_is_one_that_the_service_accepts(transform: dict[str, Any]) -> None:
    def plain(value: dict[str, Any]) -> Any:
        return "a-value" if "Get" in value else value

    request = json.loads(json.dumps(transform), object_hook=plain)
    model = botocore.session.get_session().get_service_model("sagemaker")
    shape = model.operation_model("CreateTransformJob").input_shape
    report = ParamValidator().validate({**request, "TransformJobName": "scoring"}, shape)
    assert not report.has_errors(), report.generate_report()


def test_the_same_prefix_is_scored_again(transform: dict[str, Any]) -> None:
    (step,) = json.loads(batch_definition(CONFIG))["Steps"]
    assert "CacheConfig" not in step


def test_the_pipeline_starts_transforms_and_nothing_else(around: Any) -> None:
    role = around.stack.node.find_child("Batch").node.find_child("Role")
    (statement,) = around.statements(role)
    assert statement["Action"] == [
        "sagemaker:AddTags",
        "sagemaker:CreateTransformJob",
        "sagemaker:DescribeTransformJob",
        "sagemaker:StopTransformJob",
    ]
    assert ":transform-job/pipelines-*" in json.dumps(statement["Resource"])


def test_the_models_role_moves_batches_and_nothing_else(around: Any) -> None:
    role = around.stack.node.find_child("ModelRole")
    batch = around.objects(around.features, "batch/")
    assert around.allowed(role, "s3:GetObject") == batch
    assert around.allowed(role, "s3:PutObject") == batch


def test_the_key_takes_its_place_in_the_definition(around: Any) -> None:
    (pipeline,) = around.template().find_resources("AWS::SageMaker::Pipeline").values()
    body = pipeline["Properties"]["PipelineDefinition"]["PipelineDefinitionBody"]
    assert body["Fn::Sub"][1] == {"KeyArn": around.key_arn}
    assert pipeline["Properties"]["PipelineName"] == "test-batch-scoring"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"instance_count": 0}, "instance_count must be at least 1, got 0"),
        ({"instance_type": "m5.large"}, "instance_type must be a SageMaker instance type"),
    ],
)
def test_values_that_make_no_sense_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BatchScoringConfig(**values)
