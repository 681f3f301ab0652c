import json
import re
from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import botocore.session
import pytest
from aws_cdk.assertions import Match, Template
from botocore.validate import ParamValidator

from lifecycle.job_requests import Compute
from lifecycle.monitoring import Monitoring, MonitoringConfig
from lifecycle.monitoring_definition import PLACEHOLDERS, monitoring_definition

NAMESPACE = "test/namespace"
ENDPOINT = "test-fraud"
NAME = "test-data-quality"


@pytest.fixture(scope="module")
def watched(new_surroundings: Callable[[], Any]) -> Callable[[MonitoringConfig], Any]:
    def define(config: MonitoringConfig) -> Any:
        around = new_surroundings()
        parameter = cdk.CfnParameter(around.stack, "Approved")
        Monitoring(
            around.stack,
            "Monitoring",
            monitor_name=NAME,
            approved_package=parameter.value_as_string,
            endpoint_name=ENDPOINT,
            metric_namespace=NAMESPACE,
            image=around.image,
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
            missing_data_hours=3,
        )
    )


@pytest.fixture(scope="module")
def by_pipeline(watched: Callable[[MonitoringConfig], Any]) -> Any:
    return watched(MonitoringConfig(engine="scheduled", alarm_email="fraud@example.com"))


@pytest.fixture(scope="module", params=["model_monitor", "scheduled"])
def around(request: pytest.FixtureRequest, by_schedule: Any, by_pipeline: Any) -> Any:
    return by_schedule if request.param == "model_monitor" else by_pipeline


def test_without_an_engine_there_is_nothing_to_define(
    watched: Callable[[MonitoringConfig], Any],
) -> None:
    with pytest.raises(ValueError, match=r"^engine must be one that watches, got none; leave"):
        watched(MonitoringConfig(engine="none"))


def only(template: Template, kind: str) -> dict[str, Any]:
    (found,) = template.find_resources(kind).values()
    return dict(found)


def condition(template: Template) -> str:
    (name,) = (
        name
        for name, body in template.to_json()["Conditions"].items()
        if body == {"Fn::Not": [{"Fn::Equals": [{"Ref": "Approved"}, "none"]}]}
    )
    return str(name)


def job(around: Any) -> dict[str, Any]:
    schedule = only(around.template(), "AWS::SageMaker::MonitoringSchedule")["Properties"]
    return dict(schedule["MonitoringScheduleConfig"]["MonitoringJobDefinition"])


def analyzer(around: Any) -> Any:
    return around.stack.node.find_child("Monitoring").node.find_child("AnalyzerRole")


def uri(around: Any, bucket: Any, path: str) -> Any:
    return around.stack.resolve(bucket.s3_url_for_object(path))


def test_the_schedule_runs_every_hour_once_a_model_is_approved(by_schedule: Any) -> None:
    template = by_schedule.template()
    schedule = only(template, "AWS::SageMaker::MonitoringSchedule")
    assert schedule["Condition"] == condition(template)
    assert schedule["Properties"]["MonitoringScheduleName"] == NAME
    config = schedule["Properties"]["MonitoringScheduleConfig"]
    assert config["ScheduleConfig"] == {"ScheduleExpression": "cron(0 * ? * * *)"}


def test_the_schedules_job_is_inline_because_a_definition_could_not_change(
    by_schedule: Any,
) -> None:
    template = by_schedule.template()
    template.resource_count_is("AWS::SageMaker::DataQualityJobDefinition", 0)
    assert job(by_schedule)["MonitoringAppSpecification"] == {
        "ImageUri": by_schedule.stack.resolve(by_schedule.image.uri),
        "ContainerEntrypoint": ["python", "-m", "pipeline_code", "monitor"],
    }


def test_the_schedules_job_reads_captures_and_baseline_and_leaves_reports(
    by_schedule: Any,
) -> None:
    definition = job(by_schedule)
    assert definition["MonitoringInputs"] == [
        {
            "EndpointInput": {
                "EndpointName": ENDPOINT,
                "LocalPath": "/opt/ml/processing/input/endpoint",
            }
        }
    ]
    baseline = definition["BaselineConfig"]
    for kind in ("constraints", "statistics"):
        given = baseline[f"{kind.capitalize()}Resource"]["S3Uri"]
        path = f"monitoring/baseline/{kind}.json"
        assert given == uri(by_schedule, by_schedule.artifacts, path)
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


