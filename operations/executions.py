"""Starting the training pipeline and watching it run."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from operations.data.lake import data_version
from operations.errors import OperationError
from operations.target import Target
from operations.waiting import looks
from pipeline_code.contracts.outputs import Output
from pipeline_code.contracts.pipelines import PipelineParameter

_FINAL = frozenset({"Succeeded", "Failed", "Stopped"})


@dataclass(frozen=True)
class ExecutionStep:
    """One step of a pipeline execution as it stands."""

    name: str
    status: str
    seconds: float
    detail: str

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "status": self.status,
            "seconds": self.seconds,
            "detail": self.detail,
        }


@dataclass(frozen=True)
class PipelineExecution:
    """One pipeline execution as it stands."""

    arn: str
    name: str
    status: str
    failure_reason: str = ""
    steps: list[ExecutionStep] = field(default_factory=list)

    @property
    def finished(self) -> bool:
        return self.status in _FINAL

    @property
    def model_package(self) -> str | None:
        """ARN of the model package that the execution registered, if it did."""
        for step in self.steps:
            if ":model-package/" in step.detail:
                return step.detail
        return None

    def explain(self) -> str:
        """Why it did not succeed, in the words of the steps that failed."""
        failed = [f"{step.name}: {step.detail}" for step in self.steps if step.status == "Failed"]
        return "; ".join(failed) or self.failure_reason or self.status

    def as_dict(self) -> dict[str, Any]:
        return {
            "arn": self.arn,
            "name": self.name,
            "status": self.status,
            "failure_reason": self.failure_reason,
            "steps": [step.as_dict() for step in self.steps],
            "model_package": self.model_package,
        }


def start(target: Target, *, reason: str, parameters: dict[str, str] | None = None) -> str:
    """Start the training pipeline on the data that is in the lake now; returns the execution's ARN.

    Raises:
        OperationError: If the lake holds no transactions, or no fraud reports.
    """
    version = data_version(target)
    given = {
        PipelineParameter.DATA_VERSION: version,
        PipelineParameter.TRIGGER_REASON: reason,
        **(parameters or {}),
    }
    arn: str = target.client("sagemaker").start_pipeline_execution(
        PipelineName=target.output(Output.TRAINING_PIPELINE),
        PipelineExecutionDisplayName=f"manual-{version[:12]}",
        PipelineParameters=[{"Name": name, "Value": value} for name, value in given.items()],
    )["PipelineExecutionArn"]
    return arn


def describe(target: Target, arn: str) -> PipelineExecution:
    """An execution with its steps in the order in which they began."""
    sagemaker = target.client("sagemaker")
    execution = sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
    pages = sagemaker.get_paginator("list_pipeline_execution_steps").paginate(
        PipelineExecutionArn=arn, SortOrder="Ascending"
    )
    steps = [_step(item) for page in pages for item in page["PipelineExecutionSteps"]]
    return PipelineExecution(
        arn=arn,
        name=execution.get("PipelineExecutionDisplayName", arn.rsplit("/", 1)[-1]),
        status=execution["PipelineExecutionStatus"],
        failure_reason=execution.get("FailureReason", ""),
        steps=steps,
    )


def watch(
    target: Target,
    arn: str,
    *,
    on_change: Callable[[PipelineExecution], None] = lambda _: None,
) -> PipelineExecution:
    """Follow an execution to its end, reporting every state that differs from the last."""
    last: PipelineExecution | None = None
    for _ in looks():
        current = describe(target, arn)
        if current != last:
            on_change(current)
            last = current
        if current.finished:
            return current
    raise AssertionError  # the turns never end


def recent(target: Target, *, limit: int = 10) -> list[dict[str, Any]]:
    """Summaries of the newest executions of the training pipeline, newest first."""
    summaries: list[dict[str, Any]] = target.client("sagemaker").list_pipeline_executions(
        PipelineName=target.output(Output.TRAINING_PIPELINE),
        SortBy="CreationTime",
        SortOrder="Descending",
        MaxResults=limit,
    )["PipelineExecutionSummaries"]
    return summaries


def require_success(execution: PipelineExecution) -> PipelineExecution:
    """Return the execution if it succeeded.

    Raises:
        OperationError: With the failed steps' own reasons, if it did not.
    """
    if execution.status != "Succeeded":
        raise OperationError(f"pipeline execution {execution.name} failed: {execution.explain()}")
    return execution


def _step(item: dict[str, Any]) -> ExecutionStep:
    begun, ended = item.get("StartTime"), item.get("EndTime")
    return ExecutionStep(
        name=item["StepName"],
        status=item["StepStatus"],
        seconds=(ended - begun).total_seconds() if begun and ended else 0.0,
        detail=item.get("FailureReason") or _evidence(item),
    )


def _evidence(item: dict[str, Any]) -> str:
    """What a step left behind: the ARN of its job, package or execution, or its condition."""
    source = item.get("CacheHitResult", {}).get("SourcePipelineExecutionArn")
    if source:
        return f"cached from {source}"
    for value in item.get("Metadata", {}).values():
        for key in ("Arn", "Outcome", "ErrorMessage"):
            if key in value:
                return str(value[key])
    return ""
