"""Running a monitor on demand, and finding its newest run, in either engine.

Model Monitor has no "run now": a one-time schedule with the same job is its way. The scheduled
engine starts the monitor's own pipeline.
"""

import math
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from operations import progress
from operations.errors import OperationError
from operations.monitoring.findings import reason_of
from operations.target import Target
from operations.waiting import looks
from pipeline_code.contracts.monitoring import MonitorKind
from pipeline_code.contracts.outputs import Output, monitor_output
from pipeline_code.contracts.pipelines import PipelineParameter

__all__ = ["Run", "bring_labels", "newest_job", "started"]

_RUNNING = frozenset({"Pending", "InProgress", "Stopping", "Executing"})
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
# What names the only monitor of a stack that was deployed before there were four.
_OLDER = {"MonitoringScheduleName": True, "MonitoringPipelineName": False}
# As the engines name their jobs.
_SCHEDULES_JOBS, _PIPELINES_JOBS = "model-monitoring-", "-Analyze-"
_ONCE = "-once-"
# A monitor that runs once a day has ended a hundred others' runs ago at most.
_JOBS_LOOKED_AT = 300


class Run(Protocol):
    """A run that has begun."""

    def wait(self, timeout_seconds: float) -> dict[str, Any]:
        """The description of its job, once it has ended, well or not.

        Raises:
            OperationError: If it did not come to a job, or did not end in time.
        """


@dataclass(frozen=True)
class _Monitor:
    """One kind's monitor as it is deployed."""

    kind: MonitorKind
    name: str
    by_schedule: bool


def _monitor(target: Target, kind: MonitorKind) -> _Monitor:
    outputs = target.outputs
    if kind is MonitorKind.DATA_QUALITY and monitor_output(kind) not in outputs:
        for output, by_schedule in _OLDER.items():
            if output in outputs:
                return _Monitor(kind, outputs[output], by_schedule)
    return _Monitor(
        kind,
        target.output(monitor_output(kind)),
        target.output(Output.MONITORING_ENGINE) == "model_monitor",
    )


@contextmanager
def started(target: Target, kind: MonitorKind, window: timedelta | None) -> Iterator[Run]:
    """A run of the kind's monitor; what was made for it is taken away afterwards.

    Args:
        window: How far back it looks; if None, as far as when it is scheduled.

    Raises:
        OperationError: If there is no such monitor.
    """
    monitor, sagemaker = _monitor(target, kind), target.client("sagemaker")
    if not monitor.by_schedule:
        given = {} if window is None else {PipelineParameter.ANALYSIS_HOURS: _hours(window)}
        yield _PipelineRun(sagemaker, _start(sagemaker, monitor.name, given))
        return
    once = f"{monitor.name[:48]}{_ONCE}{uuid.uuid4().hex[:8]}"
    config = _schedule_config(sagemaker, monitor)
    sagemaker.create_monitoring_schedule(
        MonitoringScheduleName=once, MonitoringScheduleConfig=_now(config, window)
    )
    try:
        yield _ScheduleRun(sagemaker, once)
    finally:
        sagemaker.delete_monitoring_schedule(MonitoringScheduleName=once)


def _schedule_config(sagemaker: Any, monitor: _Monitor) -> dict[str, Any]:
    try:
        found = sagemaker.describe_monitoring_schedule(MonitoringScheduleName=monitor.name)
    except sagemaker.exceptions.ResourceNotFound as error:
        raise OperationError(
            f"schedule {monitor.name} of {monitor.kind} must exist, got none; "
            "approve a model first: without one there is nothing to watch"
        ) from error
    return dict(found["MonitoringScheduleConfig"])


def bring_labels(target: Target, window: timedelta | None, timeout_seconds: float) -> None:
    """Join the fraud reports that have come with the predictions that they judge.

    Raises:
        OperationError: If the job fails, with its own reason.
    """
    hours = {}
    if window is not None:
        hours[PipelineParameter.LOOK_BACK_HOURS] = str(math.ceil(window / _HOUR))
    sagemaker = target.client("sagemaker")
    with progress.activity("fraud reports joined with predictions"):
        arn = _start(sagemaker, target.output(Output.LABELS_PIPELINE), hours)
        job = _PipelineRun(sagemaker, arn).wait(timeout_seconds)
        if job["ProcessingJobStatus"] != "Completed":
            name = job["ProcessingJobName"]
            raise OperationError(
                f"labels run {name} failed: {reason_of(job)}; all it said: `fraudloop logs {name}`"
            )