def test_the_schedules_job_knows_namespace_and_region(by_schedule: Any) -> None:
    assert job(by_schedule)["Environment"] == {
        "METRIC_NAMESPACE": NAMESPACE,
        "AWS_DEFAULT_REGION": {"Ref": "AWS::Region"},
    }


def test_each_engine_brings_nothing_of_the_other(by_schedule: Any, by_pipeline: Any) -> None:
    by_schedule.template().resource_count_is("AWS::Scheduler::Schedule", 0)
    by_schedule.template().resource_count_is("AWS::SageMaker::Pipeline", 0)
    by_pipeline.template().resource_count_is("AWS::SageMaker::MonitoringSchedule", 0)


def test_the_scheduler_starts_the_pipeline_every_hour_once_a_model_is_approved(
    by_pipeline: Any,
) -> None:
    template = by_pipeline.template()
    schedule = only(template, "AWS::Scheduler::Schedule")
    assert schedule["Condition"] == condition(template)
    properties = schedule["Properties"]
    assert properties["ScheduleExpression"] == "cron(5 * * * ? *)"
    assert properties["Target"]["SageMakerPipelineParameters"] == {
        "PipelineParameterList": [{"Name": "AnalysisHours", "Value": "1"}]
    }
    assert f":pipeline/{NAME}" in json.dumps(properties["Target"]["Arn"])


