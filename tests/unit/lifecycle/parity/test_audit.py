import json
import re
from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import botocore.session
import pytest
from aws_cdk import aws_sns as sns
from botocore.validate import ParamValidator

from lifecycle.jobs.job_requests import Compute
from lifecycle.parity.audit import ParityAudit
from lifecycle.parity.config import ParityAuditConfig
from lifecycle.parity.definition import PLACEHOLDERS, parity_definition
from lifecycle.registry.spelled_package import part as part_of
from lifecycle.registry.spelled_package import schema_version
from pipeline_code.contracts.packages import SCHEMA_MARK
from pipeline_code.features.definitions import ENTITIES
from pipeline_code.parity.settings import AuditSettings

NAMESPACE, ENDPOINT, NAME = "test/namespace", "test-fraud", "test-parity"
PACKAGE = f"arn:aws:sagemaker:eu-west-1:123456789012:model-package/test-fraud/7{SCHEMA_MARK}v3"
CONFIG = ParityAuditConfig(
    schedule="rate(1 day)",
    sample=77,
    settle_minutes=33,
    lookback_days=5,
    missing_data_days=3,
    compute=Compute(instance_type="ml.c5.xlarge", volume_size_gib=19, max_runtime_minutes=29),
)


@pytest.fixture(scope="module")
def audited(new_surroundings: Callable[[], Any]) -> Callable[[ParityAuditConfig], Any]:
    def define(config: ParityAuditConfig) -> Any:
        around = new_surroundings()
        ParityAudit(
            around.stack,
            "Parity",
            pipeline_name=NAME,
            condition=cdk.CfnCondition(
                around.stack, "Approved", expression=cdk.Fn.condition_equals("a", "b")
            ),
            approved_package=PACKAGE,
            endpoint_name=ENDPOINT,
            variant_name="primary",
            metric_namespace=NAMESPACE,
            image=around.image,
            store=around.feature_store,
            raw_bucket=around.raw,
            captures_bucket=around.captures,
            artifacts_bucket=around.artifacts,
            encryption_key=around.key,
            topic=sns.Topic(around.stack, "Topic"),
            config=config,
        )
        return around

    return define


@pytest.fixture(scope="module")
def around(audited: Callable[[ParityAuditConfig], Any]) -> Any:
    return audited(CONFIG)


def part(around: Any, name: str) -> Any:
    return around.stack.node.find_child("Parity").node.find_child(name)


def only(around: Any, kind: str) -> dict[str, Any]:
    (found,) = around.template().find_resources(kind).values()
    return dict(found)


def alarm(around: Any, metric: str) -> dict[str, Any]:
    (found,) = (
        body["Properties"]
        for body in around.template().find_resources("AWS::CloudWatch::Alarm").values()
        if body["Properties"]["MetricName"] == metric
    )
    return dict(found)


def test_the_scheduler_starts_the_audit_of_a_day_once_a_model_is_approved(around: Any) -> None:
    schedule = only(around, "AWS::Scheduler::Schedule")
    assert schedule["Condition"] == "Approved"
    properties = schedule["Properties"]
    assert properties["ScheduleExpression"] == "rate(1 day)"
    assert properties["Target"]["SageMakerPipelineParameters"] == {
        "PipelineParameterList": [{"Name": "AuditHours", "Value": "24"}]
    }
    assert f":pipeline/{NAME}" in json.dumps(properties["Target"]["Arn"])
    (statement,) = around.statements(part(around, "SchedulerRole"))
    assert statement["Action"] == "sagemaker:StartPipelineExecution"
    assert f":pipeline/{NAME}" in json.dumps(statement["Resource"])


def test_without_a_schedule_silence_is_no_alarm(
    audited: Callable[[ParityAuditConfig], Any],
) -> None:
    template = audited(ParityAuditConfig(schedule=None)).template()
    template.resource_count_is("AWS::Scheduler::Schedule", 0)
    template.resource_count_is("AWS::SageMaker::Pipeline", 1)
    template.resource_count_is("AWS::CloudWatch::Alarm", 1)


def test_one_defect_is_an_alarm_that_says_what_to_do(around: Any) -> None:
    found = alarm(around, "ParityDefects")
    assert (found["Threshold"], found["ComparisonOperator"]) == (0, "GreaterThanThreshold")
    assert found["TreatMissingData"] == "notBreaching"
    assert found["Namespace"] == NAMESPACE
    assert found["Dimensions"] == [{"Name": "EndpointName", "Value": ENDPOINT}]
    description = json.dumps(found["AlarmDescription"])
    assert "Runbook: read differences.jsonl" in description
    assert "/monitoring/parity." in description
    assert len(description) < 1024


def test_days_without_an_audited_request_are_an_alarm_once_a_model_is_approved(
    around: Any,
) -> None:
    found = alarm(around, "ParityRows")
    assert (found["Period"], found["EvaluationPeriods"], found["Threshold"]) == (86_400, 3, 1)
    assert found["TreatMissingData"] == {"Fn::If": ["Approved", "breaching", "notBreaching"]}


def test_both_alarms_go_to_the_topic(around: Any) -> None:
    topic = around.stack.resolve(around.stack.node.find_child("Topic").topic_arn)
    for metric in ("ParityDefects", "ParityRows"):
        assert alarm(around, metric)["AlarmActions"] == [topic]


def test_the_auditor_reads_what_it_compares_and_writes_reports_alone(around: Any) -> None:
    role = part(around, "AuditorRole")
    readable = [
        *around.objects(around.captures, f"{ENDPOINT}/"),
        *around.objects(around.raw, "transactions/", "fraud_reports/"),
        *around.objects(around.features, "offline-store/"),
    ]
    assert sorted(map(str, around.allowed(role, "s3:GetObject"))) == sorted(map(str, readable))
    assert around.allowed(role, "s3:PutObject") == around.objects(
        around.artifacts, "monitoring/parity/"
    )
    groups = json.dumps(around.allowed(role, "sagemaker:DescribeFeatureGroup"))
    assert groups.count("feature-group/") == 2
    for action in ("sagemaker:PutRecord", "sagemaker:BatchWriteRecord", "s3:DeleteObject"):
        assert around.allowed(role, action) == []


