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
from lifecycle.monitoring.definition import PLACEHOLDERS, monitoring_definition
from lifecycle.monitoring.label_definition import PLACEHOLDERS as LABEL_PLACEHOLDERS
from lifecycle.monitoring.monitoring import (
    AlarmLimits,
    Monitoring,
    MonitoringConfig,
    MonitorSchedules,
)
from pipeline_code.contracts.monitoring import MonitorKind

NAMESPACE = "test/namespace"
ENDPOINT = "test-fraud"
NAMES = {kind: f"test-{kind}" for kind in MonitorKind}
NAME = NAMES[MonitorKind.DATA_QUALITY]
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


def test_without_an_engine_there_is_nothing_to_define(
    watched: Callable[[MonitoringConfig], Any],
) -> None:
    with pytest.raises(ValueError, match=r"^engine must be one that watches, got none; leave"):
        watched(MonitoringConfig(engine="none"))


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


def schedule(around: Any, kind: MonitorKind) -> dict[str, Any]:
    return found(
        around.template(),
        "AWS::SageMaker::MonitoringSchedule",
        MonitoringScheduleName=NAMES[kind],
    )


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


def job(around: Any, kind: MonitorKind = MonitorKind.DATA_QUALITY) -> dict[str, Any]:
    config = schedule(around, kind)["Properties"]["MonitoringScheduleConfig"]
    return dict(config["MonitoringJobDefinition"])


def part(around: Any, *path: str) -> Any:
    node = around.stack.node.find_child("Monitoring")
    for name in path:
        node = node.node.find_child(name)
    return node


def analyzer(around: Any) -> Any:
    return part(around, "AnalyzerRole")


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


def test_each_version_has_a_folder_of_its_own_and_no_version_has_one_too(by_schedule: Any) -> None:
    def evaluated(value: Any, approved: str) -> str:
        if isinstance(value, str):
            return value
        ((function, given),) = value.items()
        if function == "Ref":
            return {"Approved": approved}.get(given, "bucket")
        if function == "Fn::Join":
            return str(given[0]).join(evaluated(each, approved) for each in given[1])
        index, split = given
        separator, whole = split["Fn::Split"]
        return evaluated(whole, approved).split(separator)[index]

    found = folder(by_schedule, "bias/constraints.json")
    arn = "arn:aws:sagemaker:eu-west-1:123456789012:model-package/test-fraud/17"
    below = "s3://bucket/monitoring/baseline"
    for spelled in (arn, f"{arn}|image|s3://a/b|0.1|0.2|{'0d' * 32}"):
        assert evaluated(found, spelled) == f"{below}/test-fraud/17/bias/constraints.json"
    assert evaluated(found, "none") == f"{below}/none/bias/constraints.json"


@KINDS
def test_a_schedule_of_each_kind_runs_once_a_model_is_approved(
    by_schedule: Any, kind: MonitorKind
) -> None:
    defined = schedule(by_schedule, kind)
    assert defined["Condition"] == condition(by_schedule.template())
    config = defined["Properties"]["MonitoringScheduleConfig"]
    expression = f"cron(0 {CRON[kind]} ? * * *)"
    assert config["ScheduleConfig"] == {"ScheduleExpression": expression}


def test_the_schedules_job_is_inline_because_a_definition_could_not_change(
    by_schedule: Any,
) -> None:
    template = by_schedule.template()
    template.resource_count_is("AWS::SageMaker::DataQualityJobDefinition", 0)
    assert job(by_schedule)["MonitoringAppSpecification"] == {
        "ImageUri": by_schedule.stack.resolve(by_schedule.image.uri),
        "ContainerEntrypoint": ["python", "-m", "pipeline_code", "monitor"],
    }


@KINDS
def test_the_schedules_job_reads_captures_and_baseline_and_leaves_reports(
    by_schedule: Any, kind: MonitorKind
) -> None:
    definition = job(by_schedule, kind)
    assert definition["MonitoringInputs"] == [
        {
            "EndpointInput": {
                "EndpointName": ENDPOINT,
                "LocalPath": "/opt/ml/processing/input/endpoint",
            }
        }
    ]
    baseline = definition["BaselineConfig"]
    for file in ("constraints", "statistics"):
        given = baseline[f"{file.capitalize()}Resource"]["S3Uri"]
        assert given == folder(by_schedule, f"{kind}/{file}.json")
    (output,) = definition["MonitoringOutputConfig"]["MonitoringOutputs"]
    assert output["S3Output"]["S3Uri"] == uri(
        by_schedule, by_schedule.artifacts, "monitoring/reports"
    )


def test_the_schedules_job_is_encrypted_and_as_large_as_configured(by_schedule: Any) -> None:
    definition = job(by_schedule)
    assert definition["MonitoringResources"]["ClusterConfig"] == {
        "InstanceCount": 1,
        "InstanceType": "ml.c5.xlarge",
        "VolumeKmsKeyId": by_schedule.key_arn,
        "VolumeSizeInGB": 19,
    }
    assert definition["MonitoringOutputConfig"]["KmsKeyId"] == by_schedule.key_arn
    assert definition["StoppingCondition"] == {"MaxRuntimeInSeconds": 29 * 60}
    assert definition["NetworkConfig"]["EnableInterContainerTrafficEncryption"] is True