def test_the_scheduler_may_start_this_pipeline_for_this_account(by_pipeline: Any) -> None:
    scheduled = by_pipeline.stack.node.find_child("Monitoring").node.find_child("Scheduled")
    role = scheduled.node.find_child("SchedulerRole")
    (statement,) = by_pipeline.statements(role)
    assert statement["Action"] == "sagemaker:StartPipelineExecution"
    assert f":pipeline/{NAME}" in json.dumps(statement["Resource"])
    role_id = by_pipeline.stack.resolve(role.role_name)["Ref"]
    trust = by_pipeline.template().find_resources("AWS::IAM::Role")[role_id]["Properties"]
    assert trust["AssumeRolePolicyDocument"]["Statement"][0]["Condition"] == {
        "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    }


def test_the_monitoring_pipeline_starts_the_analyzer_and_nothing_else(by_pipeline: Any) -> None:
    scheduled = by_pipeline.stack.node.find_child("Monitoring").node.find_child("Scheduled")
    statements = by_pipeline.statements(scheduled.node.find_child("Role"))
    actions = [
        action
        for statement in statements
        for action in (
            statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        )
    ]
    assert sorted(actions) == [
        "iam:PassRole",
        "sagemaker:AddTags",
        "sagemaker:CreateProcessingJob",
        "sagemaker:DescribeProcessingJob",
        "sagemaker:StopProcessingJob",
    ]
    (passing,) = (each for each in statements if each["Action"] == "iam:PassRole")
    assert passing["Resource"] == by_pipeline.stack.resolve(analyzer(by_pipeline).role_arn)


def test_every_placeholder_of_the_pipelines_definition_gets_a_value(by_pipeline: Any) -> None:
    pipeline = only(by_pipeline.template(), "AWS::SageMaker::Pipeline")["Properties"]
    definition, values = pipeline["PipelineDefinition"]["PipelineDefinitionBody"]["Fn::Sub"]
    found = set(re.findall(r"\$\{([^}]+)\}", definition)) - {"AWS::Region"}
    assert set(values) == found == set(PLACEHOLDERS)
    assert values["CapturesUri"] == uri(by_pipeline, by_pipeline.captures, f"{ENDPOINT}/primary/")
    assert values["BaselineUri"] == uri(by_pipeline, by_pipeline.artifacts, "monitoring/baseline/")


@pytest.fixture(scope="module")
def analysis() -> dict[str, Any]:
    compute = Compute(instance_type="ml.c5.xlarge", volume_size_gib=19, max_runtime_minutes=29)
    document = json.loads(monitoring_definition(compute))
    (parameter,) = document["Parameters"]
    assert parameter == {"Name": "AnalysisHours", "Type": "Integer", "DefaultValue": 1}
    (step,) = document["Steps"]
    return dict(step["Arguments"])


def test_the_pipeline_tells_the_analyzer_what_model_monitor_would(
    analysis: dict[str, Any],
) -> None:
    assert analysis["Environment"] == {
        "AWS_DEFAULT_REGION": "${AWS::Region}",
        "METRIC_NAMESPACE": "${MetricNamespace}",
        "dataset_format": '{"sagemakerCaptureJson":{}}',
        "dataset_source": "/opt/ml/processing/input/endpoint",
        "output_path": "/opt/ml/processing/resultdata",
        "baseline_constraints": "/opt/ml/processing/baseline/constraints.json",
        "baseline_statistics": "/opt/ml/processing/baseline/statistics.json",
        "end_time": {"Get": "Execution.StartDateTime"},
        "analysis_hours": {"Std:Join": {"On": "", "Values": [{"Get": "Parameters.AnalysisHours"}]}},
        "endpoint_name": "${EndpointName}",
        "monitoring_schedule_name": "${PipelineName}",
        "publish_cloudwatch_metrics": "Enabled",
    }


def test_the_pipelines_request_is_one_that_the_service_accepts(analysis: dict[str, Any]) -> None:
    text = re.sub(r"\$\{[^}]+\}", "arn:aws:iam::000000000000:role/some-role", json.dumps(analysis))

    def plain(value: dict[str, Any]) -> Any:
        return "s3://a/b" if value.keys() & {"Get", "Std:Join"} else value

    request = json.loads(text, object_hook=plain)
    model = botocore.session.get_session().get_service_model("sagemaker")
    shape = model.operation_model("CreateProcessingJob").input_shape
    report = ParamValidator().validate({**request, "ProcessingJobName": "analysis"}, shape)
    assert not report.has_errors(), report.generate_report()


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
        *around.objects(around.artifacts, "monitoring/baseline/"),
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


def test_drift_is_an_alarm_and_silence_of_the_metric_is_not(around: Any) -> None:
    around.template().has_resource_properties(
        "AWS::CloudWatch::Alarm",
        {
            "MetricName": "FeatureDriftViolations",
            "Namespace": NAMESPACE,
            "Dimensions": [{"Name": "Endpoint", "Value": ENDPOINT}],
            "Statistic": "Maximum",
            "ComparisonOperator": "GreaterThanThreshold",
            "Threshold": 0,
            "EvaluationPeriods": 1,
            "Period": 3600,
            "TreatMissingData": "notBreaching",
            "AlarmActions": [{"Ref": Match.string_like_regexp("Topic")}],
        },
    )


def test_hours_without_records_are_an_alarm_once_a_model_is_approved(by_schedule: Any) -> None:
    template = by_schedule.template()
    template.has_resource_properties(
        "AWS::CloudWatch::Alarm",
        {
            "MetricName": "MonitoredRecords",
            "Namespace": NAMESPACE,
            "Statistic": "Sum",
            "ComparisonOperator": "LessThanThreshold",
            "Threshold": 1,
            "EvaluationPeriods": 3,
            "Period": 3600,
            "TreatMissingData": {"Fn::If": [condition(template), "breaching", "notBreaching"]},
            "AlarmActions": [{"Ref": Match.string_like_regexp("Topic")}],
        },
    )


def test_the_topic_is_encrypted_and_refuses_plain_http(around: Any) -> None:
    template = around.template()
    topic = only(template, "AWS::SNS::Topic")["Properties"]
    assert topic["KmsMasterKeyId"] == around.key_arn
    statements = only(template, "AWS::SNS::TopicPolicy")["Properties"]["PolicyDocument"][
        "Statement"
    ]
    assert [each["Condition"] for each in statements if each["Effect"] == "Deny"] == [
        {"Bool": {"aws:SecureTransport": "false"}}
    ]


def test_alarms_of_this_account_may_publish(around: Any) -> None:
    statements = only(around.template(), "AWS::SNS::TopicPolicy")["Properties"]["PolicyDocument"][
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
        ({"missing_data_hours": 0}, "missing_data_hours must be at least 1, got 0"),
    ],
)
def test_values_that_make_no_sense_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MonitoringConfig(**values)
