import json
import re
from collections.abc import Callable
from typing import Any

import botocore.session
import pytest
from aws_cdk import aws_iam as iam
from botocore.validate import ParamValidator

from lifecycle.batch.definition import PLACEHOLDERS, batch_definition
from lifecycle.batch.scoring import BatchScoring, BatchScoringConfig
from lifecycle.jobs.job_requests import Compute
from lifecycle.monitoring.analyzer import baseline_folder
from lifecycle.registry.spelled_package import schema_version
from pipeline_code.contracts.packages import SCHEMA_MARK
from pipeline_code.features.definitions import ENTITIES

CONFIG = BatchScoringConfig(
    instance_type="ml.c5.xlarge",
    instance_count=2,
    payload_mib=10,
    concurrent_requests=4,
    tolerated_refused_share=0.25,
    compute=Compute(instance_type="ml.m5.large", volume_size_gib=7, max_runtime_minutes=3),
)
WORK = "batch/executions/"
PACKAGE = f"arn:aws:sagemaker:eu-west-1:123456789012:model-package/test-fraud/7{SCHEMA_MARK}v3"


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
        approved_package=PACKAGE,
        image=around.image,
        store=around.feature_store,
        raw_bucket=around.raw,
        artifacts_bucket=around.artifacts,
        model_role=model_role,
        metric_namespace="test",
        encryption_key=around.key,
        config=CONFIG,
    )
    return around


@pytest.fixture(scope="module")
def steps() -> dict[str, dict[str, Any]]:
    return {step["Name"]: step for step in json.loads(batch_definition(CONFIG))["Steps"]}


