"""Runs one step of a pipeline: the same operations that a client would call, as its role."""

import secrets
import string
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local_aws.guesses import Guess, guessed
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.pipelines import conditions, expressions
from local_aws.sagemaker.pipelines.caching import StepCache
from local_aws.sagemaker.pipelines.definition import Definition, StepDefinition
from local_aws.sagemaker.pipelines.execution_records import ExecutionRecord
from local_aws.sagemaker.pipelines.step_scope import StepScope

_POLL_SECONDS = 0.1
# What the operations of a step type's jobs are called after.
_JOBS = {
    "Processing": "Processing",
    "Training": "Training",
    "Transform": "Transform",
    "Tuning": "HyperParameterTuning",
}
_LETTERS = string.ascii_lowercase + string.digits
_LONGEST_NAME = 63
_BEST_JOBS = 50  # of a tuning step, that later steps may refer to
_RETRYABLE = {
    "ThrottlingException": "Step.THROTTLING",
    "ServiceUnavailable": "Step.SERVICE_FAULT",
    "InternalFailure": "Step.SERVICE_FAULT",
    "ResourceLimitExceeded": "SageMaker.RESOURCE_LIMIT",
}
_RETRYABLE_REASONS = {
    "InternalServerError": "SageMaker.JOB_INTERNAL_ERROR",
    "CapacityError": "SageMaker.CAPACITY_ERROR",
}


