"""The instances that an environment's jobs have at a time, read out of its pipelines."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

__all__ = ["TUNING", "JobUse", "monitoring_job", "pipeline_jobs"]

TUNING = "tuning"
_BRANCHES = ("IfSteps", "ElseSteps")


class JobUse(NamedTuple):
    """What a job takes of a quota.

    Attributes:
        kind: `processing`, `training`, `spot training` or `transform`, or `tuning` for the training
            jobs that one tuning job runs in parallel.
        instance_type: Of its instances.
    """

    kind: str
    instance_type: str


class _Step(NamedTuple):
    """A step's instances, and the steps that end before it starts."""

    uses: Mapping[JobUse, int]
    after: frozenset[str]


def pipeline_jobs(properties: Mapping[str, Any]) -> Counter[JobUse]:
    """The most instances that one execution of a pipeline has at a time.

    Steps that do not wait for each other run side by side.
    """
    document = _definition(properties)
    defaults = {each["Name"]: each.get("DefaultValue") for each in document["Parameters"]}
    steps = dict(_steps(document["Steps"], defaults, frozenset()))
    before = {name: _all_before(name, steps) for name in steps}
    most: Counter[JobUse] = Counter()
    for use in {use for step in steps.values() for use in step.uses}:
        takes = {name: step.uses[use] for name, step in steps.items() if use in step.uses}
        most[use] = _heaviest(sorted(takes), takes, before)
    return most


def monitoring_job(schedule: Mapping[str, Any]) -> Counter[JobUse]:
    """The instances of the processing job that a monitoring schedule starts.

    Args:
        schedule: Properties of AWS::SageMaker::MonitoringSchedule.
    """
    job = schedule["MonitoringScheduleConfig"]["MonitoringJobDefinition"]
    return _cluster("processing", job["MonitoringResources"]["ClusterConfig"], {})


def _definition(properties: Mapping[str, Any]) -> Any:
    body = properties["PipelineDefinition"]["PipelineDefinitionBody"]
    # What CloudFormation fills in stands within texts, so that it is JSON without it, too.
    return json.loads(body["Fn::Sub"][0] if isinstance(body, Mapping) else body)


def _steps(
    steps: Sequence[Any], defaults: Mapping[str, Any], outer: frozenset[str]
) -> Iterator[tuple[str, _Step]]:
    for step in steps:
        arguments = step.get("Arguments", {})
        branches = [each for name in _BRANCHES for each in arguments.get(name, ())]
        own = {name: value for name, value in arguments.items() if name not in _BRANCHES}
        after = {*step.get("DependsOn", ()), *_awaited(own), *outer}
        yield step["Name"], _Step(_uses(step["Type"], own, defaults), frozenset(after))
        yield from _steps(branches, defaults, frozenset({step["Name"]}))


def _awaited(value: Any) -> Iterator[str]:
    """The steps whose properties or results a value refers to."""
    if isinstance(value, Mapping):
        got = value.get("Get")
        if isinstance(got, str) and got.startswith("Steps."):
            yield got.split(".")[1]
        for each in value.values():
            yield from _awaited(each)
    elif isinstance(value, list):
        for each in value:
            yield from _awaited(each)


def _all_before(name: str, steps: Mapping[str, _Step]) -> frozenset[str]:
    found: set[str] = set()
    ahead = [name]
    while ahead:
        for each in steps[ahead.pop()].after - found:
            if each in steps:
                found.add(each)
                ahead.append(each)
    return frozenset(found)


def _heaviest(
    names: Sequence[str], takes: Mapping[str, int], before: Mapping[str, frozenset[str]]
) -> int:
    """The most that steps take which may run at a time."""
    if not names:
        return 0
    first, *others = names
    beside = [name for name in others if name not in before[first] and first not in before[name]]
    return max(takes[first] + _heaviest(beside, takes, before), _heaviest(others, takes, before))


def _uses(kind: str, arguments: Mapping[str, Any], defaults: Mapping[str, Any]) -> Counter[JobUse]:
    if kind == "Processing":
        cluster = arguments["ProcessingResources"]["ClusterConfig"]
        return _cluster("processing", cluster, defaults)
    if kind == "Training":
        return _training(arguments, defaults)
    if kind == "Transform":
        return _cluster("transform", arguments["TransformResources"], defaults)
    if kind == "Tuning":
        limits = arguments["HyperParameterTuningJobConfig"]["ResourceLimits"]
        parallel = int(_value(limits["MaxParallelTrainingJobs"], defaults))
        jobs = _training(arguments["TrainingJobDefinition"], defaults)
        uses = Counter({use: parallel * count for use, count in jobs.items()})
        uses[JobUse(TUNING, "")] = parallel
        return uses
    return Counter()


def _training(request: Mapping[str, Any], defaults: Mapping[str, Any]) -> Counter[JobUse]:
    is_spot = _value(request.get("EnableManagedSpotTraining", False), defaults)
    kind = "spot training" if is_spot else "training"
    return _cluster(kind, request["ResourceConfig"], defaults)


def _cluster(kind: str, cluster: Mapping[str, Any], defaults: Mapping[str, Any]) -> Counter[JobUse]:
    instance_type = str(_value(cluster["InstanceType"], defaults))
    return Counter({JobUse(kind, instance_type): int(_value(cluster["InstanceCount"], defaults))})


def _value(value: Any, defaults: Mapping[str, Any]) -> Any:
    """A value, or the default of the pipeline's parameter that it is."""
    if isinstance(value, Mapping):
        return defaults[value["Get"].removeprefix("Parameters.")]
    return value
