"""Monitoring schedules, as SageMaker Model Monitor has them.

monitoring_definitions.py   job definitions with a name of their own
monitoring_windows.py       when a schedule is due, and what it looks at
monitoring_jobs.py          an execution as a processing job
monitoring_runs.py          executions from start to end
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from local_aws.behaviours.playing import plays
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.errors import in_use, not_found, validation
from local_aws.sagemaker.events import now
from local_aws.sagemaker.monitoring.definitions import SCHEDULE as KIND
from local_aws.sagemaker.monitoring.definitions import JobDefinitions, definition_of
from local_aws.sagemaker.monitoring.jobs import NoDataError, captures_of
from local_aws.sagemaker.monitoring.runs import Clock, Runs, endpoint_of, recurrence_of
from local_aws.sagemaker.monitoring.windows import window_of_now
from local_aws.sagemaker.queries import page, select

_SUMMARY = (
    "MonitoringScheduleName", "MonitoringScheduleArn", "CreationTime", "LastModifiedTime",
    "MonitoringScheduleStatus", "EndpointName", "MonitoringType",
)  # fmt: skip


class Monitoring(JobDefinitions):
    """CreateMonitoringSchedule and its siblings."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._runs = Runs(context)
        self._clock = Clock(self._start_due)

    def recover(self) -> None:
        """Watch the clock."""
        self._runs.recover()
        self._clock.start()

    def create_monitoring_schedule(self, request: dict[str, Any]) -> dict[str, Any]:
        """Keep a schedule; one with the expression NOW runs at once, and once."""
        name = request["MonitoringScheduleName"]
        arn = self._context.arn(KIND, name)
        if self._context.store.list(KIND) and plays("four-schedules", "refused"):
            raise in_use("The endpoint has a monitoring schedule already.")
        schedule = {
            "MonitoringScheduleName": name,
            "MonitoringScheduleArn": arn,
            "MonitoringScheduleStatus": "Scheduled",
            "CreationTime": now(),
            **self._configured(request["MonitoringScheduleConfig"]),
        }
        if not self._context.store.add(KIND, name, schedule):
            raise in_use(f"Monitoring Schedule {name} already exists; choose a different name.")
        self._run_now(schedule)
        return {"MonitoringScheduleArn": arn}

    def update_monitoring_schedule(self, request: dict[str, Any]) -> dict[str, Any]:
        """Give a schedule another configuration."""
        schedule = self._find(request["MonitoringScheduleName"])
        schedule |= self._configured(request["MonitoringScheduleConfig"])
        self._context.store.put(KIND, schedule["MonitoringScheduleName"], schedule)
        self._run_now(schedule)
        return {"MonitoringScheduleArn": schedule["MonitoringScheduleArn"]}

    def describe_monitoring_schedule(self, request: dict[str, Any]) -> dict[str, Any]:
        """All about a schedule."""
        schedule = self._find(request["MonitoringScheduleName"])
        runs = self._runs.of_schedule(schedule["MonitoringScheduleName"])
        return {**schedule, "LastMonitoringExecutionSummary": runs[-1]} if runs else schedule

    def list_monitoring_schedules(self, request: dict[str, Any]) -> dict[str, Any]:
        """Summaries of schedules."""
        documents = [s for s in self._context.store.list(KIND) if _watches(s, request)]
        found = select(
            documents, request, name="MonitoringScheduleName", status="MonitoringScheduleStatus"
        )
        return page(found, request, "MonitoringScheduleSummaries", _summary)

    def delete_monitoring_schedule(self, request: dict[str, Any]) -> dict[str, Any]:
        """Forget a schedule; what it has running is stopped."""
        name = self._find(request["MonitoringScheduleName"])["MonitoringScheduleName"]
        self._runs.stop(name)
        self._context.store.delete(KIND, name)
        self._runs.forget(name)
        return {}

    def start_monitoring_schedule(self, request: dict[str, Any]) -> dict[str, Any]:
        """Let a stopped schedule go on."""
        return self._set_status(request["MonitoringScheduleName"], "Scheduled")

    def stop_monitoring_schedule(self, request: dict[str, Any]) -> dict[str, Any]:
        """Keep a schedule from running until it is started."""
        return self._set_status(request["MonitoringScheduleName"], "Stopped")

    def list_monitoring_executions(self, request: dict[str, Any]) -> dict[str, Any]:
        """Summaries of executions, newest first."""
        runs = self._runs.of_schedule(request.get("MonitoringScheduleName"))
        documents = [run for run in runs if _watches(run, request)]
        found = select(
            documents, request, name="MonitoringScheduleName", status="MonitoringExecutionStatus"
        )
        return page(found, request, "MonitoringExecutionSummaries")

    def _configured(self, config: dict[str, Any]) -> dict[str, Any]:
        """What a schedule's document holds of its configuration, checked."""
        if "ScheduleConfig" not in config:
            raise validation("ScheduleConfig must be given, with a ScheduleExpression")
        definition = definition_of(self._context, config)
        try:
            captures_of(self._context, endpoint_of(definition))
        except NoDataError as error:
            raise validation(str(error)) from error
        described = {
            "MonitoringScheduleConfig": config,
            "MonitoringType": config.get("MonitoringType", "DataQuality"),
            "EndpointName": endpoint_of(definition),
            "LastModifiedTime": now(),
        }
        if recurrence_of(described) is None:
            window_of_now(config["ScheduleConfig"], datetime.now(UTC))
        return described

    def _run_now(self, schedule: dict[str, Any]) -> None:
        if recurrence_of(schedule) is None:
            moment = datetime.now(UTC)
            config = schedule["MonitoringScheduleConfig"]
            window = window_of_now(config["ScheduleConfig"], moment)
            self._runs.start(schedule, definition_of(self._context, config), window, moment)

    def _start_due(self, hour: datetime) -> None:
        for schedule in self._context.store.list(KIND):
            recurrence = recurrence_of(schedule)
            if (
                recurrence is not None
                and schedule["MonitoringScheduleStatus"] == "Scheduled"
                and recurrence.due(hour)
            ):
                definition = definition_of(self._context, schedule["MonitoringScheduleConfig"])
                self._runs.start(schedule, definition, recurrence.window(hour), hour)

    def _find(self, name: str) -> dict[str, Any]:
        schedule = self._context.store.get(KIND, name)
        if schedule is None:
            raise not_found("monitoring schedule", name)
        return schedule

    def _set_status(self, name: str, status: str) -> dict[str, Any]:
        self._find(name)
        changes = {"MonitoringScheduleStatus": status, "LastModifiedTime": now()}
        self._context.store.update(KIND, name, lambda document: document.update(changes))
        return {}


def _watches(document: Mapping[str, Any], request: Mapping[str, Any]) -> bool:
    members = ("EndpointName", "MonitoringJobDefinitionName")
    wanted = {member: request[member] for member in members if member in request}
    if "MonitoringTypeEquals" in request:
        wanted["MonitoringType"] = request["MonitoringTypeEquals"]
    return all(document.get(member) == value for member, value in wanted.items())


def _summary(schedule: Mapping[str, Any]) -> dict[str, Any]:
    return {member: schedule[member] for member in _SUMMARY}