class StepFailure(Exception):  # noqa: N818 - what AWS calls it
    """A step failed.

    Args:
        reason: What describes it to people.
        exception_type: What a retry policy would call it, such as `StepDefinition.THROTTLING`.
    """

    def __init__(self, reason: str, exception_type: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.exception_type = exception_type


class StepStopped(Exception):  # noqa: N818 - not an error: somebody asked for it
    """The execution was asked to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """What a step that succeeded leaves.

    Args:
        metadata: The `Metadata` of its record.
        properties: What later steps may refer to.
        source: The execution that a cached result comes from.
    """

    metadata: dict[str, Any]
    properties: dict[str, Any]
    source: str | None = None


class StepRunner:
    """Runs the steps of one execution; its methods may be called from several threads."""

    def __init__(
        self,
        context: Context,
        record: ExecutionRecord,
        definition: Definition,
        stopping: threading.Event,
    ) -> None:
        self._context = context
        self._record = record
        self._definition = definition
        self._stopping = stopping
        self._document = record.document()
        context.check_role(self._document["RoleArn"], record.arn)
        role = context.role_session(self._document["RoleArn"], f"SageMaker-{record.id}")
        self._sagemaker = role.client("sagemaker")
        self._s3 = role.client("s3")
        self._cache = StepCache(context.store, self._document["PipelineName"])

    def run(
        self, step: StepDefinition, on_metadata: Callable[[dict[str, Any]], None]
    ) -> StepResult:
        """Run a step to its end.

        Args:
            step: The step; those before it have succeeded.
            on_metadata: Called with its metadata as soon as they are known.

        Raises:
            StepFailure: If it fails.
            StepStopped: If the execution was asked to stop meanwhile.
        """
        name = self._resource_name(step)
        scope = StepScope(self._document, self._record, self._definition, self._s3, name)
        try:
            if step.type == "Condition":
                return self._decide(step, scope)
            arguments = expressions.resolve(step.arguments, scope)
            if step.type == "Fail":
                raise StepFailure(str(arguments.get("ErrorMessage", "")))
            return self._run_or_reuse(step, arguments, name, on_metadata)
        except expressions.ExpressionError as error:
            raise StepFailure(f"ClientError: {error}") from error

    def _run_or_reuse(
        self,
        step: StepDefinition,
        arguments: dict[str, Any],
        name: str,
        on_metadata: Callable[[dict[str, Any]], None],
    ) -> StepResult:
        if step.cache is not None:
            found = self._cache.find(step.name, step.type, arguments, step.cache)
            if found is not None:
                return StepResult(
                    metadata=found["Metadata"],
                    properties=found["Properties"],
                    source=found["ExecutionArn"],
                )
        if step.type in _JOBS:
            result = self._run_job(step.type, arguments, name, on_metadata)
        elif step.type == "Model":
            result = self._create_model(arguments, name)
        else:
            result = self._register(arguments)
        kept = {"Metadata": result.metadata, "Properties": result.properties}
        self._cache.keep(
            step.name, step.type, arguments, {**kept, "ExecutionArn": self._record.arn}
        )
        return result

    def _run_job(
        self,
        kind: str,
        arguments: dict[str, Any],
        name: str,
        on_metadata: Callable[[dict[str, Any]], None],
    ) -> StepResult:
        noun = _JOBS[kind]
        member, status = f"{noun}JobName", f"{noun}JobStatus"
        answer = self._invoke(f"Create{noun}Job", self._tagged({**arguments, member: name}))
        metadata = {f"{kind}Job": {"Arn": answer[f"{noun}JobArn"]}}
        on_metadata(metadata)
        # "Create and Describe permissions for each of the job types in the pipeline" (Developer
        # Guide, "Pipeline Role Permissions"). Asked for once, as whoever polls here needs no leave.
        self._invoke(f"Describe{noun}Job", {member: name})
        asked = False
        while True:
            job = self._context.call(f"Describe{noun}Job", {member: name})
            if job[status] not in {"InProgress", "Stopping"}:
                break
            if self._stopping.wait(_POLL_SECONDS) and not asked:
                self._stop(noun, {member: name})
                asked = True
            if asked:
                time.sleep(_POLL_SECONDS)
        if job[status] == "Completed":
            more = self._best_jobs(job) if kind == "Tuning" else {}
            return StepResult(metadata=metadata, properties={**job, **more})
        if self._stopping.is_set():
            raise StepStopped
        reason = job.get("FailureReason", f"ClientError: the job was stopped ({name})")
        raise StepFailure(reason, _RETRYABLE_REASONS.get(reason.partition(":")[0]))

    def _best_jobs(self, tuning: dict[str, Any]) -> dict[str, Any]:
        """The training jobs of a tuning job, the best one first."""
        objective = tuning["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"]
        request = {
            "HyperParameterTuningJobName": tuning["HyperParameterTuningJobName"],
            "SortBy": "FinalObjectiveMetricValue",
            "SortOrder": "Descending" if objective["Type"] == "Maximize" else "Ascending",
            "StatusEquals": "Completed",
            "MaxResults": _BEST_JOBS,
        }
        return self._context.call("ListTrainingJobsForHyperParameterTuningJob", request)

    def _stop(self, noun: str, request: dict[str, Any]) -> None:
        """As the pipeline's role: no document says who stops an execution's jobs."""
        try:
            self._invoke(f"Stop{noun}Job", request)
        except StepFailure as failure:
            if "is not authorized" in failure.reason:
                raise StepFailure(guessed(failure.reason, Guess.PIPELINES_STOP)) from failure
            # else it has just ended

    def _create_model(self, arguments: dict[str, Any], name: str) -> StepResult:
        answer = self._invoke("CreateModel", self._tagged({"ModelName": name, **arguments}))
        model = self._context.call("DescribeModel", {"ModelName": arguments.get("ModelName", name)})
        return StepResult(metadata={"Model": {"Arn": answer["ModelArn"]}}, properties=model)

    def _register(self, arguments: dict[str, Any]) -> StepResult:
        metadata = {"GeneratedBy": self._record.arn, **arguments.get("MetadataProperties", {})}
        if "ModelPackageGroupName" in arguments:
            self._make_group(arguments["ModelPackageGroupName"])
        answer = self._invoke("CreateModelPackage", {**arguments, "MetadataProperties": metadata})
        arn = answer["ModelPackageArn"]
        # A step's properties are its Describe operation's (Developer Guide, "Pipeline steps").
        self._invoke("DescribeModelPackage", {"ModelPackageName": arn})
        package = self._context.call("DescribeModelPackage", {"ModelPackageName": arn})
        return StepResult(metadata={"RegisterModel": {"Arn": arn}}, properties=package)

    def _make_group(self, name: str) -> None:
        """AWS makes the group each time, and is content with its being there (public reports of
        "Failed to invoke sagemaker:CreateModelPackageGroup", of roles without the permission)."""
        try:
            self._invoke("CreateModelPackageGroup", self._tagged({"ModelPackageGroupName": name}))
        except StepFailure as failure:
            if "already exists" not in failure.reason:
                raise

    def _tagged(self, request: dict[str, Any]) -> dict[str, Any]:
        """A creation with the tag that pipelines add to it, which their role has to be allowed
        (public reports of "Failed to invoke sagemaker:CreateProcessingJob": `AddTags`). Its key is
        what the SDK reads (sagemaker-python-sdk, lineage, `pipeline_execution_arn`)."""
        tag = {"Key": "sagemaker:pipeline-execution-arn", "Value": self._record.arn}
        return {**request, "Tags": [*request.get("Tags", ()), tag]}

    def _decide(self, step: StepDefinition, scope: expressions.Scope) -> StepResult:
        held = all(conditions.holds(item, scope) for item in step.arguments["Conditions"])
        answer = {"Outcome": str(held)}
        return StepResult(metadata={"Condition": answer}, properties=answer)

    def _invoke(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = self._sagemaker._make_api_call(operation, request)
        except (BotoCoreError, ClientError) as error:
            told = error.response["Error"] if isinstance(error, ClientError) else {}
            raise StepFailure(
                f"ClientError: Failed to invoke sagemaker:{operation}. Error Details: "
                f"{told.get('Message', error)}",
                _RETRYABLE.get(told.get("Code", "")),
            ) from error
        return answer

    def _resource_name(self, step: StepDefinition) -> str:
        ending = "".join(secrets.choice(_LETTERS) for _ in range(10))
        if step.type == "Tuning":  # names of tuning jobs have 32 characters at most
            return f"{self._record.id}-{step.name[:8].replace('_', '-').strip('-')}-{ending}"
        start = f"pipelines-{self._record.id}-"
        space = _LONGEST_NAME - len(start) - len(ending) - 1
        middle = step.name.replace("_", "-")[:space].strip("-")
        return f"{start}{middle}-{ending}"