@KINDS
def test_the_schedules_job_is_told_what_it_looks_for(by_schedule: Any, kind: MonitorKind) -> None:
    environment = job(by_schedule, kind)["Environment"]
    expected = {
        "METRIC_NAMESPACE": NAMESPACE,
        "AWS_DEFAULT_REGION": {"Ref": "AWS::Region"},
        "MONITOR_KIND": kind.value,
        "MODEL_VERSION": approved(0),
    }
    if kind is not MonitorKind.DATA_QUALITY:
        expected["CAPTURES_URI"] = uri(by_schedule, by_schedule.captures, f"{ENDPOINT}/primary/")
        expected["LOOK_BACK_HOURS"] = LOOK_BACK[kind]
    if kind in {MonitorKind.MODEL_QUALITY, MonitorKind.BIAS}:
        labels = f"monitoring/ground-truth/{ENDPOINT}/"
        expected["GROUND_TRUTH_URI"] = uri(by_schedule, by_schedule.artifacts, labels)
    if kind is MonitorKind.ATTRIBUTION:
        expected["MODEL_DATA_URI"] = folder(by_schedule, "attribution/model.tar.gz")
        expected["MODEL_DIGEST"] = approved(5)
    assert environment == expected


def test_each_engine_brings_nothing_of_the_other(by_schedule: Any, by_pipeline: Any) -> None:
    # Labels come by a pipeline under both.
    by_schedule.template().resource_count_is("AWS::Scheduler::Schedule", 1)
    by_schedule.template().resource_count_is("AWS::SageMaker::Pipeline", 1)
    by_pipeline.template().resource_count_is("AWS::SageMaker::MonitoringSchedule", 0)


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


def actions(statements: list[dict[str, Any]]) -> list[str]:
    return sorted(
        action
        for statement in statements
        for action in (
            statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        )
    )


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
    assert (values["Kind"], values["LookBackHours"]) == (kind.value, LOOK_BACK[kind])


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


def test_the_analyzer_reads_captures_and_baseline_and_writes_reports(around: Any) -> None:
    role = analyzer(around)
    readable = [
        *around.objects(around.captures, f"{ENDPOINT}/"),
        *around.objects(
            around.artifacts, "monitoring/baseline/", f"monitoring/ground-truth/{ENDPOINT}/"
        ),
    ]
    allowed = around.allowed(role, "s3:GetObject")
    assert sorted(map(str, allowed)) == sorted(map(str, readable))
    assert around.allowed(role, "s3:PutObject") == around.objects(
        around.artifacts, "monitoring/reports/"
    )


def test_the_analyzer_publishes_to_its_own_namespace(around: Any) -> None:
    namespaces = [
        statement["Condition"]["StringEquals"]["cloudwatch:namespace"]
        for statement in around.statements(analyzer(around))
        if statement["Action"] == "cloudwatch:PutMetricData"
    ]
    assert sorted(namespaces) == ["/aws/sagemaker/ProcessingJobs", NAMESPACE]


def test_the_analyzer_sends_events_of_its_own_source_to_the_default_bus(around: Any) -> None:
    (statement,) = (
        each for each in around.statements(analyzer(around)) if each["Action"] == "events:PutEvents"
    )
    assert statement["Condition"] == {"StringEquals": {"events:source": "fraudloop.monitor"}}
    assert json.dumps(statement["Resource"]).count(":event-bus/default") == 1


def test_labels_are_joined_daily_before_they_are_needed(around: Any) -> None:
    defined = started(around, "test-labels")
    assert defined["Condition"] == condition(around.template())
    assert defined["Properties"]["ScheduleExpression"] == "cron(20 1 * * ? *)"
    text, values = pipeline(around, "test-labels")
    used = set(re.findall(r"\$\{([^}]+)\}", text)) - {"AWS::Region"}
    assert set(values) == used == set(LABEL_PLACEHOLDERS)
    assert values["LabelDelayDays"] == "3"
    # A day more than is looked at, so that what is looked at for the last time is judged before.
    assert values["LookBackHours"] == "120"
    labels = uri(around, around.artifacts, f"monitoring/ground-truth/{ENDPOINT}/")
    assert values["GroundTruthUri"] == labels


def test_the_labels_job_is_told_where_everything_is(around: Any) -> None:
    text, _ = pipeline(around, "test-labels")
    (step,) = json.loads(text)["Steps"]
    request = step["Arguments"]
    assert request["AppSpecification"]["ContainerEntrypoint"][-1] == "labels"
    assert request["Environment"] == {
        "AWS_DEFAULT_REGION": "${AWS::Region}",
        "CAPTURES_URI": "${CapturesUri}",
        "ENDPOINT_NAME": "${EndpointName}",
        "GROUND_TRUTH_URI": "${GroundTruthUri}",
        "LABEL_DELAY_DAYS": "${LabelDelayDays}",
        "LOOK_BACK_HOURS": {"Get": "Parameters.LookBackHours"},
        "METRIC_NAMESPACE": "${MetricNamespace}",
        "RAW_URI": "${RawUri}",
    }
    assert accepted(request) is None


