"""The SageMaker Python SDK, used as a compiler: steps in, a pipeline's definition out, offline.

Importing this module takes two seconds, so only what builds a pipeline imports it, and late.

The SDK's own job classes (`Processor`, `ModelTrainer`) are not used: they read the user's
`~/.config/sagemaker`, put the clock into names, and have no parameter for a training container's
entry point or for switching the profiler off. A `RequestStep` takes the service's request itself
instead; the SDK still resolves every reference between steps, and the tests check each request
against botocore's model of the service.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import boto3

__all__ = [
    "CacheConfig",
    "ConditionGreaterThanOrEqualTo",
    "ConditionLessThanOrEqualTo",
    "ConditionStep",
    "ExecutionVariables",
    "FailStep",
    "Join",
    "JsonGet",
    "ParameterFloat",
    "ParameterInteger",
    "ParameterString",
    "PropertyFile",
    "RequestStep",
    "compile_definition",
    "job_retries",
]

_REGION: Final = "us-east-1"
_OFFLINE: Final = {
    "AWS_DEFAULT_REGION": _REGION,
    "AWS_REGION": _REGION,
    "AWS_ACCESS_KEY_ID": "offline",
    "AWS_SECRET_ACCESS_KEY": "offline",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "SAGEMAKER_VALIDATE_ROLE": "false",
}
_UNSET: Final = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN")
_NO_TELEMETRY: Final = {
    "SchemaVersion": "1.0",
    "SageMaker": {"PythonSDK": {"Modules": {"TelemetryOptOut": True}}},
}


@contextmanager
def _offline() -> Iterator[None]:
    """Keep the SDK from the user's AWS settings, and its traces out of the process.

    Importing the SDK creates a boto3 client. That needs a region, and without credentials asks
    the instance metadata service for them, over the network; it also leaves a default session.
    """
    saved = dict(os.environ)
    session = boto3.DEFAULT_SESSION
    # It says at INFO that it found credentials: those below, which are none.
    log = logging.getLogger("botocore.credentials")
    level = log.level
    log.setLevel(logging.WARNING)
    for name in _UNSET:
        os.environ.pop(name, None)
    os.environ.update(_OFFLINE)
    boto3.DEFAULT_SESSION = None
    try:
        yield
    finally:
        for name in (*_OFFLINE, *_UNSET):
            if name in saved:
                os.environ[name] = saved[name]
            else:
                os.environ.pop(name, None)
        boto3.DEFAULT_SESSION = session
        log.setLevel(level)


with _offline():
    from sagemaker.core.workflow.conditions import (
        ConditionGreaterThanOrEqualTo,
        ConditionLessThanOrEqualTo,
    )
    from sagemaker.core.workflow.execution_variables import ExecutionVariables
    from sagemaker.core.workflow.functions import Join, JsonGet
    from sagemaker.core.workflow.parameters import (
        ParameterFloat,
        ParameterInteger,
        ParameterString,
    )
    from sagemaker.core.workflow.pipeline_context import PipelineSession
    from sagemaker.core.workflow.properties import Properties, PropertyFile
    from sagemaker.mlops.workflow.condition_step import ConditionStep
    from sagemaker.mlops.workflow.fail_step import FailStep
    from sagemaker.mlops.workflow.pipeline import Pipeline
    from sagemaker.mlops.workflow.retry import (
        SageMakerJobExceptionTypeEnum,
        SageMakerJobStepRetryPolicy,
        StepExceptionTypeEnum,
        StepRetryPolicy,
    )
    from sagemaker.mlops.workflow.steps import CacheConfig, ConfigurableRetryStep, StepTypeEnum

_RESPONSES: Final = {
    StepTypeEnum.PROCESSING: "DescribeProcessingJobResponse",
    StepTypeEnum.TRAINING: "DescribeTrainingJobResponse",
    StepTypeEnum.TUNING: "DescribeHyperParameterTuningJobResponse",
    StepTypeEnum.TRANSFORM: "DescribeTransformJobResponse",
    StepTypeEnum.REGISTER_MODEL: "DescribeModelPackageOutput",
}


class RequestStep(ConfigurableRetryStep):  # type: ignore[misc] # the SDK ships no types
    """A step that makes one SageMaker request, given in the service's own words.

    Args:
        name: Unique in the pipeline.
        step_type: `Processing`, `Training`, `Tuning`, `Transform` or `RegisterModel`.
        request: Arguments of the request, without the name of the job or package.
        cache_days: Reuse the outcome of an equal request for so many days. If omitted, the step
            runs in every execution.
        depends_on: Steps to wait for although no output of theirs is used.
        property_files: JSON files among the outputs that conditions read.

    Raises:
        ValueError: If the step type is none of these.
    """

    def __init__(
        self,
        name: str,
        step_type: str,
        request: Mapping[str, Any],
        *,
        cache_days: int | None = None,
        depends_on: Sequence[RequestStep] = (),
        property_files: Sequence[Any] = (),
    ) -> None:
        kind = StepTypeEnum(step_type)
        if kind not in _RESPONSES:
            known = ", ".join(each.value for each in _RESPONSES)
            raise ValueError(f"step_type must be one of {known}, got {step_type}; use RequestStep")
        super().__init__(
            name,
            kind,
            depends_on=list(depends_on) if depends_on else None,
            retry_policies=job_retries(is_job=kind is not StepTypeEnum.REGISTER_MODEL),
        )
        self.property_files = list(property_files)
        self._request = dict(request)
        self._cache_days = cache_days
        self._properties = Properties(step_name=name, step=self, shape_name=_RESPONSES[kind])

    @property
    def arguments(self) -> dict[str, Any]:
        """The request."""
        return self._request

    @property
    def properties(self) -> Any:
        """What the service will describe of the job, as references for later steps."""
        return self._properties

    def output_uri(self, output_name: str) -> Any:
        """S3 URI of a processing job's output, as a reference for later steps."""
        return self._properties.ProcessingOutputConfig.Outputs[output_name].S3Output.S3Uri

    def to_request(self) -> dict[str, Any]:
        """The step as the definition has it."""
        step: dict[str, Any] = super().to_request()
        if self._cache_days is not None:
            step.update(CacheConfig(True, f"P{self._cache_days}D").config)
        if self.property_files:
            step["PropertyFiles"] = [file.expr for file in self.property_files]
        return step


