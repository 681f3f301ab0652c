"""Asking the monitor: run the analyzer now, and read what it found."""

import json
import math
import time
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from operations.errors import OperationError
from operations.target import Target

_RUNNING = frozenset({"Pending", "InProgress", "Stopping", "Executing"})


@dataclass(frozen=True)
class Finding:
    """One monitor run.

    Attributes:
        status: `Completed` or `CompletedWithViolations`.
        violations: Entries of `constraint_violations.json`.
        report: S3 prefix of the run's files.
    """

    arn: str
    status: str
    violations: list[dict[str, Any]]
    report: str

    def as_dict(self) -> dict[str, Any]:
        return {
            "arn": self.arn,
            "status": self.status,
            "violations": self.violations,
            "report": self.report,
        }


def run_now(target: Target, *, window: timedelta, timeout_seconds: float = 900.0) -> Finding:
    """Analyze what the endpoint captured lately, without waiting for the schedule.

    Args:
        window: How far back; the scheduled engine counts whole hours, rounded up.

    Raises:
        OperationError: If the run fails, with the analyzer's own reason.
    """
    if "MonitoringScheduleName" in target.outputs:
        return _run_schedule(target, window, timeout_seconds)
    return _run_pipeline(target, window, timeout_seconds)


def _run_schedule(target: Target, window: timedelta, timeout_seconds: float) -> Finding:
    """Model Monitor has no "run now": a one-time schedule with the same job is its way."""
    sagemaker = target.client("sagemaker")
    hourly = sagemaker.describe_monitoring_schedule(
        MonitoringScheduleName=target.output("MonitoringScheduleName")
    )["MonitoringScheduleConfig"]
    once = f"{target.output('MonitoringScheduleName')}-once-{uuid.uuid4().hex[:8]}"
    sagemaker.create_monitoring_schedule(
        MonitoringScheduleName=once,
        MonitoringScheduleConfig={
            **hourly,
            "ScheduleConfig": {
                "ScheduleExpression": "NOW",
                "DataAnalysisStartTime": f"-PT{math.ceil(window.total_seconds())}S",
                "DataAnalysisEndTime": "-PT0H",
            },
        },
    )
    try:
        execution = _await_monitoring_execution(sagemaker, once, timeout_seconds)
    finally:
        sagemaker.delete_monitoring_schedule(MonitoringScheduleName=once)
    job = sagemaker.describe_processing_job(
        ProcessingJobName=execution["ProcessingJobArn"].rsplit("/", 1)[-1]
    )
    report = job["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]["S3Uri"]
    status = execution["MonitoringExecutionStatus"]
    return _finding(target, execution["ProcessingJobArn"], status, report)


def _await_monitoring_execution(
    sagemaker: Any, name: str, timeout_seconds: float
) -> dict[str, Any]:
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        found = sagemaker.list_monitoring_executions(MonitoringScheduleName=name)
        for execution in found["MonitoringExecutionSummaries"]:
            status = execution["MonitoringExecutionStatus"]
            if status in {"Completed", "CompletedWithViolations"}:
                return dict(execution)
            if status not in _RUNNING:
                reason = execution.get("FailureReason", status)
                raise OperationError(f"monitor run {name} failed: {reason}")
        time.sleep(0.5)
    raise OperationError(f"monitor run must end within {timeout_seconds:.0f} s, got no result")


def _run_pipeline(target: Target, window: timedelta, timeout_seconds: float) -> Finding:
    """The scheduled engine: the same analyzer as the only step of a pipeline."""
    sagemaker = target.client("sagemaker")
    hours = math.ceil(window / timedelta(hours=1))
    arn = sagemaker.start_pipeline_execution(
        PipelineName=target.output("MonitoringPipelineName"),
        PipelineParameters=[{"Name": "AnalysisHours", "Value": str(hours)}],
    )["PipelineExecutionArn"]
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        execution = sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
        if execution["PipelineExecutionStatus"] not in _RUNNING:
            break
        time.sleep(0.5)
    steps = sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=arn)
    step = steps["PipelineExecutionSteps"][0]
    if step["StepStatus"] != "Succeeded":
        raise OperationError(f"monitor run {arn} failed: {step.get('FailureReason', step)}")
    job = sagemaker.describe_processing_job(
        ProcessingJobName=step["Metadata"]["ProcessingJob"]["Arn"].rsplit("/", 1)[-1]
    )
    report = job["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]["S3Uri"]
    violated = "CompletedWithViolations" in job.get("ExitMessage", "")
    status = "CompletedWithViolations" if violated else "Completed"
    return _finding(target, job["ProcessingJobArn"], status, report)


def _finding(target: Target, arn: str, status: str, report: str) -> Finding:
    bucket, _, prefix = report.removeprefix("s3://").partition("/")
    key = f"{prefix.rstrip('/')}/constraint_violations.json"
    s3 = target.client("s3")
    try:
        body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except s3.exceptions.NoSuchKey:
        return Finding(arn, status, [], report)
    return Finding(arn, status, json.loads(body)["violations"], report)
