"""Pipeline definitions: read, checked, and taken apart into steps."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

from local_aws.behaviours.playing import plays
from local_aws.sagemaker.errors import unsupported, validation
from local_aws.sagemaker.pipelines import caching, conditions, expressions

VERSION = "2020-12-01"
STEP_TYPES = (
    "Processing",
    "Training",
    "Tuning",
    "Transform",
    "Model",
    "RegisterModel",
    "Condition",
    "Fail",
)
PARAMETER_TYPES: dict[str, type] = {"String": str, "Integer": int, "Float": float, "Boolean": bool}
_STEP_NAME = re.compile(r"[A-Za-z0-9\-_]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDefinition:
    """One step.

    Args:
        name: Unique in the pipeline.
        type: One of `STEP_TYPES`.
        arguments: The request of its operation, with expressions.
        after: Steps that must have succeeded before.
        branch: The Condition step it belongs to and the outcome that lets it run, if any.
        cache: For how many seconds a result may be used again; None if it may not.
        property_files: Output name and path of its property files, by name.
        retry_policies: As the definition has them.
        display_name: For people.
        description: For people.
    """

    name: str
    type: str
    arguments: dict[str, Any]
    after: frozenset[str]
    branch: tuple[str, bool] | None = None
    cache: float | None = None
    property_files: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    retry_policies: tuple[dict[str, Any], ...] = ()
    display_name: str | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A pipeline's parameters and steps, in an order in which they could run."""

    parameters: Mapping[str, dict[str, Any]]
    steps: Mapping[str, StepDefinition]


def parse(text: str) -> Definition:
    """Read a definition and refuse what the executor could not run.

    Raises:
        ServiceError: Naming the step and what is wrong with it.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise validation(f"PipelineDefinition must be JSON, got: {error}") from error
    if not isinstance(document, dict) or document.get("Version") != VERSION:
        raise validation(f"PipelineDefinition must be an object with Version {VERSION}")
    parameters = _parameters(document.get("Parameters", []))
    steps = _unique(list(_flatten(document.get("Steps", []), None)))
    if not steps:
        raise validation("PipelineDefinition must have at least one step")
    for step in steps.values():
        _check_references(step, steps, parameters)
    try:
        order = list(TopologicalSorter({s.name: s.after for s in steps.values()}).static_order())
    except CycleError as error:
        cycle = " -> ".join(error.args[1])
        raise validation(f"steps must not wait for each other, got the cycle {cycle}") from error
    return Definition(parameters=parameters, steps={name: steps[name] for name in order})


def _parameters(declared: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    parameters: dict[str, dict[str, Any]] = {}
    for parameter in declared:
        name, kind = parameter.get("Name"), parameter.get("Type")
        if not isinstance(name, str) or name in parameters:
            raise validation(f"parameter names must be unique strings, got {name!r} again")
        if kind not in PARAMETER_TYPES:
            allowed = ", ".join(PARAMETER_TYPES)
            raise validation(f"the type of parameter '{name}' must be one of {allowed}, got {kind}")
        parameters[name] = parameter
    return parameters


def _flatten(
    documents: Iterable[dict[str, Any]], branch: tuple[str, bool] | None
) -> Iterator[StepDefinition]:
    for document in documents:
        step = _step(document, branch)
        yield step
        if step.type == "Condition":
            arguments = document["Arguments"]
            for member, outcome in (("IfSteps", True), ("ElseSteps", False)):
                yield from _flatten(arguments.get(member) or [], (step.name, outcome))


def _step(document: dict[str, Any], branch: tuple[str, bool] | None) -> StepDefinition:
    name, kind = document.get("Name"), document.get("Type")
    if not isinstance(name, str) or not _STEP_NAME.fullmatch(name):
        raise validation(f"step names must be 1 to 64 letters, digits, '-' or '_', got {name!r}")
    if kind not in STEP_TYPES:
        raise unsupported(
            f"the type {kind} of step '{name}'", f"supported types: {', '.join(STEP_TYPES)}"
        )
    arguments = document.get("Arguments")
    if not isinstance(arguments, dict) or not arguments:
        raise validation(f"step '{name}' must have Arguments, got {arguments}")
    if kind == "Condition":
        arguments = {"Conditions": arguments.get("Conditions", [])}
        for condition in conditions.kinds(arguments["Conditions"]):
            if condition not in conditions.TYPES:
                raise unsupported(
                    f"the condition {condition} of step '{name}'",
                    f"supported conditions: {', '.join(conditions.TYPES)}",
                )
    after = {*_depends_on(name, document)}
    after |= {step for ref in expressions.names(arguments) if (step := expressions.step_of(ref))}
    if branch is not None:
        after.add(branch[0])
    return StepDefinition(
        name=name,
        type=kind,
        arguments=arguments,
        after=frozenset(after),
        branch=branch,
        cache=caching.lifetime(document.get("CacheConfig"), name),
        property_files={
            item["PropertyFileName"]: (item["OutputName"], item["FilePath"])
            for item in document.get("PropertyFiles") or []
        },
        retry_policies=tuple(document.get("RetryPolicies") or ()),
        display_name=document.get("DisplayName"),
        description=document.get("Description"),
    )


def _depends_on(name: str, document: dict[str, Any]) -> Iterator[str]:
    for dependency in document.get("DependsOn") or []:
        if not isinstance(dependency, str):
            raise unsupported(
                f"the run condition {dependency} of step '{name}'",
                "a step runs after those that it depends on have completed",
            )
        yield dependency


def _unique(steps: list[StepDefinition]) -> dict[str, StepDefinition]:
    found: dict[str, StepDefinition] = {}
    for step in steps:
        if step.name in found:
            raise validation(f"step names must be unique, got '{step.name}' twice")
        found[step.name] = step
    return found


def _check_references(
    step: StepDefinition,
    steps: Mapping[str, StepDefinition],
    parameters: Mapping[str, dict[str, Any]],
) -> None:
    conditions_only = plays("json-get", "conditions")
    for function in expressions.functions(step.arguments):
        if function == expressions.JSON_GET and step.type != "Condition" and conditions_only:
            raise validation(f"step '{step.name}' has {function}, which is for conditions")
        if not expressions.is_supported(function):
            raise unsupported(f"the function {function} in step '{step.name}'", "use Std:Join")
    absent = sorted(step.after - steps.keys())
    if absent:
        raise validation(f"step '{step.name}' refers to step '{absent[0]}', which does not exist")
    for name in expressions.names(step.arguments):
        kind, _, rest = name.partition(".")
        known = {
            "Parameters": rest in parameters,
            "Execution": rest in expressions.EXECUTION_VARIABLES,
            "Steps": True,
        }
        if not known.get(kind, False):
            raise validation(f"step '{step.name}' refers to '{name}', which does not exist")
        _, _, file = name.partition(".PropertyFiles.")
        source = expressions.step_of(name)
        if file and source is not None and file not in steps[source].property_files:
            raise validation(
                f"step '{step.name}' refers to property file '{file}' of step '{source}', which "
                "does not declare it"
            )
