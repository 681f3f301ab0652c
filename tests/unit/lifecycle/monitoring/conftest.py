"""Monitors as configured here, under both engines, and their templates."""

import json
import re
from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import botocore.session
import pytest
from aws_cdk.assertions import Template
from botocore.validate import ParamValidator

from lifecycle.jobs.job_requests import Compute
from lifecycle.monitoring.analyzer import baseline_folder
from lifecycle.monitoring.definition import monitoring_definition
from lifecycle.monitoring.monitoring import (
    AlarmLimits,
    Monitoring,
    MonitoringConfig,
    MonitorSchedules,
)
from lifecycle.registry.spelled_package import schema_version
from pipeline_code.contracts.monitoring import MonitorKind

NAMESPACE = "test/namespace"


ENDPOINT = "test-fraud"


NAMES = {kind: f"test-{kind}" for kind in MonitorKind}


SCHEDULES = MonitorSchedules(
    labels_hour=1,
    model_quality_hour=2,
    bias_hour=6,
    attribution_hour=23,
    labelled_hours=96,
    attribution_hours=48,
    label_delay_days=3,
)


CRON = {
    MonitorKind.DATA_QUALITY: "*",
    MonitorKind.MODEL_QUALITY: "2",
    MonitorKind.BIAS: "6",
    MonitorKind.ATTRIBUTION: "23",
}


LOOK_BACK = {
    MonitorKind.DATA_QUALITY: "1",
    MonitorKind.MODEL_QUALITY: "96",
    MonitorKind.BIAS: "96",
    MonitorKind.ATTRIBUTION: "48",
}


KINDS = pytest.mark.parametrize("kind", list(MonitorKind))


@pytest.fixture(scope="module")
def watched(new_surroundings: Callable[[], Any]) -> Callable[[MonitoringConfig], Any]:
    def define(config: MonitoringConfig) -> Any:
        around = new_surroundings()
        parameter = cdk.CfnParameter(around.stack, "Approved")
        Monitoring(
            around.stack,
            "Monitoring",
            monitor_names=NAMES,
            labels_name="test-labels",
            approved_package=parameter.value_as_string,
            endpoint_name=ENDPOINT,
            metric_namespace=NAMESPACE,
            image=around.image,
            raw_bucket=around.raw,
            captures_bucket=around.captures,
            artifacts_bucket=around.artifacts,
            encryption_key=around.key,
            config=config,
        )
        return around

    return define


@pytest.fixture(scope="module")
def by_schedule(watched: Callable[[MonitoringConfig], Any]) -> Any:
    return watched(
        MonitoringConfig(
            engine="model_monitor",
            instance_type="ml.c5.xlarge",
            volume_size_gib=19,
            max_runtime_minutes=29,
            schedules=SCHEDULES,
            limits=AlarmLimits(missing_data_hours=3, missing_data_days=4, model_age_days=9),
        )
    )


@pytest.fixture(scope="module")
def by_pipeline(watched: Callable[[MonitoringConfig], Any]) -> Any:
    return watched(
        MonitoringConfig(engine="scheduled", schedules=SCHEDULES, alarm_email="fraud@example.com")
    )


@pytest.fixture(scope="module", params=["model_monitor", "scheduled"])
def around(request: pytest.FixtureRequest, by_schedule: Any, by_pipeline: Any) -> Any:
    return by_schedule if request.param == "model_monitor" else by_pipeline


def condition(template: Template) -> str:
    (name,) = (
        name
        for name, body in template.to_json()["Conditions"].items()
        if body == {"Fn::Not": [{"Fn::Equals": [{"Ref": "Approved"}, "none"]}]}
    )
    return str(name)


def found(template: Template, kind: str, **properties: Any) -> dict[str, Any]:
    """The one resource of a type that has these properties."""
    (only,) = (
        each
        for each in template.find_resources(kind).values()
        if properties.items() <= each["Properties"].items()
    )
    return dict(only)


def pipeline(around: Any, name: str) -> tuple[str, dict[str, Any]]:
    """A pipeline's definition and the values of its placeholders."""
    only = found(around.template(), "AWS::SageMaker::Pipeline", PipelineName=name)
    text, values = only["Properties"]["PipelineDefinition"]["PipelineDefinitionBody"]["Fn::Sub"]
    return text, values


def started(around: Any, name: str) -> dict[str, Any]:
    """What has Scheduler start the pipeline of a name."""
    (only,) = (
        each
        for each in around.template().find_resources("AWS::Scheduler::Schedule").values()
        if json.dumps(each["Properties"]["Target"]["Arn"]).endswith(f':pipeline/{name}"]]}}')
    )
    return dict(only)


def part(around: Any, *path: str) -> Any:
    node = around.stack.node.find_child("Monitoring")
    for name in path:
        node = node.node.find_child(name)
    return node


def uri(around: Any, bucket: Any, path: str) -> Any:
    return around.stack.resolve(bucket.s3_url_for_object(path))


def folder(around: Any, path: str) -> Any:
    """Where something of the approved version is."""
    parameter = cdk.Fn.ref("Approved")
    given = baseline_folder(around.artifacts, parameter)
    return around.stack.resolve(f"{given}{path}")


def approved(place: int) -> Any:
    """A part of the package that the parameter spells."""
    return {
        "Fn::Select": [
            place,
            {"Fn::Split": ["|", {"Fn::Join": ["", [{"Ref": "Approved"}, "|||||"]]}]},
        ]
    }


def approved_schema(around: Any) -> Any:
    """The version of the features that the package takes."""
    return around.stack.resolve(schema_version(cdk.Fn.ref("Approved")))


def actions(statements: list[dict[str, Any]]) -> list[str]:
    return sorted(
        action
        for statement in statements
        for action in (
            statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        )
    )


@pytest.fixture(scope="module")
def analysis() -> dict[str, Any]:
    compute = Compute(instance_type="ml.c5.xlarge", volume_size_gib=19, max_runtime_minutes=29)
    document = json.loads(monitoring_definition(compute))
    (parameter,) = document["Parameters"]
    assert parameter == {
        "Name": "AnalysisHours",
        "Type": "String",
        "DefaultValue": "${LookBackHours}",
    }
    (step,) = document["Steps"]
    return dict(step["Arguments"])


def accepted(request: dict[str, Any]) -> str | None:
    """What the service has to say against a request for a processing job."""
    text = re.sub(r"\$\{[^}]+\}", "arn:aws:iam::000000000000:role/some-role", json.dumps(request))

    def plain(value: dict[str, Any]) -> Any:
        return "s3://a/b" if value.keys() & {"Get", "Std:Join"} else value

    model = botocore.session.get_session().get_service_model("sagemaker")
    shape = model.operation_model("CreateProcessingJob").input_shape
    given = {**json.loads(text, object_hook=plain), "ProcessingJobName": "analysis"}
    report = ParamValidator().validate(given, shape)
    return str(report.generate_report()) if report.has_errors() else None
