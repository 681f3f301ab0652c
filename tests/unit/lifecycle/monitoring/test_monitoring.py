import json
from collections.abc import Callable
from typing import Any

import pytest

from lifecycle.monitoring.monitoring import (
    MonitoringConfig,
)
from pipeline_code.contracts.monitoring import MonitorKind

from .conftest import (
    CRON,
    ENDPOINT,
    KINDS,
    LOOK_BACK,
    NAMES,
    NAMESPACE,
    approved,
    approved_schema,
    condition,
    folder,
    found,
    part,
    uri,
)

NAME = NAMES[MonitorKind.DATA_QUALITY]


def test_without_an_engine_there_is_nothing_to_define(
    watched: Callable[[MonitoringConfig], Any],
) -> None:
    with pytest.raises(ValueError, match=r"^engine must be one that watches, got none; leave"):
        watched(MonitoringConfig(engine="none"))


def schedule(around: Any, kind: MonitorKind) -> dict[str, Any]:
    return found(
        around.template(),
        "AWS::SageMaker::MonitoringSchedule",
        MonitoringScheduleName=NAMES[kind],
    )


def job(around: Any, kind: MonitorKind = MonitorKind.DATA_QUALITY) -> dict[str, Any]:
    config = schedule(around, kind)["Properties"]["MonitoringScheduleConfig"]
    return dict(config["MonitoringJobDefinition"])


def analyzer(around: Any) -> Any:
    return part(around, "AnalyzerRole")


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
        "FEATURE_SCHEMA_VERSION": approved_schema(by_schedule),
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