def job_retries(*, is_job: bool) -> list[Any]:
    """Retries for what passes by itself: a busy service, no capacity, an internal error.

    A job that fails because of its input is not retried; its step fails at once.
    """
    policies: list[Any] = [
        StepRetryPolicy(
            exception_types=[StepExceptionTypeEnum.SERVICE_FAULT, StepExceptionTypeEnum.THROTTLING],
            interval_seconds=5,
            backoff_rate=2.0,
            max_attempts=5,
        )
    ]
    if is_job:
        policies.append(
            SageMakerJobStepRetryPolicy(
                exception_types=[
                    SageMakerJobExceptionTypeEnum.INTERNAL_ERROR,
                    SageMakerJobExceptionTypeEnum.CAPACITY_ERROR,
                ],
                interval_seconds=30,
                backoff_rate=2.0,
                max_attempts=3,
            )
        )
    return policies


def compile_definition(parameters: Sequence[Any], steps: Sequence[Any]) -> str:
    """The definition document of a pipeline, the same text for the same steps.

    Raises:
        ValueError: If two steps share a name, or a reference names no step or property file.
    """
    with _offline():
        session = PipelineSession(
            boto_session=boto3.Session(region_name=_REGION), sagemaker_config=_NO_TELEMETRY
        )
        pipeline = Pipeline(
            name="pipeline",
            parameters=list(parameters),
            steps=list(steps),
            sagemaker_session=session,
            # An execution is found by its own name; an experiment a pipeline adds a second
            # record of it, and permissions that nothing else needs.
            pipeline_experiment_config=None,
        )
        document = json.loads(pipeline.definition())
    # The SDK writes sections that were not asked for as null, which the service refuses.
    return json.dumps({key: value for key, value in document.items() if value is not None})
