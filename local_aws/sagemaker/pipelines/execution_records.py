"""The records of pipeline executions and their steps, with SageMaker's events for each change."""

from collections.abc import Collection, Mapping
from typing import Any

from local_aws.sagemaker import arns
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.errors import not_found
from local_aws.sagemaker.events import iso, now
from local_aws.sagemaker.pipelines.definition import Definition, parse
from local_aws.sagemaker.store import Document

EXECUTION = "pipeline-execution"
STEP = "pipeline-step"
DEFINITION = "pipeline-execution-definition"
RUNNING = ("Executing", "Stopping")
_LONGEST_REASON = 1024


class ExecutionRecord:
    """One execution in the store.

    Args:
        context: Shared state.
        execution_arn: Its ARN.

    Raises:
        ServiceError: If there is none.
    """

    def __init__(self, context: Context, execution_arn: str) -> None:
        self._context = context
        self.arn = execution_arn
        self.name = arns.name_of(execution_arn)
        self.id = execution_arn.rpartition("/")[2]
        self.document()

    @property
    def pipeline_arn(self) -> str:
        """The pipeline that it executes."""
        return self.arn.rpartition("/execution/")[0]

    def document(self) -> Document:
        """What describes it now."""
        document = self._context.store.get(EXECUTION, self.name)
        if document is None:
            raise not_found("pipeline execution", self.arn)
        return document

    def definition_document(self) -> Document:
        """The definition that it was started with."""
        return self._context.store.get(DEFINITION, self.name) or {}

    def definition(self) -> Definition:
        """The definition that it was started with, parsed."""
        return parse(self.definition_document()["PipelineDefinition"])

    def steps(self) -> list[Document]:
        """Its steps that have begun, oldest first."""
        documents = self._context.store.list(STEP, f"{self.name}/")
        return sorted(documents, key=lambda step: step["StartTime"])

    def step(self, name: str) -> Document | None:
        """One step, if it has begun."""
        return self._context.store.get(STEP, f"{self.name}/{name}")

    def set_status(
        self, status: str, reason: str | None = None, *, expected: Collection[str] = ()
    ) -> bool:
        """Change its status.

        Args:
            status: The new one.
            reason: Why it failed, if it did.
            expected: The statuses that it may have now; if it has another, nothing is changed.

        Returns:
            Whether it was changed.
        """
        previous: list[str] = []

        def change(document: Document) -> None:
            if expected and document["PipelineExecutionStatus"] not in expected:
                return
            previous.append(document["PipelineExecutionStatus"])
            document["PipelineExecutionStatus"] = status
            document["LastModifiedTime"] = now()
            document.pop("FailureReason", None)
            if reason is not None:
                document["FailureReason"] = reason[:_LONGEST_REASON]

        document = self._context.store.update(EXECUTION, self.name, change)
        if document is None or not previous:
            return False
        self.emit(document, previous[0])
        return True

    def emit(self, document: Document, previous: str | None) -> None:
        """Send the event of its present status."""
        status = document["PipelineExecutionStatus"]
        detail = {
            "pipelineExecutionDisplayName": document.get("PipelineExecutionDisplayName"),
            "currentPipelineExecutionStatus": status,
            "previousPipelineExecutionStatus": previous,
            "executionStartTime": iso(document["CreationTime"]),
            "executionEndTime": None if status in RUNNING else iso(document["LastModifiedTime"]),
            "pipelineExecutionDescription": document.get("PipelineExecutionDescription"),
            "pipelineArn": self.pipeline_arn,
            "pipelineExecutionArn": self.arn,
        }
        self._send("SageMaker Model Building Pipeline Execution Status Change", detail)

    def set_step(self, name: str, kind: str, changes: Mapping[str, Any]) -> None:
        """Record a step, or change it; a change of its status is an event."""
        with self._context.store.transaction():
            if self._context.store.get(EXECUTION, self.name) is None:
                return  # deleted meanwhile
            document = self.step(name) or {"StepName": name, "StepType": kind}
            previous = document.get("StepStatus")
            document.update(changes)
            document = {key: value for key, value in document.items() if value is not None}
            self._context.store.put(STEP, f"{self.name}/{name}", document)
        if document["StepStatus"] != previous:
            self._emit_step(document, previous)

    def _emit_step(self, step: Document, previous: str | None) -> None:
        hit = step.get("CacheHitResult")
        detail = {
            "metadata": {
                key[:1].lower() + key[1:]: {name.lower(): value for name, value in item.items()}
                for key, item in step.get("Metadata", {}).items()
            },
            "stepStartTime": iso(step["StartTime"]),
            "stepEndTime": iso(step["EndTime"]) if "EndTime" in step else None,
            "stepName": step["StepName"],
            "stepType": step["StepType"],
            "previousStepStatus": previous,
            "currentStepStatus": step["StepStatus"],
            "failureReason": step.get("FailureReason"),
            "cacheHitResult": None
            if hit is None
            else {"sourcePipelineExecutionArn": hit["SourcePipelineExecutionArn"]},
            "pipelineArn": self.pipeline_arn,
            "pipelineExecutionArn": self.arn,
        }
        self._send("SageMaker Model Building Pipeline Execution Step Status Change", detail)

    def _send(self, detail_type: str, detail: Mapping[str, Any]) -> None:
        present = {key: value for key, value in detail.items() if value is not None}
        self._context.emit_event(detail_type, present, [self.pipeline_arn, self.arn])
