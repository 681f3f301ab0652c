"""Monitors that run as pipelines."""

import json
import re
from typing import Any

import pytest

from lifecycle.monitoring.definition import PLACEHOLDERS
from pipeline_code.contracts.monitoring import MonitorKind

from .conftest import (
    CRON,
    ENDPOINT,
    KINDS,
    LOOK_BACK,
    NAMES,
    accepted,
    actions,
    approved,
    approved_schema,
    condition,
    folder,
    part,
    pipeline,
    started,
    uri,
)


@KINDS
def test_the_scheduler_starts_each_pipeline_once_a_model_is_approved(
    by_pipeline: Any, kind: MonitorKind
) -> None:
    defined = started(by_pipeline, NAMES[kind])
    assert defined["Condition"] == condition(by_pipeline.template())
    properties = defined["Properties"]
    assert properties["ScheduleExpression"] == f"cron(5 {CRON[kind]} * * ? *)"
    assert properties["Target"]["SageMakerPipelineParameters"] == {
        "PipelineParameterList": [{"Name": "AnalysisHours", "Value": LOOK_BACK[kind]}]
    }


def test_the_scheduler_may_start_this_pipeline_for_this_account(by_pipeline: Any) -> None:
    for kind, place in {
        MonitorKind.DATA_QUALITY: ["Scheduled"],
        MonitorKind.BIAS: ["Scheduled", "Bias"],
    }.items():
        role = part(by_pipeline, *place, "SchedulerRole")
        (statement,) = by_pipeline.statements(role)
        assert statement["Action"] == "sagemaker:StartPipelineExecution"
        assert f":pipeline/{NAMES[kind]}" in json.dumps(statement["Resource"])
        role_id = by_pipeline.stack.resolve(role.role_name)["Ref"]
        trust = by_pipeline.template().find_resources("AWS::IAM::Role")[role_id]["Properties"]
        assert trust["AssumeRolePolicyDocument"]["Statement"][0]["Condition"] == {
            "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
        }


@pytest.mark.parametrize(
    ("place", "runs_as"),
    [(["Scheduled"], ["AnalyzerRole"]), (["Labels"], ["Labels", "LabelerRole"])],
)
def test_a_pipeline_starts_its_job_and_nothing_else(
    by_pipeline: Any, place: list[str], runs_as: list[str]
) -> None:
    statements = by_pipeline.statements(part(by_pipeline, *place, "Role"))
    assert actions(statements) == [
        "iam:PassRole",
        "sagemaker:AddTags",
        "sagemaker:CreateProcessingJob",
        "sagemaker:DescribeProcessingJob",
        "sagemaker:StopProcessingJob",
    ]
    (passing,) = (each for each in statements if each["Action"] == "iam:PassRole")
    assert passing["Resource"] == by_pipeline.stack.resolve(part(by_pipeline, *runs_as).role_arn)


@KINDS
def test_every_placeholder_of_a_pipelines_definition_gets_a_value(
    by_pipeline: Any, kind: MonitorKind
) -> None:
    definition, values = pipeline(by_pipeline, NAMES[kind])
    used = set(re.findall(r"\$\{([^}]+)\}", definition)) - {"AWS::Region"}
    assert set(values) == used == set(PLACEHOLDERS)
    assert values["CapturesUri"] == uri(by_pipeline, by_pipeline.captures, f"{ENDPOINT}/primary/")
    assert values["BaselineUri"] == folder(by_pipeline, f"{kind}/")
    assert (values["ModelVersion"], values["ModelDigest"]) == (approved(0), approved(5))
    assert values["SchemaVersion"] == approved_schema(by_pipeline)
    assert (values["Kind"], values["LookBackHours"]) == (kind.value, LOOK_BACK[kind])


def test_the_pipeline_tells_the_analyzer_what_model_monitor_would(
    analysis: dict[str, Any],
) -> None:
    assert analysis["Environment"] == {
        "AWS_DEFAULT_REGION": "${AWS::Region}",
        "METRIC_NAMESPACE": "${MetricNamespace}",
        "MONITOR_KIND": "${Kind}",
        "MODEL_VERSION": "${ModelVersion}",
        "CAPTURES_URI": "${CapturesUri}",
        "LOOK_BACK_HOURS": {"Get": "Parameters.AnalysisHours"},
        "GROUND_TRUTH_URI": "${GroundTruthUri}",
        "MODEL_DATA_URI": "${ModelDataUri}",
        "MODEL_DIGEST": "${ModelDigest}",
        "FEATURE_SCHEMA_VERSION": "${SchemaVersion}",
        "dataset_format": '{"sagemakerCaptureJson":{}}',
        "dataset_source": "/opt/ml/processing/input/endpoint",
        "output_path": "/opt/ml/processing/resultdata",
        "baseline_constraints": "/opt/ml/processing/baseline/constraints.json",
        "baseline_statistics": "/opt/ml/processing/baseline/statistics.json",
        "end_time": {"Get": "Execution.StartDateTime"},
        "endpoint_name": "${EndpointName}",
        "monitoring_schedule_name": "${PipelineName}",
        "publish_cloudwatch_metrics": "Enabled",
    }


def test_the_pipelines_request_is_one_that_the_service_accepts(analysis: dict[str, Any]) -> None:
    assert accepted(analysis) is None


def test_the_pipelines_job_is_encrypted_and_as_large_as_configured(
    analysis: dict[str, Any],
) -> None:
    assert analysis["ProcessingResources"]["ClusterConfig"] == {
        "InstanceCount": 1,
        "InstanceType": "ml.c5.xlarge",
        "VolumeKmsKeyId": "${KeyArn}",
        "VolumeSizeInGB": 19,
    }
    assert analysis["ProcessingOutputConfig"]["KmsKeyId"] == "${KeyArn}"
    assert analysis["StoppingCondition"] == {"MaxRuntimeInSeconds": 29 * 60}
