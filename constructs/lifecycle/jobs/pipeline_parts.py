"""The parts of a SageMaker pipeline's definition, as the service's JSON schema spells them.

The SageMaker Python SDK writes the same text (the tests have it do so) but takes seconds to be
imported, and its job classes (`Processor`, `ModelTrainer`) read the user's `~/.config/sagemaker`
and put the clock into names. A `RequestStep` takes the service's request itself.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Final, Literal, get_args

__all__ = [
    "EXECUTION_ARN",
    "EXECUTION_ID",
    "START_TIME",
    "Parameter",
    "PropertyFile",
    "RequestStep",
    "condition",
    "condition_step",
    "definition_text",
    "fail_step",
    "join",
]

EXECUTION_ARN: Final = {"Get": "Execution.PipelineExecutionArn"}
EXECUTION_ID: Final = {"Get": "Execution.PipelineExecutionId"}
START_TIME: Final = {"Get": "Execution.StartDateTime"}

StepType = Literal["Processing", "Training", "Tuning", "Transform", "RegisterModel"]
# Retried is what passes by itself: a busy service, an internal error, no capacity. A job that fails
# because of its input fails its step at once.
_SERVICE_RETRY: Final = {
    "BackoffRate": 2.0,
    "IntervalSeconds": 5,
    "MaxAttempts": 5,
    "ExceptionType": ["Step.SERVICE_FAULT", "Step.THROTTLING"],
}
_JOB_RETRY: Final = {
    "BackoffRate": 2.0,
    "IntervalSeconds": 30,
    "MaxAttempts": 3,
    "ExceptionType": ["SageMaker.JOB_INTERNAL_ERROR", "SageMaker.CAPACITY_ERROR"],
}


def join(on: str, *values: Any) -> dict[str, Any]:
    """A text of values, some of them known only when the pipeline runs, with `on` between them."""
    return {"Std:Join": {"On": on, "Values": list(values)}}


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a start of the pipeline may set; in a request, it stands for its value.

    Attributes:
        name: Unique in the pipeline.
        default_value: If omitted, every start has to give a value.
        kind: The type of its values.
    """

    name: str
    default_value: str | float | None = None
    kind: Literal["String", "Integer", "Float"] = "String"

    @property
    def declaration(self) -> dict[str, Any]:
        """The parameter among those of the pipeline."""
        default = {} if self.default_value is None else {"DefaultValue": self.default_value}
        return {"Name": self.name, "Type": self.kind, **default}

    def as_json(self) -> dict[str, Any]:
        """The reference to its value."""
        return {"Get": f"Parameters.{self.name}"}

    def to_string(self) -> dict[str, Any]:
        """A number's value where only a text is taken."""
        return join("", self)


@dataclass(frozen=True, slots=True)
class PropertyFile:
    """A JSON file that a processing step leaves among its outputs, for later steps to read."""

    name: str
    output_name: str
    path: str

    def as_json(self) -> dict[str, Any]:
        """The file as its step declares it."""
        return {
            "PropertyFileName": self.name,
            "OutputName": self.output_name,
            "FilePath": self.path,
        }


@dataclass(frozen=True, slots=True)
class RequestStep:
    """A step that makes one SageMaker request, given in the service's own words.

    Attributes:
        name: Unique in the pipeline.
        step_type: `Processing`, `Training`, `Tuning`, `Transform` or `RegisterModel`.
        request: Arguments of the request, without the name of the job or package.
        cache_days: Reuse the outcome of an equal request for so many days. If omitted, the step
            runs in every execution.
        depends_on: Steps to wait for although no output of theirs is used.
        property_files: JSON files among the outputs that later steps read.

    Raises:
        ValueError: If the step type is none of these.
    """

    name: str
    step_type: StepType
    request: dict[str, Any]
    _: KW_ONLY
    cache_days: int | None = None
    depends_on: Sequence[RequestStep] = ()
    property_files: Sequence[PropertyFile] = ()

    def __post_init__(self) -> None:
        known = get_args(StepType)
        if self.step_type not in known:
            raise ValueError(
                f"step_type must be one of {', '.join(known)}, got {self.step_type}; "
                "use fail_step or condition_step for what makes no request"
            )

    def get(self, path: str) -> dict[str, Any]:
        """What the service will describe of the job, as a reference for later steps."""
        return {"Get": f"Steps.{self.name}.{path}"}

    def output_uri(self, output_name: str) -> dict[str, Any]:
        """S3 URI of a processing job's output, as a reference for later steps."""
        return self.get(f"ProcessingOutputConfig.Outputs['{output_name}'].S3Output.S3Uri")

    def read(self, file: PropertyFile, path: str) -> dict[str, Any]:
        """The value at a JSON path of one of the step's property files."""
        source = self.get(f"PropertyFiles.{file.name}")
        return {"Std:JsonGet": {"PropertyFile": source, "Path": path}}

    def as_json(self) -> dict[str, Any]:
        """The step as the definition has it."""
        is_job = self.step_type != "RegisterModel"
        step: dict[str, Any] = {
            "Name": self.name,
            "Type": self.step_type,
            "Arguments": self.request,
        }
        if self.depends_on:
            step["DependsOn"] = [each.name for each in self.depends_on]
        step["RetryPolicies"] = [_SERVICE_RETRY, *([_JOB_RETRY] if is_job else [])]
        if self.cache_days is not None:
            step["CacheConfig"] = {"Enabled": True, "ExpireAfter": f"P{self.cache_days}D"}
        if self.property_files:
            step["PropertyFiles"] = self.property_files
        return step


def condition(
    left: Any, relation: Literal["GreaterThanOrEqualTo", "LessThanOrEqualTo"], right: Any
) -> dict[str, Any]:
    """A comparison that a condition step makes."""
    return {"Type": relation, "LeftValue": left, "RightValue": right}


def condition_step(
    name: str, *, conditions: Sequence[Any], if_steps: Sequence[Any], else_steps: Sequence[Any]
) -> dict[str, Any]:
    """A step that goes one way if all conditions hold, and the other if not."""
    ways = {"Conditions": conditions, "IfSteps": if_steps, "ElseSteps": else_steps}
    return {"Name": name, "Type": "Condition", "Arguments": ways}


def fail_step(name: str, error_message: Any) -> dict[str, Any]:
    """A step that fails the execution, and says why."""
    return {"Name": name, "Type": "Fail", "Arguments": {"ErrorMessage": error_message}}


def definition_text(parameters: Sequence[Parameter], steps: Sequence[Any]) -> str:
    """The definition document of a pipeline, the same text for the same steps.

    Raises:
        ValueError: If two steps share a name.
    """
    document = {
        "Version": "2020-12-01",
        "Metadata": {},
        "Parameters": [parameter.declaration for parameter in parameters],
        "Steps": steps,
    }
    text = json.dumps(document, default=lambda part: part.as_json())
    counts = Counter(_names(json.loads(text)["Steps"]))
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise ValueError(f"names of steps must be unique, got {twice[0]} twice; rename one")
    return text


def _names(steps: Sequence[dict[str, Any]]) -> Iterator[str]:
    for step in steps:
        yield step["Name"]
        for way in ("IfSteps", "ElseSteps"):
            yield from _names(step["Arguments"].get(way, ()))
