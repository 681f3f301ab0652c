"""Monitoring executions: started when due, followed to their end, and kept."""

import json
import logging
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from local_aws.sagemaker import data
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.endpoints import capture
from local_aws.sagemaker.errors import ServiceError
from local_aws.sagemaker.events import now
from local_aws.sagemaker.monitoring.jobs import NoDataError, make_job
from local_aws.sagemaker.monitoring.windows import AnalysisWindow, Recurrence

KIND = "monitoring-execution"
_LOG = logging.getLogger(__name__)
_POLL_SECONDS = 0.2
_CLOCK_SECONDS = 1.0
_VIOLATED = "CompletedWithViolations"
_RUNNING = ("Pending", "InProgress", "Stopping")

Due = Callable[[datetime], None]


class Runs:
    """The executions of all schedules."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def start(
        self,
        schedule: dict[str, Any],
        definition: dict[str, Any],
        window: AnalysisWindow,
        at: datetime,
    ) -> None:
        """Start an execution in the background."""
        name = schedule["MonitoringScheduleName"]
        summary = {
            "MonitoringScheduleName": name,
            "ScheduledTime": at.timestamp(),
            "CreationTime": now(),
            "LastModifiedTime": now(),
            "MonitoringExecutionStatus": "Pending",
            "EndpointName": endpoint_of(definition),
            "MonitoringType": "DataQuality",
        }
        reference = schedule["MonitoringScheduleConfig"].get("MonitoringJobDefinitionName")
        if reference is not None:
            summary["MonitoringJobDefinitionName"] = reference
        key = f"{name}/{summary['CreationTime']:.3f}/{uuid.uuid4().hex[:8]}"
        self._context.store.put(KIND, key, summary)
        threading.Thread(
            target=self._follow, args=(key, name, definition, window, at), daemon=True
        ).start()

    def of_schedule(self, name: str | None) -> list[dict[str, Any]]:
        """Summaries of a schedule's executions, or of all, oldest first."""
        prefix = "" if name is None else f"{name}/"
        return self._context.store.list(KIND, prefix)

    def stop(self, name: str) -> None:
        """Stop what a schedule has running."""
        for summary in self.of_schedule(name):
            arn = summary.get("ProcessingJobArn")
            if summary["MonitoringExecutionStatus"] == "InProgress" and arn is not None:
                job = arn.rpartition("/")[2]
                self._context.call("StopProcessingJob", {"ProcessingJobName": job})

    def forget(self, name: str) -> None:
        """Drop what is known of a schedule's executions."""
        with self._context.store.transaction() as connection:
            connection.execute(
                "DELETE FROM resources WHERE kind = ? AND substr(name, 1, ?) = ?",
                (KIND, len(name) + 1, f"{name}/"),
            )

    def recover(self) -> None:
        """Fail what the last run of the embedded AWS left unfinished."""
        reason = "The embedded AWS was stopped while the execution ran."
        for schedule in {run["MonitoringScheduleName"] for run in self.of_schedule(None)}:
            self._fail_unfinished(schedule, reason)

    def _fail_unfinished(self, schedule: str, reason: str) -> None:
        with self._context.store.transaction() as connection:
            rows = connection.execute(
                "SELECT name FROM resources WHERE kind = ? AND substr(name, 1, ?) = ?",
                (KIND, len(schedule) + 1, f"{schedule}/"),
            ).fetchall()
            for (key,) in rows:
                summary = self._context.store.get(KIND, key) or {}
                if summary.get("MonitoringExecutionStatus") in _RUNNING:
                    self._set(key, MonitoringExecutionStatus="Failed", FailureReason=reason)

    def _follow(
        self, key: str, name: str, definition: dict[str, Any], window: AnalysisWindow, at: datetime
    ) -> None:
        try:
            capture.flush(endpoint_of(definition))
            request = make_job(self._context, name, definition, window, at)
            arn = self._context.call("CreateProcessingJob", request)["ProcessingJobArn"]
            self._set(key, MonitoringExecutionStatus="InProgress", ProcessingJobArn=arn)
            job = self._finished(request["ProcessingJobName"])
            self._set(key, **self._outcome(job))
        except (NoDataError, ServiceError, ClientError) as error:
            self._set(key, MonitoringExecutionStatus="Failed", FailureReason=str(error)[:1024])
        except Exception as error:
            _LOG.exception("a monitoring execution of %s failed", name)
            reason = f"InternalServerError: {error!r}"[:1024]
            self._set(key, MonitoringExecutionStatus="Failed", FailureReason=reason)

    def _finished(self, job_name: str) -> dict[str, Any]:
        while True:
            job = self._context.call("DescribeProcessingJob", {"ProcessingJobName": job_name})
            if job["ProcessingJobStatus"] in {"Completed", "Failed", "Stopped"}:
                return job
            time.sleep(_POLL_SECONDS)

    def _outcome(self, job: dict[str, Any]) -> dict[str, Any]:
        status = job["ProcessingJobStatus"]
        message = job.get("ExitMessage", "")
        if status == "Failed":
            reason = job.get("FailureReason", message)
            return {"MonitoringExecutionStatus": status, "FailureReason": reason}
        if status == "Completed" and (message.startswith(_VIOLATED) or self._violated(job)):
            return {"MonitoringExecutionStatus": _VIOLATED, "FailureReason": message or None}
        return {"MonitoringExecutionStatus": status}

    def _violated(self, job: dict[str, Any]) -> bool:
        """Whether the analyzer, whatever its message, wrote violations that its role may read."""
        uri = job["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]["S3Uri"]
        bucket, prefix = data.split(uri)
        s3 = self._context.role_session(job["RoleArn"], "SageMaker").client("s3")
        key = f"{prefix.rstrip('/')}/constraint_violations.json"
        try:
            body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] in ("AccessDenied", "NoSuchKey"):
                return False
            raise
        return bool(json.loads(body).get("violations"))

    def _set(self, key: str, **members: Any) -> None:
        known = {member: value for member, value in members.items() if value is not None}

        def change(document: dict[str, Any]) -> None:
            document.update(known, LastModifiedTime=now())

        self._context.store.update(KIND, key, change)


class Clock:
    """Calls a function at the start of every hour."""

    def __init__(self, due: Due) -> None:
        self._due = due
        self._thread: threading.Thread | None = None
        self._hour = _this_hour()

    def start(self) -> None:
        """Begin to tick; hours that passed while nothing ran are not made up for."""
        self._hour = _this_hour()
        if self._thread is None:
            self._thread = threading.Thread(target=self._tick, name="monitoring", daemon=True)
            self._thread.start()

    def _tick(self) -> None:
        while True:
            time.sleep(_CLOCK_SECONDS)
            hour = _this_hour()
            if hour > self._hour:
                self._hour = hour
                try:
                    self._due(hour)
                except Exception:
                    _LOG.exception("monitoring schedules could not be started")


def endpoint_of(definition: dict[str, Any]) -> str:
    """The endpoint that a job definition watches."""
    name: str = definition["MonitoringInputs"][0]["EndpointInput"]["EndpointName"]
    return name


def recurrence_of(schedule: dict[str, Any]) -> Recurrence | None:
    """When a schedule is due; None if it ran when it was made."""
    config = schedule["MonitoringScheduleConfig"]
    return Recurrence.parse(config["ScheduleConfig"]["ScheduleExpression"])


def _this_hour() -> datetime:
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
