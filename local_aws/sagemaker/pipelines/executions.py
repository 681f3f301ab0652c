"""Executions of pipelines: started, stopped, retried, described and listed."""

import secrets
import string
import threading
from typing import Any

from local_aws.sagemaker import arns, queries
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.errors import conflict, unsupported, validation
from local_aws.sagemaker.events import now
from local_aws.sagemaker.pipelines import expressions, parameters
from local_aws.sagemaker.pipelines.definition import parse
from local_aws.sagemaker.pipelines.execution_records import (
    DEFINITION,
    EXECUTION,
    RUNNING,
    ExecutionRecord,
)
from local_aws.sagemaker.pipelines.executor import Execution
from local_aws.sagemaker.pipelines.pipelines import PIPELINE, find
from local_aws.sagemaker.store import Document

_TOKEN = "pipeline-execution-token"  # noqa: S105 - the kind of a record, not a secret
_LETTERS = string.ascii_lowercase + string.digits
_LOST = "InternalServerError: the embedded AWS stopped while the execution ran; retry it"


class Executions:
    """StartPipelineExecution and its family."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store
        self._running: dict[str, Execution] = {}
        self._lock = threading.Lock()

    def start_pipeline_execution(self, request: dict[str, Any]) -> dict[str, Any]:
        """Execute a pipeline; the same token starts it once."""
        for member in ("SelectiveExecutionConfig", "PipelineVersionId", "MlflowExperimentName"):
            if member in request:
                raise unsupported(f"{member} of an execution", "all steps are executed")
        pipeline = find(self._context, request["PipelineName"])
        name, text = pipeline["PipelineName"], pipeline["PipelineDefinition"]
        given = request.get("PipelineParameters", [])
        values = parameters.values(parse(text).parameters, given)
        token = request.get("ClientRequestToken")
        with self._store.transaction():
            known = None if token is None else self._store.get(_TOKEN, f"{name}/{token}")
            if known is not None:
                if known["Parameters"] != given:
                    raise conflict(
                        f"ClientRequestToken {token} must not be used again with other parameters"
                    )
                return {"PipelineExecutionArn": known["PipelineExecutionArn"]}
            document = self._new(request, pipeline, values)
            arn = document["PipelineExecutionArn"]
            key = arns.name_of(arn)
            self._store.put(EXECUTION, key, document)
            definition = {"PipelineDefinition": text, "CreationTime": document["CreationTime"]}
            self._store.put(DEFINITION, key, definition)
            if token is not None:
                record = {"PipelineExecutionArn": arn, "Parameters": given}
                self._store.put(_TOKEN, f"{name}/{token}", record)
            run_time = {"LastRunTime": document["CreationTime"]}
            self._store.update(PIPELINE, name, lambda item: item.update(run_time))
        record_ = ExecutionRecord(self._context, arn)
        record_.emit(document, None)
        self._begin(record_)
        return {"PipelineExecutionArn": arn}

    def stop_pipeline_execution(self, request: dict[str, Any]) -> dict[str, Any]:
        """Stop an execution: its jobs are stopped, and no step begins any more."""
        record = ExecutionRecord(self._context, request["PipelineExecutionArn"])
        status = record.document()["PipelineExecutionStatus"]
        if status not in RUNNING:
            raise conflict(f"Pipeline execution {record.arn} must be executing, it is {status}")
        # It may end by itself right now; then it stays as it ended.
        record.set_status("Stopping", expected=("Executing",))
        with self._lock:
            execution = self._running.get(record.arn)
        if execution is not None:
            execution.stopping.set()
        return {"PipelineExecutionArn": record.arn}

    def retry_pipeline_execution(self, request: dict[str, Any]) -> dict[str, Any]:
        """Go on with an execution that failed or was stopped; what succeeded is kept."""
        record = ExecutionRecord(self._context, request["PipelineExecutionArn"])
        if not record.set_status("Executing", expected=("Failed", "Stopped")):
            status = record.document()["PipelineExecutionStatus"]
            raise conflict(
                f"Pipeline execution {record.arn} must be Failed or Stopped to be retried, it is "
                f"{status}"
            )
        self._begin(record)
        return {"PipelineExecutionArn": record.arn}

    def describe_pipeline_execution(self, request: dict[str, Any]) -> dict[str, Any]:
        """All about an execution."""
        return ExecutionRecord(self._context, request["PipelineExecutionArn"]).document()

    def describe_pipeline_definition_for_execution(self, request: dict[str, Any]) -> dict[str, Any]:
        """The definition that an execution was started with."""
        record = ExecutionRecord(self._context, request["PipelineExecutionArn"])
        return record.definition_document()

    def update_pipeline_execution(self, request: dict[str, Any]) -> dict[str, Any]:
        """Change an execution's description or display name."""
        record = ExecutionRecord(self._context, request["PipelineExecutionArn"])
        names = ("PipelineExecutionDescription", "PipelineExecutionDisplayName")
        changes = {name: request[name] for name in names if name in request}
        self._store.update(EXECUTION, record.name, lambda item: item.update(changes))
        return {"PipelineExecutionArn": record.arn}

    def list_pipeline_executions(self, request: dict[str, Any]) -> dict[str, Any]:
        """Executions of a pipeline, newest first."""
        pipeline = find(self._context, request["PipelineName"])
        documents = self._store.list(EXECUTION, f"{pipeline['PipelineName']}/execution/")
        chosen = queries.select(documents, request, name="PipelineExecutionArn")
        return queries.page(
            chosen,
            request,
            "PipelineExecutionSummaries",
            lambda item: {
                **item,
                "StartTime": item["CreationTime"],
                "PipelineExecutionFailureReason": item.get("FailureReason"),
            },
        )

    def list_pipeline_execution_steps(self, request: dict[str, Any]) -> dict[str, Any]:
        """Steps of an execution that have begun, the latest first."""
        if "PipelineExecutionArn" not in request:  # optional in the API's model only
            raise validation("PipelineExecutionArn must be given; name the execution")
        record = ExecutionRecord(self._context, request["PipelineExecutionArn"])
        steps: list[Any] = record.steps()
        if request.get("SortOrder", "Descending") == "Descending":
            steps.reverse()
        return queries.page(steps, request, "PipelineExecutionSteps")

    def list_pipeline_parameters_for_execution(self, request: dict[str, Any]) -> dict[str, Any]:
        """The values of an execution's parameters."""
        record = ExecutionRecord(self._context, request["PipelineExecutionArn"])
        values = record.document()["Parameters"]
        pairs = [{"Name": name, "Value": expressions.text(value)} for name, value in values.items()]
        return queries.page(pairs, request, "PipelineParameters")

    def recover(self) -> None:
        """Fail what an earlier run of the server left running; it can be retried."""
        for document in self._store.list(EXECUTION):
            if document["PipelineExecutionStatus"] not in RUNNING:
                continue
            record = ExecutionRecord(self._context, document["PipelineExecutionArn"])
            for step in record.steps():
                if step["StepStatus"] in {"Starting", "Executing", "Stopping"}:
                    lost = {"StepStatus": "Failed", "EndTime": now(), "FailureReason": _LOST}
                    record.set_step(step["StepName"], step["StepType"], lost)
            record.set_status("Failed", _LOST)

    def _begin(self, record: ExecutionRecord) -> None:
        execution = Execution(self._context, record)
        with self._lock:
            ended = [arn for arn, item in self._running.items() if item.ended.is_set()]
            for arn in ended:
                del self._running[arn]
            self._running[record.arn] = execution
        execution.start()

    def _new(self, request: dict[str, Any], pipeline: Document, values: dict[str, Any]) -> Document:
        if "RoleArn" not in pipeline:
            raise validation("RoleArn of the pipeline must be given; update it first")
        at = now()
        identifier = "".join(secrets.choice(_LETTERS) for _ in range(12))
        display = request.get("PipelineExecutionDisplayName", f"execution-{int(at * 1000)}")
        document = {
            "PipelineArn": pipeline["PipelineArn"],
            "PipelineName": pipeline["PipelineName"],
            "PipelineExecutionArn": f"{pipeline['PipelineArn']}/execution/{identifier}",
            "PipelineExecutionDisplayName": display,
            "PipelineExecutionStatus": "Executing",
            "CreationTime": at,
            "LastModifiedTime": at,
            "CreatedBy": self._context.user,
            "LastModifiedBy": self._context.user,
            "RoleArn": pipeline["RoleArn"],
            "Parameters": values,
        }
        if "PipelineExecutionDescription" in request:
            document["PipelineExecutionDescription"] = request["PipelineExecutionDescription"]
        for source in (pipeline, request):
            if "ParallelismConfiguration" in source:
                document["ParallelismConfiguration"] = source["ParallelismConfiguration"]
        return document
