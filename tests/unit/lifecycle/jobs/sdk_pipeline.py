"""The SageMaker Python SDK as a peer: a definition is taken apart, and the SDK writes it anew.

It refuses what refers to no step, to no member of what the service describes, or to no property
file.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

import boto3
from sagemaker.core.workflow.conditions import (
    ConditionGreaterThanOrEqualTo,
    ConditionLessThanOrEqualTo,
)
from sagemaker.core.workflow.execution_variables import ExecutionVariable
from sagemaker.core.workflow.functions import Join, JsonGet
from sagemaker.core.workflow.parameters import ParameterFloat, ParameterInteger, ParameterString
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

Json = dict[str, Any]
PARAMETERS = {"String": ParameterString, "Integer": ParameterInteger, "Float": ParameterFloat}
CONDITIONS = {
    "GreaterThanOrEqualTo": ConditionGreaterThanOrEqualTo,
    "LessThanOrEqualTo": ConditionLessThanOrEqualTo,
}
RESPONSES = {
    "Processing": "DescribeProcessingJobResponse",
    "Training": "DescribeTrainingJobResponse",
    "Tuning": "DescribeHyperParameterTuningJobResponse",
    "Transform": "DescribeTransformJobResponse",
    "RegisterModel": "DescribeModelPackageOutput",
}
PATH_PART = re.compile(r"(\w+)|\['(\w+)'\]")


class JobStep(ConfigurableRetryStep):
    """The SDK's own step, but for its arguments: its job classes read the user's settings."""

    def __init__(self, given: Json, arguments: Json) -> None:
        kind = StepTypeEnum(given["Type"])
        super().__init__(
            given["Name"],
            kind,
            depends_on=given.get("DependsOn"),
            retry_policies=[retry_policy(each) for each in given["RetryPolicies"]],
        )
        self._given = given
        self._arguments = arguments
        self._properties = Properties(
            step_name=self.name, step=self, shape_name=RESPONSES[given["Type"]]
        )
        self.property_files = [
            PropertyFile(each["PropertyFileName"], each["OutputName"], each["FilePath"])
            for each in given.get("PropertyFiles", ())
        ]

    @property
    def arguments(self) -> Json:
        return self._arguments

    @property
    def properties(self) -> Any:
        return self._properties

    def to_request(self) -> Json:
        step: Json = super().to_request()
        if "CacheConfig" in self._given:
            cached = self._given["CacheConfig"]
            step.update(CacheConfig(cached["Enabled"], cached["ExpireAfter"]).config)
        if self.property_files:
            step["PropertyFiles"] = [file.expr for file in self.property_files]
        return step


class Rebuilding:
    """Objects of the SDK for the parts of one document."""

    def __init__(self, document: Json) -> None:
        self.parameters = {
            each["Name"]: PARAMETERS[each["Type"]](
                each["Name"], default_value=each.get("DefaultValue")
            )
            for each in document["Parameters"]
        }
        self._steps: dict[str, Any] = {}
        self.steps = [self._step(each) for each in document["Steps"]]

    def _step(self, given: Json) -> Any:
        step = self._made(given)
        self._steps[given["Name"]] = step
        return step

    def _made(self, given: Json) -> Any:
        name, arguments = given["Name"], given["Arguments"]
        if given["Type"] == "Fail":
            return FailStep(name, error_message=self._value(arguments["ErrorMessage"]))
        if given["Type"] != "Condition":
            return JobStep(given, self._value(arguments))
        return ConditionStep(
            name,
            conditions=[
                CONDITIONS[each["Type"]](
                    left=self._value(each["LeftValue"]), right=self._value(each["RightValue"])
                )
                for each in arguments["Conditions"]
            ],
            if_steps=[self._step(each) for each in arguments["IfSteps"]],
            else_steps=[self._step(each) for each in arguments["ElseSteps"]],
        )

    def _value(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._value(each) for each in value]
        if not isinstance(value, dict):
            return value
        match value:
            case {"Get": path}:
                return self._reference(path)
            case {"Std:Join": {"On": on, "Values": values}}:
                return Join(on=on, values=[self._value(each) for each in values])
            case {"Std:JsonGet": {"PropertyFile": {"Get": source}, "Path": path}}:
                _, step, _, file = source.split(".")
                return JsonGet(step_name=step, property_file=file, json_path=path)
        return {name: self._value(each) for name, each in value.items()}

    def _reference(self, path: str) -> Any:
        root, name, *rest = path.split(".", 2)
        if root == "Parameters":
            return self.parameters[name]
        if root == "Execution":
            return ExecutionVariable(name)
        found = self._steps[name].properties
        for attribute, key in PATH_PART.findall(rest[0]):
            found = getattr(found, attribute) if attribute else found[key]
        return found


def retry_policy(given: Mapping[str, Any]) -> Any:
    of_service = given["ExceptionType"][0].startswith("Step.")
    policy, kind = (
        (StepRetryPolicy, StepExceptionTypeEnum)
        if of_service
        else (SageMakerJobStepRetryPolicy, SageMakerJobExceptionTypeEnum)
    )
    return policy(
        # Called with a value, these enumerations answer their first member.
        exception_types=[each for each in kind if each.value in given["ExceptionType"]],
        interval_seconds=given["IntervalSeconds"],
        backoff_rate=given["BackoffRate"],
        max_attempts=given["MaxAttempts"],
    )


def written_by_sdk(definition: str, boto_session: boto3.Session) -> str:
    """The definition as the SDK writes it, without the sections that it adds as null."""
    parts = Rebuilding(json.loads(definition))
    pipeline = Pipeline(
        name="pipeline",
        parameters=list(parts.parameters.values()),
        steps=parts.steps,
        sagemaker_session=PipelineSession(boto_session=boto_session),
        pipeline_experiment_config=None,
    )
    document = json.loads(pipeline.definition())
    return json.dumps({name: value for name, value in document.items() if value is not None})
