"""Pipeline executions: starting one of training, following and stopping any."""

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from operations import progress
from operations.data.lake import data_version
from operations.errors import OperationError
from operations.execution_states import FINAL, ExecutionStep, PipelineExecution, describe
from operations.log_streams import job_log, last_lines
from operations.target import Target
from operations.waiting import looks
from pipeline_code.contracts.outputs import Output
from pipeline_code.contracts.pipelines import PipelineParameter

__all__ = [
    "ExecutionStep",
    "PipelineExecution",
    "describe",
    "display_name",
    "find",
    "newest",
    "recent",
    "require_success",
    "start",
    "stop",
    "watch",
]

_TAIL = 15  # lines of a failed step's log
# More run at once in no environment.
_LOOKED_AT = 50


def start(target: Target, *, reason: str, parameters: dict[str, str] | None = None) -> str:
    """Start the training pipeline on the data that is in the lake now; returns the execution's ARN.

    Raises:
        OperationError: If the lake holds no transactions, or no fraud reports.
    """
    given = {
        PipelineParameter.DATA_VERSION: data_version(target),
        PipelineParameter.TRIGGER_REASON: reason,
        **(parameters or {}),
    }
    arn: str = target.client("sagemaker").start_pipeline_execution(
        PipelineName=target.output(Output.TRAINING_PIPELINE),
        PipelineExecutionDisplayName=display_name("manual"),
        PipelineParameters=[{"Name": name, "Value": value} for name, value in given.items()],
    )["PipelineExecutionArn"]
    return arn


def display_name(kind: str) -> str:
    """A name that tells an execution from all others, and when it was started."""
    # SageMaker takes letters, digits and single hyphens, 82 of them.
    return f"{kind}-{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(2)}"


def watch(target: Target, arn: str) -> PipelineExecution:
    """Follow an execution to its end, saying how its steps stand."""
    for _ in looks():
        current = describe(target, arn)
        for step in current.steps:
            _say(step)
        progress.update(
            current.name,
            current.status,
            ended=current.finished,
            failed=current.status == "Failed",
            seconds=current.seconds,
        )
        if current.finished:
            return current
    raise AssertionError  # the turns never end


def stop(target: Target, arn: str) -> PipelineExecution:
    """Stop an execution that runs, and its jobs; returns it when it has ended.

    Raises:
        OperationError: If it ended before.
    """
    found = describe(target, arn)
    if found.finished:
        raise OperationError(f"execution {found.name} must be running, got one {found.status}")
    target.client("sagemaker").stop_pipeline_execution(PipelineExecutionArn=arn)
    return watch(target, arn)


def recent(target: Target, *, limit: int = 10) -> list[dict[str, Any]]:
    """Summaries of the newest executions of the training pipeline, newest first."""
    return list(_summaries(target, target.output(Output.TRAINING_PIPELINE), limit))


def find(target: Target, name: str) -> str:
    """ARN of an execution of training or batch scoring, by its name, the end of its ARN or its ARN.

    Raises:
        OperationError: If there is none of that name; the message names the newest.
    """
    if name.startswith("arn:"):
        return name
    known = []
    for pipeline in _pipelines(target):
        for item in _summaries(target, pipeline, None):
            arn: str = item["PipelineExecutionArn"]
            display = item.get("PipelineExecutionDisplayName", "")
            if name in (display, arn.rsplit("/", 1)[-1]):
                return arn
            known.append(display)
    have = ", ".join(known[:5]) or "none, run `fraudloop train`"
    raise OperationError(
        f"execution must be one of the environment's, got {name!r}; the newest: {have}"
    )


def newest(target: Target, *, running: bool = False, of_each: int = 1) -> list[str]:
    """ARNs of the newest executions of training and of batch scoring, the newest first.

    Args:
        target: Where.
        running: Only of executions that run.
        of_each: So many of each of the two.
    """
    found: list[tuple[datetime, str]] = []
    for pipeline in _pipelines(target):
        listed = (
            (item["StartTime"], str(item["PipelineExecutionArn"]))
            for item in _summaries(target, pipeline, _LOOKED_AT)
            if not running or item["PipelineExecutionStatus"] not in FINAL
        )
        found += islice(listed, of_each)
    return [arn for _, arn in sorted(found, reverse=True)]


def require_success(target: Target, execution: PipelineExecution) -> PipelineExecution:
    """Return the execution if it succeeded.

    Raises:
        OperationError: With the failed steps' own reasons and the last lines of their logs, if it
            did not.
    """
    if execution.status == "Succeeded":
        return execution
    logs = "".join(_log(target, step) for step in execution.failed if step.job)
    ended = "was stopped" if execution.status == "Stopped" else "failed"
    raise OperationError(
        f"pipeline execution {execution.name} {ended}: {execution.explain()}{logs}"
    )


def _log(target: Target, step: ExecutionStep) -> str:
    """The last lines of a step's log, and where the rest is."""
    lines = last_lines(target, job_log(step.job), _TAIL)
    if not lines:
        return ""
    name = step.job.rpartition("/")[2]
    told = "\n".join(f"  {line.message}" for line in lines)
    return f"\nlast lines of {step.name}, all with `fraudloop logs {name}`:\n{told}"


def _pipelines(target: Target) -> Iterator[str]:
    """Those whose executions somebody waits for; what was never deployed has none."""
    for output in (Output.TRAINING_PIPELINE, Output.BATCH_PIPELINE):
        if output in target.outputs:
            yield target.outputs[output]


def _summaries(target: Target, pipeline: str, limit: int | None) -> Iterator[dict[str, Any]]:
    pages = (
        target.client("sagemaker")
        .get_paginator("list_pipeline_executions")
        .paginate(
            PipelineName=pipeline,
            SortBy="CreationTime",
            SortOrder="Descending",
            PaginationConfig={"MaxItems": limit},
        )
    )
    for page in pages:
        yield from page["PipelineExecutionSummaries"]


def _say(step: ExecutionStep) -> None:
    failed, ended = step.status == "Failed", step.status in FINAL
    since = (datetime.now(UTC) - step.begun).total_seconds() if step.begun else None
    progress.update(
        step.name,
        step.state,
        ended=ended,
        failed=failed or step.state == "Refused",
        seconds=step.seconds if ended else since,
    )