def newest_job(target: Target, kind: MonitorKind) -> dict[str, Any]:
    """The description of the job of the kind's newest run that has ended, well or not.

    Raises:
        OperationError: If none has.
    """
    monitor, sagemaker = _monitor(target, kind), target.client("sagemaker")
    pages = sagemaker.get_paginator("list_processing_jobs").paginate(
        NameContains=_SCHEDULES_JOBS if monitor.by_schedule else _PIPELINES_JOBS,
        SortBy="CreationTime",
        SortOrder="Descending",
        PaginationConfig={"MaxItems": _JOBS_LOOKED_AT},
    )
    for summary in (each for page in pages for each in page["ProcessingJobSummaries"]):
        if summary["ProcessingJobStatus"] in _RUNNING:
            continue
        job = sagemaker.describe_processing_job(ProcessingJobName=summary["ProcessingJobName"])
        if _is_of(monitor, job.get("Environment", {})):
            return dict(job)
    raise OperationError(
        f"{kind} must have been analyzed before, got no run of {monitor.name}; "
        f"run `fraudloop drift --kind {kind}` without --last"
    )


def _is_of(monitor: _Monitor, environment: dict[str, str]) -> bool:
    given = environment.get("monitoring_schedule_name", "")
    name = environment.get("sagemaker_monitoring_schedule_name", given)
    return name == monitor.name or name.startswith(f"{monitor.name[:48]}{_ONCE}")


def _hours(window: timedelta) -> str:
    return f"{window / _HOUR:.6f}".rstrip("0").rstrip(".")


def _now(config: dict[str, Any], window: timedelta | None) -> dict[str, Any]:
    """A schedule's configuration, to run once and now.

    A monitor that reads the captures itself is told how far back by a variable; Model Monitor need
    not copy more than a day of them.
    """
    job = config["MonitoringJobDefinition"]
    environment = dict(job.get("Environment", {}))
    usual = _HOUR
    if "LOOK_BACK_HOURS" in environment:
        usual = _DAY
        if window is not None:
            environment["LOOK_BACK_HOURS"] = _hours(window)
            window = min(window, _DAY)
    seconds = math.ceil((usual if window is None else window).total_seconds())
    return {
        **config,
        "MonitoringJobDefinition": {**job, "Environment": environment},
        "ScheduleConfig": {
            "ScheduleExpression": "NOW",
            "DataAnalysisStartTime": f"-PT{seconds}S",
            "DataAnalysisEndTime": "-PT0H",
        },
    }


def _start(sagemaker: Any, pipeline: str, parameters: Mapping[PipelineParameter, str]) -> str:
    arn: str = sagemaker.start_pipeline_execution(
        PipelineName=pipeline,
        PipelineParameters=[{"Name": name, "Value": text} for name, text in parameters.items()],
    )["PipelineExecutionArn"]
    return arn


@dataclass(frozen=True)
class _ScheduleRun:
    """A one-time schedule."""

    sagemaker: Any
    name: str

    def wait(self, timeout_seconds: float) -> dict[str, Any]:
        for _ in _until(timeout_seconds, self.name):
            found = self.sagemaker.list_monitoring_executions(MonitoringScheduleName=self.name)
            for execution in found["MonitoringExecutionSummaries"]:
                status = execution["MonitoringExecutionStatus"]
                if status not in _RUNNING:
                    reason = execution.get("FailureReason", status)
                    return _job(self.sagemaker, execution.get("ProcessingJobArn"), reason)
        raise AssertionError


@dataclass(frozen=True)
class _PipelineRun:
    """An execution of a pipeline of one step."""

    sagemaker: Any
    arn: str

    def wait(self, timeout_seconds: float) -> dict[str, Any]:
        for _ in _until(timeout_seconds, self.arn):
            execution = self.sagemaker.describe_pipeline_execution(PipelineExecutionArn=self.arn)
            if execution["PipelineExecutionStatus"] not in _RUNNING:
                steps = self.sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=self.arn)
                step = steps["PipelineExecutionSteps"][0]
                arn = step.get("Metadata", {}).get("ProcessingJob", {}).get("Arn")
                reason = step.get("FailureReason", execution.get("FailureReason", "no reason"))
                return _job(self.sagemaker, arn, reason)
        raise AssertionError


def _until(timeout_seconds: float, name: str) -> Iterator[None]:
    """Turns of waiting; raises OperationError when the time is over."""
    yield from looks(timeout_seconds)
    raise OperationError(f"run {name} must end within {timeout_seconds:.0f} s, got no result")


def _job(sagemaker: Any, arn: str | None, reason: str) -> dict[str, Any]:
    if arn is None:
        raise OperationError(f"monitor run failed before its job began: {reason}")
    job = sagemaker.describe_processing_job(ProcessingJobName=arn.rpartition("/")[2])
    return dict(job)