def test_the_labeler_writes_ground_truth_of_this_endpoint_and_nothing_else(around: Any) -> None:
    role = part(around, "Labels", "LabelerRole")
    labels = around.objects(around.artifacts, f"monitoring/ground-truth/{ENDPOINT}/")
    readable = [
        *around.objects(around.captures, f"{ENDPOINT}/"),
        *around.objects(around.raw, "transactions/", "fraud_reports/"),
        *labels,
    ]
    allowed = around.allowed(role, "s3:GetObject")
    assert sorted(map(str, allowed)) == sorted(map(str, readable))
    assert around.allowed(role, "s3:PutObject") == labels
    assert "events:PutEvents" not in actions(around.statements(role))


def test_failed_jobs_of_the_monitors_are_repeated_as_who_they_ran_as(around: Any) -> None:
    roles = [
        around.stack.resolve(part(around, *path).role_arn)
        for path in (["AnalyzerRole"], ["Labels", "LabelerRole"])
    ]
    rule = found(around.template(), "AWS::Events::Rule")["Properties"]
    assert rule["EventPattern"] == {
        "source": ["aws.sagemaker"],
        "detail-type": ["SageMaker Processing Job State Change"],
        "detail": {"ProcessingJobStatus": ["Failed"], "RoleArn": roles},
    }
    repeater = part(around, "Retry", "Repeater", "Handler", "Role")
    assert around.allowed(repeater, "iam:PassRole") == roles
    jobs = json.dumps(around.allowed(repeater, "sagemaker:CreateProcessingJob"))
    assert jobs.count(":processing-job/") == 2
    assert ":processing-job/model-monitoring-*" in jobs
    assert ":processing-job/pipelines-*" in jobs


def test_the_topic_is_encrypted_and_refuses_plain_http(around: Any) -> None:
    template = around.template()
    topic = found(template, "AWS::SNS::Topic")["Properties"]
    assert topic["KmsMasterKeyId"] == around.key_arn
    statements = found(template, "AWS::SNS::TopicPolicy")["Properties"]["PolicyDocument"][
        "Statement"
    ]
    assert [each["Condition"] for each in statements if each["Effect"] == "Deny"] == [
        {"Bool": {"aws:SecureTransport": "false"}}
    ]


def test_alarms_of_this_account_may_publish(around: Any) -> None:
    statements = found(around.template(), "AWS::SNS::TopicPolicy")["Properties"]["PolicyDocument"][
        "Statement"
    ]
    (allowed,) = (each for each in statements if each["Effect"] == "Allow")
    assert allowed["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert allowed["Action"] == "sns:Publish"
    assert allowed["Condition"] == {
        "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    }


def test_an_address_is_subscribed_only_if_there_is_one(by_schedule: Any, by_pipeline: Any) -> None:
    by_schedule.template().resource_count_is("AWS::SNS::Subscription", 0)
    by_pipeline.template().has_resource_properties(
        "AWS::SNS::Subscription", {"Protocol": "email", "Endpoint": "fraud@example.com"}
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"engine": "debugger"}, "engine must be one of model_monitor, scheduled, none, got debug"),
        ({"max_runtime_minutes": 61}, "max_runtime_minutes must be between 1 and 60, got 61"),
        ({"max_runtime_minutes": 0}, "max_runtime_minutes must be between 1 and 60, got 0"),
        ({"volume_size_gib": 0}, "volume_size_gib must be at least 1, got 0"),
    ],
)
def test_values_that_make_no_sense_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MonitoringConfig(**values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"bias_hour": 24}, "bias_hour must be between 0 and 23, got 24"),
        ({"labels_hour": -1}, "labels_hour must be between 0 and 23, got -1"),
        ({"attribution_hours": 0}, "attribution_hours must be at least 1, got 0"),
        ({"label_delay_days": -1}, "label_delay_days must be at least 0, got -1"),
        (
            {"labelled_hours": 168},
            "labelled_hours must be more than label_delay_days, which are 168 hours, got 168; ",
        ),
    ],
)
def test_schedules_that_make_no_sense_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MonitorSchedules(**values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"missing_data_hours": 0}, "missing_data_hours must be at least 1, got 0"),
        ({"missing_data_hours": 169}, "missing_data_hours must be at most 168, got 169; CloudWa"),
        ({"missing_data_days": 8}, "missing_data_days must be at most 7, got 8; CloudWatch"),
        ({"model_age_days": 0}, "model_age_days must be at least 1, got 0"),
        ({"label_maturity": 1.5}, "label_maturity must be between 0 and 1, got 1.5"),
    ],
)
def test_limits_that_make_no_sense_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AlarmLimits(**values)