def request(steps: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
    return dict(steps[name]["Arguments"])


def inputs(job: dict[str, Any]) -> dict[str, Any]:
    return {each["InputName"]: each["S3Input"]["S3Uri"] for each in job["ProcessingInputs"]}


def outputs(job: dict[str, Any]) -> dict[str, Any]:
    given = job["ProcessingOutputConfig"]["Outputs"]
    return {each["OutputName"]: each["S3Output"]["S3Uri"] for each in given}


def work_uri(name: str) -> dict[str, Any]:
    execution = {"Get": "Execution.PipelineExecutionId"}
    return {"Std:Join": {"On": "/", "Values": ["${WorkUri}", execution, name]}}


def test_model_input_and_output_are_told_at_the_start() -> None:
    assert json.loads(batch_definition(CONFIG))["Parameters"] == [
        {"Name": "ModelName", "Type": "String"},
        {"Name": "InputDataUri", "Type": "String"},
        {"Name": "OutputDataUri", "Type": "String"},
        {"Name": "FeatureSource", "Type": "String", "DefaultValue": "auto"},
    ]


def test_features_come_before_scores_and_both_before_the_rest(steps: dict[str, Any]) -> None:
    uses = {
        name: set(re.findall(r"Steps\.(\w+)\.", json.dumps(step))) for name, step in steps.items()
    }
    assert uses == {
        "Features": set(),
        "Score": {"Features"},
        "Results": {"Features", "Score"},
        "Monitor": {"Features", "Score"},
    }


def test_nothing_of_an_earlier_batch_is_taken_for_this_one(steps: dict[str, Any]) -> None:
    assert not any("CacheConfig" in step for step in steps.values())
    assert outputs(request(steps, "Features")) == {
        name: work_uri(name) for name in ("features", "rows", "facts")
    }
    assert request(steps, "Score")["TransformOutput"]["S3OutputPath"] == work_uri("scores")


def test_features_are_computed_as_the_batch_was_started(steps: dict[str, Any]) -> None:
    job = request(steps, "Features")
    assert inputs(job) == {"batch": {"Get": "Parameters.InputDataUri"}}
    assert job["AppSpecification"]["ContainerArguments"] == [
        "features",
        "--source",
        {"Get": "Parameters.FeatureSource"},
        "--payload-mib",
        "10",
        "--tolerated-share",
        "0.25",
    ]
    assert job["Environment"] == {
        "AS_OF": {"Get": "Execution.StartDateTime"},
        "AWS_DEFAULT_REGION": "${AWS::Region}",
        "CUSTOMER_FEATURE_GROUP": "${CustomerFeatureGroup}",
        "OUTPUT_URI": {"Get": "Parameters.OutputDataUri"},
        "RAW_BUCKET": "${RawBucket}",
        "FEATURE_SCHEMA_VERSION": "${SchemaVersion}",
        "TERMINAL_FEATURE_GROUP": "${TerminalFeatureGroup}",
    }


def test_the_model_is_asked_a_file_at_a_time(steps: dict[str, Any]) -> None:
    transform = request(steps, "Score")
    assert transform["ModelName"] == {"Get": "Parameters.ModelName"}
    assert transform["TransformInput"]["ContentType"] == "application/x-parquet"
    assert transform["TransformInput"]["SplitType"] == "None"
    assert transform["TransformOutput"]["Accept"] == "application/x-parquet"
    assert (transform["MaxPayloadInMB"], transform["MaxConcurrentTransforms"]) == (10, 4)
    # A strategy is for records that SageMaker splits itself.
    assert "BatchStrategy" not in transform


def test_results_are_left_where_they_were_asked_for(steps: dict[str, Any]) -> None:
    job = request(steps, "Results")
    assert outputs(job) == {"batch": {"Get": "Parameters.OutputDataUri"}}
    assert job["NetworkConfig"]["EnableNetworkIsolation"] is True
    assert inputs(job)["scores"] == {"Get": "Steps.Score.TransformOutput.S3OutputPath"}


def test_the_monitor_is_told_as_model_monitor_tells_of_a_batch(steps: dict[str, Any]) -> None:
    job = request(steps, "Monitor")
    environment = job["Environment"]
    assert environment["dataset_format"] == '{"parquet":{}}'
    assert environment["monitoring_schedule_name"] == "${PipelineName}"
    assert "endpoint_name" not in environment
    paths = {each["InputName"]: each["S3Input"]["LocalPath"] for each in job["ProcessingInputs"]}
    source = environment["dataset_source"]
    assert {paths["features"], paths["scores"]} == {f"{source}/features", f"{source}/scores"}
    assert environment["baseline_constraints"] == f"{paths['baseline']}/constraints.json"
    target = {"Get": "Parameters.OutputDataUri"}
    assert outputs(job) == {"report": {"Std:Join": {"On": "/", "Values": [target, "monitoring"]}}}


def test_what_is_written_and_every_volume_is_encrypted(steps: dict[str, Any]) -> None:
    for name in ("Features", "Results", "Monitor"):
        job = request(steps, name)
        assert job["ProcessingOutputConfig"]["KmsKeyId"] == "${KeyArn}"
        cluster = job["ProcessingResources"]["ClusterConfig"]
        assert cluster == {
            "InstanceCount": 1,
            "InstanceType": "ml.m5.large",
            "VolumeSizeInGB": 7,
            "VolumeKmsKeyId": "${KeyArn}",
        }
        assert job["StoppingCondition"] == {"MaxRuntimeInSeconds": 180}
    transform = request(steps, "Score")
    assert transform["TransformOutput"]["KmsKeyId"] == "${KeyArn}"
    assert transform["TransformResources"] == {
        "InstanceType": "ml.c5.xlarge",
        "InstanceCount": 2,
        "VolumeKmsKeyId": "${KeyArn}",
    }


@pytest.mark.parametrize("name", ["Features", "Score", "Results", "Monitor"])
def test_each_request_is_one_that_the_service_accepts(steps: dict[str, Any], name: str) -> None:
    def plain(value: dict[str, Any]) -> Any:
        return "a-value" if "Get" in value or "Std:Join" in value else value

    kind = steps[name]["Type"]
    text = re.sub(
        r"\$\{\w+\}", "arn:aws:iam::123456789012:role/a", json.dumps(request(steps, name))
    )
    given = json.loads(text, object_hook=plain)
    model = botocore.session.get_session().get_service_model("sagemaker")
    shape = model.operation_model(f"Create{kind}Job").input_shape
    report = ParamValidator().validate({**given, f"{kind}JobName": "batch"}, shape)
    assert not report.has_errors(), report.generate_report()


def test_every_placeholder_is_given_its_value(around: Any) -> None:
    (pipeline,) = around.template().find_resources("AWS::SageMaker::Pipeline").values()
    text, values = pipeline["Properties"]["PipelineDefinition"]["PipelineDefinitionBody"]["Fn::Sub"]
    used = set(re.findall(r"\$\{(\w+)\}", text))
    assert used == set(PLACEHOLDERS) == values.keys()
    assert values["KeyArn"] == around.key_arn
    baseline = baseline_folder(around.artifacts, PACKAGE)
    assert values["BaselineUri"] == around.stack.resolve(f"{baseline}data-quality/")
    # What is computed is of the version of the package that scores.
    version = schema_version(PACKAGE)
    assert values["SchemaVersion"] == around.stack.resolve(version)
    for entity in ENTITIES:
        group = around.feature_store.group_name(entity, version)
        assert values[f"{entity.name.capitalize()}FeatureGroup"] == around.stack.resolve(group)
    assert values["PipelineName"] == pipeline["Properties"]["PipelineName"] == "test-batch-scoring"


def role(around: Any, name: str) -> Any:
    return around.stack.node.find_child("Batch").node.find_child("Roles").node.find_child(name)


def test_features_are_computed_by_who_changes_nothing_of_history(around: Any) -> None:
    features = role(around, "Features")
    read = map(json.dumps, around.allowed(features, "s3:GetObject"))
    expected = [
        *around.objects(around.artifacts, "batch/"),
        *around.objects(around.raw, "transactions/", "fraud_reports/"),
        *around.objects(around.features, "offline-store/"),
    ]
    assert sorted(read) == sorted(map(json.dumps, expected))
    assert around.allowed(features, "s3:PutObject") == around.objects(around.artifacts, WORK)
    assert len(around.allowed(features, "sagemaker:DescribeFeatureGroup")) == 2
    assert around.allowed(features, "sagemaker:BatchWriteRecord") == []


def test_results_see_no_raw_data(around: Any) -> None:
    results = role(around, "Results")
    assert around.allowed(results, "s3:GetObject") == around.objects(around.artifacts, WORK)
    assert around.allowed(results, "s3:PutObject") == around.objects(around.artifacts, "batch/")


def test_the_monitor_reads_the_baseline_and_tells(around: Any) -> None:
    monitor = role(around, "Monitor")
    expected = around.objects(around.artifacts, WORK, "monitoring/baseline/")
    assert around.allowed(monitor, "s3:GetObject") == expected
    assert around.allowed(monitor, "s3:PutObject") == around.objects(around.artifacts, "batch/")
    (statement,) = [s for s in around.statements(monitor) if s["Action"] == "events:PutEvents"]
    assert statement["Condition"] == {"StringEquals": {"events:source": "fraudloop.monitor"}}


def test_the_models_role_moves_what_lies_between_the_steps(around: Any) -> None:
    model_role = around.stack.node.find_child("ModelRole")
    assert around.allowed(model_role, "s3:GetObject") == around.objects(around.artifacts, WORK)
    assert around.allowed(model_role, "s3:PutObject") == around.objects(around.artifacts, WORK)


def test_sagemaker_transforms_as_the_models_role(around: Any) -> None:
    """Volumes under the key, a log and the instances' metrics; the pipeline has none of it."""
    model_role = around.stack.node.find_child("ModelRole")
    statements = {str(s["Action"]): s for s in around.statements(model_role)}
    assert statements["kms:CreateGrant"]["Resource"] == around.key_arn
    assert statements["kms:CreateGrant"]["Condition"] == {
        "Bool": {"kms:GrantIsForAWSResource": "true"}
    }
    namespace = statements["cloudwatch:PutMetricData"]["Condition"]["StringEquals"]
    assert namespace == {"cloudwatch:namespace": "/aws/sagemaker/TransformJobs"}
    (streams,) = around.allowed(model_role, "logs:PutLogEvents")
    assert ":log-group:/aws/sagemaker/TransformJobs:*'" in str(streams)


def test_the_pipeline_starts_its_jobs_and_nothing_else(around: Any) -> None:
    pipeline = role(around, "Pipeline")
    actions = {
        action
        for statement in around.statements(pipeline)
        for action in (
            statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        )
    }
    assert actions == {
        "iam:PassRole",
        "sagemaker:AddTags",
        *(
            f"sagemaker:{verb}{kind}Job"
            for verb in ("Create", "Describe", "Stop")
            for kind in ("Processing", "Transform")
        ),
    }
    jobs = [role(around, name) for name in ("Features", "Monitor", "Results")]
    passed = [around.stack.resolve(each.role_arn) for each in jobs]
    assert around.allowed(pipeline, "iam:PassRole") == passed


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"instance_count": 0}, "instance_count must be at least 1, got 0"),
        ({"payload_mib": 0}, "payload_mib must be at least 1, got 0"),
        ({"concurrent_requests": 0}, "concurrent_requests must be at least 1, got 0"),
        ({"payload_mib": 51}, "payload_mib times concurrent_requests must be at most 100, got 102"),
        ({"instance_type": "m5.large"}, "instance_type must be a SageMaker instance type"),
        ({"tolerated_refused_share": 1.5}, "tolerated_refused_share must be between 0 and 1"),
    ],
)
def test_values_that_make_no_sense_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BatchScoringConfig(**values)
