"""Monitoring schedules, made by real clients; the analyzer is a few lines of Python."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from local_aws.sagemaker.errors import ServiceError
from local_aws.sagemaker.monitoring.windows import AnalysisWindow, Recurrence, window_of_now
from tests.local_aws.sagemaker.serving import IMAGE, STAND_IN, Serving, make_role, unique

Client = Callable[[str], Any]

ANALYZER = str(STAND_IN / "analyze.py")


@pytest.fixture(scope="module")
def serving(client: Client) -> Serving:
    serving = Serving.make(client)
    client("s3").put_object(Bucket=serving.bucket, Key="base/constraints.json", Body=b'{"v": 1}')
    return serving


@pytest.fixture(scope="module")
def role(client: Client, serving: Serving) -> str:
    arn = f"arn:aws:s3:::{serving.bucket}"
    return make_role(
        client,
        {"Action": ["s3:GetObject", "s3:PutObject"], "Resource": f"{arn}/*"},
        {"Action": "s3:ListBucket", "Resource": arn},
    )


@pytest.fixture(scope="module")
def endpoint(client: Client, serving: Serving) -> Iterator[str]:
    capture = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": f"s3://{serving.bucket}/captures",
        "CaptureOptions": [{"CaptureMode": "Input"}],
        "CaptureContentTypeHeader": {"JsonContentTypes": ["application/json"]},
    }
    name = serving.endpoint(serving.config(serving.model(), DataCaptureConfig=capture))
    yield name
    client("sagemaker").delete_endpoint(EndpointName=name)


def job(serving: Serving, role: str, endpoint: str, violations: int = 0) -> dict[str, Any]:
    output = {"S3Uri": f"s3://{serving.bucket}/reports", "LocalPath": "/opt/ml/processing/out"}
    return {
        "RoleArn": role,
        "MonitoringAppSpecification": {
            "ImageUri": IMAGE,
            "ContainerEntrypoint": ["python", ANALYZER],
        },
        "MonitoringInputs": [
            {
                "EndpointInput": {
                    "EndpointName": endpoint,
                    "LocalPath": "/opt/ml/processing/input/endpoint",
                }
            }
        ],
        "MonitoringOutputConfig": {"MonitoringOutputs": [{"S3Output": output}]},
        "MonitoringResources": {
            "ClusterConfig": {
                "InstanceCount": 1,
                "InstanceType": "ml.m5.large",
                "VolumeSizeInGB": 20,
            }
        },
        "BaselineConfig": {
            "ConstraintsResource": {"S3Uri": f"s3://{serving.bucket}/base/constraints.json"}
        },
        "Environment": {"VIOLATIONS": str(violations)},
    }


def now(client: Client, definition: dict[str, Any], start: str = "-PT1H") -> str:
    """A one-time schedule; its name."""
    name = unique("schedule")
    client("sagemaker").create_monitoring_schedule(
        MonitoringScheduleName=name,
        MonitoringScheduleConfig={
            "ScheduleConfig": {
                "ScheduleExpression": "NOW",
                "DataAnalysisStartTime": start,
                "DataAnalysisEndTime": "-PT0H",
            },
            "MonitoringJobDefinition": definition,
            "MonitoringType": "DataQuality",
        },
    )
    return name


def finished(client: Client, schedule: str) -> dict[str, Any]:
    while True:
        (run,) = client("sagemaker").list_monitoring_executions(MonitoringScheduleName=schedule)[
            "MonitoringExecutionSummaries"
        ]
        if run["MonitoringExecutionStatus"] not in {"Pending", "InProgress"}:
            summary: dict[str, Any] = run
            return summary
        time.sleep(0.1)


def seen(client: Client, serving: Serving, run: dict[str, Any]) -> dict[str, Any]:
    described = client("sagemaker").describe_processing_job(
        ProcessingJobName=run["ProcessingJobArn"].rpartition("/")[2]
    )
    (output,) = described["ProcessingOutputConfig"]["Outputs"]
    prefix = output["S3Output"]["S3Uri"].removeprefix(f"s3://{serving.bucket}/")
    body = client("s3").get_object(Bucket=serving.bucket, Key=f"{prefix}/seen.json")["Body"].read()
    return {"prefix": prefix, **json.loads(body)}


def test_a_run_sees_what_was_just_captured(
    client: Client, serving: Serving, role: str, endpoint: str
) -> None:
    serving.invoke(endpoint, b"{}", ContentType="application/json")
    schedule = now(client, job(serving, role, endpoint))
    run = finished(client, schedule)
    assert run["MonitoringExecutionStatus"] == "Completed", run
    found = seen(client, serving, run)
    assert found["lines"] >= 1
    assert found["baseline"] == {"v": 1}
    assert found["prefix"].startswith(f"reports/{endpoint}/{schedule}/20")
    assert found["path"].startswith(f"processing/input/endpoint/{endpoint}/AllTraffic/20")
    environment = found["environment"]
    assert environment["sagemaker_endpoint_name"] == endpoint
    assert environment["sagemaker_monitoring_schedule_name"] == schedule
    assert environment["start_time"] < environment["end_time"]
    described = client("sagemaker").describe_monitoring_schedule(MonitoringScheduleName=schedule)
    assert described["LastMonitoringExecutionSummary"]["MonitoringExecutionStatus"] == "Completed"


def test_violations_are_a_status_of_their_own(
    client: Client, serving: Serving, role: str, endpoint: str
) -> None:
    serving.invoke(endpoint, b"{}", ContentType="application/json")
    run = finished(client, now(client, job(serving, role, endpoint, violations=2)))
    assert run["MonitoringExecutionStatus"] == "CompletedWithViolations"


def test_an_analyzer_that_fails_says_why(
    client: Client, serving: Serving, role: str, endpoint: str
) -> None:
    serving.invoke(endpoint, b"{}", ContentType="application/json")
    run = finished(client, now(client, job(serving, role, endpoint, violations=99)))
    assert run["MonitoringExecutionStatus"] == "Failed"
    assert "broken analyzer" in run["FailureReason"]


def test_no_data_is_a_failure(client: Client, serving: Serving, role: str) -> None:
    capture = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": f"s3://{serving.bucket}/captures",
        "CaptureOptions": [{"CaptureMode": "Input"}],
    }
    silent = serving.endpoint(serving.config(serving.model(), DataCaptureConfig=capture))
    run = finished(client, now(client, job(serving, role, silent)))
    assert run["MonitoringExecutionStatus"] == "Failed"
    assert "had no data" in run["FailureReason"]
    client("sagemaker").delete_endpoint(EndpointName=silent)


def test_a_baseline_that_is_missing_fails_the_run(
    client: Client, serving: Serving, role: str, endpoint: str
) -> None:
    definition = job(serving, role, endpoint)
    definition["BaselineConfig"]["ConstraintsResource"]["S3Uri"] += ".missing"
    serving.invoke(endpoint, b"{}", ContentType="application/json")
    run = finished(client, now(client, definition))
    assert run["MonitoringExecutionStatus"] == "Failed"
    assert "constraints.json.missing" in run["FailureReason"]


def test_a_schedule_watches_an_endpoint_that_captures(
    client: Client, serving: Serving, role: str
) -> None:
    with pytest.raises(ClientError, match="does not exist"):
        now(client, job(serving, role, "nobody"))


def test_an_endpoint_may_have_several_schedules(
    client: Client, serving: Serving, role: str, endpoint: str
) -> None:
    sagemaker, prefix = client("sagemaker"), unique("kind")
    expressions = {"data": "cron(0 * ? * * *)", "bias": "cron(0 5 ? * * *)"}
    for kind, expression in expressions.items():
        definition = job(serving, role, endpoint)
        definition["Environment"]["MONITOR_KIND"] = kind
        sagemaker.create_monitoring_schedule(
            MonitoringScheduleName=f"{prefix}-{kind}",
            MonitoringScheduleConfig={
                "ScheduleConfig": {"ScheduleExpression": expression},
                "MonitoringJobDefinition": definition,
            },
        )
    listed = sagemaker.list_monitoring_schedules(EndpointName=endpoint, NameContains=prefix)
    names = [each["MonitoringScheduleName"] for each in listed["MonitoringScheduleSummaries"]]
    assert sorted(names) == sorted(f"{prefix}-{kind}" for kind in expressions)
    for kind, expression in expressions.items():
        name = f"{prefix}-{kind}"
        described = sagemaker.describe_monitoring_schedule(MonitoringScheduleName=name)
        config = described["MonitoringScheduleConfig"]
        assert config["ScheduleConfig"]["ScheduleExpression"] == expression
        assert config["MonitoringJobDefinition"]["Environment"]["MONITOR_KIND"] == kind
        sagemaker.delete_monitoring_schedule(MonitoringScheduleName=name)


def test_a_schedule_can_be_stopped_changed_and_deleted(
    client: Client, serving: Serving, role: str, endpoint: str
) -> None:
    sagemaker, name = client("sagemaker"), unique("hourly")
    config = {
        "ScheduleConfig": {"ScheduleExpression": "cron(0 * ? * * *)"},
        "MonitoringJobDefinition": job(serving, role, endpoint),
    }
    sagemaker.create_monitoring_schedule(
        MonitoringScheduleName=name, MonitoringScheduleConfig=config
    )
    sagemaker.stop_monitoring_schedule(MonitoringScheduleName=name)
    config["ScheduleConfig"] = {"ScheduleExpression": "cron(0 3 ? * * *)"}
    sagemaker.update_monitoring_schedule(
        MonitoringScheduleName=name, MonitoringScheduleConfig=config
    )
    described = sagemaker.describe_monitoring_schedule(MonitoringScheduleName=name)
    assert described["MonitoringScheduleStatus"] == "Stopped"
    assert described["MonitoringScheduleConfig"]["ScheduleConfig"] == config["ScheduleConfig"]
    listed = sagemaker.list_monitoring_schedules(EndpointName=endpoint, NameContains="hourly")
    assert [s["MonitoringScheduleName"] for s in listed["MonitoringScheduleSummaries"]] == [name]
    sagemaker.delete_monitoring_schedule(MonitoringScheduleName=name)
    with pytest.raises(sagemaker.exceptions.ResourceNotFound):
        sagemaker.describe_monitoring_schedule(MonitoringScheduleName=name)


def test_a_named_definition_is_locked_by_its_schedule(
    client: Client, serving: Serving, role: str, endpoint: str
) -> None:
    sagemaker, definition, name = client("sagemaker"), unique("definition"), unique("schedule")
    inline = job(serving, role, endpoint)
    sagemaker.create_data_quality_job_definition(
        JobDefinitionName=definition,
        DataQualityBaselineConfig=inline["BaselineConfig"],
        DataQualityAppSpecification={
            **inline["MonitoringAppSpecification"],
            "Environment": inline["Environment"],
        },
        DataQualityJobInput=inline["MonitoringInputs"][0],
        DataQualityJobOutputConfig=inline["MonitoringOutputConfig"],
        JobResources=inline["MonitoringResources"],
        RoleArn=role,
    )
    serving.invoke(endpoint, b"{}", ContentType="application/json")
    sagemaker.create_monitoring_schedule(
        MonitoringScheduleName=name,
        MonitoringScheduleConfig={
            "ScheduleConfig": {
                "ScheduleExpression": "NOW",
                "DataAnalysisStartTime": "-PT1H",
                "DataAnalysisEndTime": "-PT0H",
            },
            "MonitoringJobDefinitionName": definition,
            "MonitoringType": "DataQuality",
        },
    )
    assert finished(client, name)["MonitoringExecutionStatus"] == "Completed"
    with pytest.raises(sagemaker.exceptions.ClientError, match="used by"):
        sagemaker.delete_data_quality_job_definition(JobDefinitionName=definition)
    sagemaker.delete_monitoring_schedule(MonitoringScheduleName=name)
    sagemaker.delete_data_quality_job_definition(JobDefinitionName=definition)


NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "hours", "looks_back"),
    [
        ("cron(0 * ? * * *)", list(range(24)), 1),
        ("cron(0 5 ? * * *)", [5], 24),
        ("cron(0 2/6 ? * * *)", [2, 8, 14, 20], 6),
    ],
)
def test_a_schedule_is_due_at_its_hours(expression: str, hours: list[int], looks_back: int) -> None:
    recurrence = Recurrence.parse(expression)
    assert recurrence is not None
    assert [h for h in range(24) if recurrence.due(NOON.replace(hour=h))] == hours
    assert recurrence.window(NOON).start == NOON - timedelta(hours=looks_back)


@pytest.mark.parametrize("expression", ["rate(1 hour)", "cron(5 * ? * * *)", "cron(0 24 ? * * *)"])
def test_other_schedules_are_refused(expression: str) -> None:
    with pytest.raises(ServiceError, match="ScheduleExpression"):
        Recurrence.parse(expression)


@pytest.mark.parametrize(("start", "end"), [("-PT0H", "-PT1H"), ("1 hour", "-PT0H"), ("-P", "PT")])
def test_a_window_that_makes_no_sense_is_refused(start: str, end: str) -> None:
    with pytest.raises(ServiceError, match="DataAnalysis"):
        window_of_now({"DataAnalysisStartTime": start, "DataAnalysisEndTime": end}, NOON)


@given(st.integers(0, 10_000), st.integers(1, 10_000))
def test_a_windows_hours_hold_all_of_it_and_no_more(before: int, length: int) -> None:
    start = NOON - timedelta(minutes=before)
    window = AnalysisWindow(start, start + timedelta(minutes=length))
    hours = window.hours()
    assert hours[0] <= window.start < hours[0] + timedelta(hours=1)
    assert hours[-1] < window.end <= hours[-1] + timedelta(hours=1)
    assert len(set(hours)) == len(hours)