def test_the_auditor_publishes_to_its_own_namespace(around: Any) -> None:
    namespaces = {
        statement["Condition"]["StringEquals"]["cloudwatch:namespace"]
        for statement in around.statements(part(around, "AuditorRole"))
        if statement["Action"] == "cloudwatch:PutMetricData"
    }
    assert namespaces == {NAMESPACE, "/aws/sagemaker/ProcessingJobs"}


def test_the_pipeline_starts_the_audit_and_nothing_else(around: Any) -> None:
    role = part(around, "Role")
    actions = {
        action
        for statement in around.statements(role)
        for action in (
            statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        )
    }
    assert actions == {
        "iam:PassRole",
        "sagemaker:AddTags",
        "sagemaker:CreateProcessingJob",
        "sagemaker:DescribeProcessingJob",
        "sagemaker:StopProcessingJob",
    }
    assert around.allowed(role, "iam:PassRole") == [
        around.stack.resolve(part(around, "AuditorRole").role_arn)
    ]


def test_every_placeholder_of_the_definition_gets_a_value(around: Any) -> None:
    pipeline = only(around, "AWS::SageMaker::Pipeline")["Properties"]
    assert pipeline["PipelineName"] == NAME
    definition, values = pipeline["PipelineDefinition"]["PipelineDefinitionBody"]["Fn::Sub"]
    found = set(re.findall(r"\$\{([^}]+)\}", definition)) - {"AWS::Region"}
    assert set(values) == found == set(PLACEHOLDERS)
    assert values["CapturesUri"] == around.stack.resolve(
        around.captures.s3_url_for_object(f"{ENDPOINT}/primary")
    )
    # What is audited is of the version of the package that serves.
    assert values["ModelVersion"] == around.stack.resolve(part_of(PACKAGE, "model_package"))
    version = schema_version(PACKAGE)
    assert values["SchemaVersion"] == around.stack.resolve(version)
    for entity in ENTITIES:
        group = around.feature_store.group_name(entity, version)
        assert values[f"{entity.name.capitalize()}FeatureGroup"] == around.stack.resolve(group)


@pytest.fixture(scope="module")
def request_() -> dict[str, Any]:
    """What the pipeline's one step asks SageMaker for."""
    document = json.loads(parity_definition(CONFIG))
    defaults = {each["Name"]: each["DefaultValue"] for each in document["Parameters"]}
    assert defaults == {"AuditHours": 24, "SettleMinutes": 33, "Sample": 77}
    (step,) = document["Steps"]

    def with_defaults(value: dict[str, Any]) -> Any:
        if "Get" in value:
            return str(defaults.get(value["Get"].removeprefix("Parameters."), "2026-03-01T04:15Z"))
        return "".join(value["Std:Join"]["Values"]) if "Std:Join" in value else value

    resolved = json.loads(json.dumps(step["Arguments"]), object_hook=with_defaults)
    return dict(resolved)


def test_the_entry_point_understands_what_the_pipeline_tells_it(request_: dict[str, Any]) -> None:
    application = request_["AppSpecification"]
    assert application["ContainerEntrypoint"] == ["python", "-m", "pipeline_code", "parity"]
    settings = AuditSettings.parse(application["ContainerArguments"], request_["Environment"])
    assert (settings.sample, settings.lookback.days) == (77, 5)
    start, end = settings.interval.start, settings.interval.end
    assert start is not None
    assert end is not None
    assert (start.isoformat(), end.isoformat()) == (
        "2026-02-28T03:42:00+00:00",
        "2026-03-01T03:42:00+00:00",
    )


def test_the_pipelines_request_is_one_that_the_service_accepts(request_: dict[str, Any]) -> None:
    text = re.sub(r"\$\{[^}]+\}", "arn:aws:iam::000000000000:role/some-role", json.dumps(request_))
    model = botocore.session.get_session().get_service_model("sagemaker")
    shape = model.operation_model("CreateProcessingJob").input_shape
    request = {**json.loads(text), "ProcessingJobName": "audit"}
    report = ParamValidator().validate(request, shape)
    assert not report.has_errors(), report.generate_report()


def test_the_job_is_encrypted_and_as_large_as_configured(request_: dict[str, Any]) -> None:
    assert request_["ProcessingResources"]["ClusterConfig"] == {
        "InstanceCount": 1,
        "InstanceType": "ml.c5.xlarge",
        "VolumeKmsKeyId": "${KeyArn}",
        "VolumeSizeInGB": 19,
    }
    assert request_["ProcessingOutputConfig"]["KmsKeyId"] == "${KeyArn}"
    assert request_["StoppingCondition"] == {"MaxRuntimeInSeconds": 29 * 60}


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("schedule", "daily", r"^schedule must be a cron\(...\) or rate\(...\) expression, got d"),
        ("sample", 0, r"^sample must be at least 1, got 0; "),
        ("settle_minutes", -1, r"^settle_minutes must be at least 0, got -1; "),
        ("lookback_days", -1, r"^lookback_days must be at least 0, got -1; "),
        ("missing_data_days", 0, r"^missing_data_days must be between 1 and 7, got 0; "),
        ("missing_data_days", 8, r"^missing_data_days must be between 1 and 7, got 8; "),
    ],
)
def test_a_wrong_value_is_refused(field: str, value: Any, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        ParityAuditConfig(**{field: value})
