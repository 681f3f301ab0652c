"""A pipeline execution and its steps as they stand."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from operations.target import Target

__all__ = ["FINAL", "ExecutionStep", "PipelineExecution", "describe"]

FINAL = frozenset({"Succeeded", "Failed", "Stopped"})
# What a step ends with that did not fail; a condition's outcome is its state.
_CONDITIONS = {"True": "Passed", "False": "Refused"}


@dataclass(frozen=True)
class ExecutionStep:
    """One step of a pipeline execution as it stands.

    Attributes:
        status: As SageMaker has it.
        seconds: How long it took; 0 until it has ended.
        detail: What it left behind, or why it failed.
        job: ARN of the job that did it; empty if none did.
        begun: When it began.
    """

    name: str
    status: str
    seconds: float
    detail: str
    job: str = field(default="", compare=False)
    begun: datetime | None = field(default=None, compare=False)

    @property
    def state(self) -> str:
        """How it stands, in a word: its status, or a condition's outcome."""
        return _CONDITIONS.get(self.detail, self.status)

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "status": self.status,
            "seconds": self.seconds,
            "detail": self.detail,
        }


@dataclass(frozen=True)
class PipelineExecution:
    """One pipeline execution as it stands; `seconds` is how long it has run so far."""

    arn: str
    name: str
    status: str
    failure_reason: str = ""
    steps: list[ExecutionStep] = field(default_factory=list)
    seconds: float = field(default=0.0, compare=False)

    @property
    def finished(self) -> bool:
        return self.status in FINAL

    @property
    def model_package(self) -> str | None:
        """ARN of the model package that the execution registered, if it did."""
        for step in self.steps:
            if ":model-package/" in step.detail:
                return step.detail
        return None

    @property
    def failed(self) -> list[ExecutionStep]:
        return [step for step in self.steps if step.status == "Failed"]

    def explain(self) -> str:
        """Why it did not succeed, in the words of the steps that failed."""
        if any(step.state == "Refused" for step in self.steps):
            return f"the gate refused the model: {'; '.join(step.detail for step in self.failed)}"
        told = [f"{step.name}: {step.detail}" for step in self.failed]
        return "; ".join(told) or self.failure_reason or self.status

    def as_dict(self) -> dict[str, Any]:
        return {
            "arn": self.arn,
            "name": self.name,
            "status": self.status,
            "failure_reason": self.failure_reason,
            "steps": [step.as_dict() for step in self.steps],
            "model_package": self.model_package,
        }


def describe(target: Target, arn: str) -> PipelineExecution:
    """An execution with its steps in the order in which they began."""
    sagemaker = target.client("sagemaker")
    execution = sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
    pages = sagemaker.get_paginator("list_pipeline_execution_steps").paginate(
        PipelineExecutionArn=arn, SortOrder="Ascending"
    )
    steps = [_step(item) for page in pages for item in page["PipelineExecutionSteps"]]
    status = execution["PipelineExecutionStatus"]
    until = execution["LastModifiedTime"] if status in FINAL else datetime.now(UTC)
    return PipelineExecution(
        arn=arn,
        name=execution.get("PipelineExecutionDisplayName", arn.rsplit("/", 1)[-1]),
        status=status,
        seconds=(until - execution["CreationTime"]).total_seconds(),
        failure_reason=execution.get("FailureReason", ""),
        steps=steps,
    )


def _step(item: dict[str, Any]) -> ExecutionStep:
    begun, ended = item.get("StartTime"), item.get("EndTime")
    evidence = item.get("Metadata", {}).values()
    arns = [str(each["Arn"]) for each in evidence if "-job/" in each.get("Arn", "")]
    return ExecutionStep(
        name=item["StepName"],
        status=item["StepStatus"],
        seconds=(ended - begun).total_seconds() if begun and ended else 0.0,
        detail=item.get("FailureReason") or _evidence(item),
        job=arns[0] if arns else "",
        begun=begun,
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
