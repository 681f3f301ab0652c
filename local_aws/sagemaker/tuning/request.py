"""A tuning job's request, checked before anything runs."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_aws.sagemaker import images
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.errors import unsupported, validation
from local_aws.sagemaker.jobs import clusters, training_plan
from local_aws.sagemaker.metric_watch import MetricWatch
from local_aws.sagemaker.tuning.search import BayesianSearch, GridSearch, RandomSearch, Search
from local_aws.sagemaker.tuning.space import Category, Space, Values

# SageMaker tells each training job by this hyperparameter what it is judged by.
OBJECTIVE = "_tuning_objective_metric"
_STRATEGIES = ("Bayesian", "Random", "Grid")
_COPIED = (
    "CheckpointConfig",
    "EnableInterContainerTrafficEncryption",
    "EnableManagedSpotTraining",
    "EnableNetworkIsolation",
    "Environment",
    "InputDataConfig",
    "OutputDataConfig",
    "RetryStrategy",
    "RoleArn",
    "StoppingCondition",
    "VpcConfig",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """A tuning job, ready to run.

    Args:
        name: Its name.
        metric: The objective.
        maximize: Whether more of it is better.
        space: What is searched.
        search: How.
        most_jobs: How many training jobs it starts at most.
        parallel: How many of them at once.
        seconds: For how long it runs at most, if that is bounded.
        stops_early: Whether training jobs that fall behind are stopped.
        target: The objective that is good enough, if one is.
        patience: After how many training jobs without a better one it ends, if it does.
        request: The request.
    """

    name: str
    metric: str
    maximize: bool
    space: Space
    search: Search
    most_jobs: int
    parallel: int
    seconds: float | None
    stops_early: bool
    target: float | None
    patience: int | None
    request: Mapping[str, Any]

    def is_better(self, value: float, other: float) -> bool:
        """Whether one objective is better than another."""
        return value > other if self.maximize else value < other

    def training_request(self, name: str, values: Values) -> dict[str, Any]:
        """The request of a training job of this name that tries these values."""
        return _training_request(self.request, name, self.metric, values)


def read(context: Context, request: Mapping[str, Any]) -> Tuning:
    """A tuning job of a request.

    Raises:
        ServiceError: Naming what is wrong, or not to be had here.
    """
    _check_supported(request)
    config = request["HyperParameterTuningJobConfig"]
    objective = config.get("HyperParameterTuningJobObjective")
    if objective is None:
        raise validation("HyperParameterTuningJobObjective must be given; it is what is tuned for")
    space = Space.parse(config.get("ParameterRanges") or {})
    static = request["TrainingJobDefinition"].get("StaticHyperParameters", {})
    for name in (*space.names, *static):
        if name == OBJECTIVE:
            raise validation(f"hyperparameter names must not be {OBJECTIVE}; it is reserved")
    for name in space.names:
        if name in static:
            raise validation(f"hyperparameter '{name}' must be static or have a range, got both")
    criteria, limits = config.get("TuningJobCompletionCriteria", {}), config["ResourceLimits"]
    strategy, seed = config["Strategy"], config.get("RandomSeed", secrets.randbits(31))
    tuning = Tuning(
        name=request["HyperParameterTuningJobName"],
        metric=objective["MetricName"],
        maximize=objective["Type"] == "Maximize",
        space=space,
        search=_search(strategy, space, seed),
        most_jobs=_most_jobs(strategy, space, limits),
        parallel=limits["MaxParallelTrainingJobs"],
        seconds=limits.get("MaxRuntimeInSeconds"),
        stops_early=config.get("TrainingJobEarlyStoppingType", "Off") == "Auto",
        target=criteria.get("TargetObjectiveMetricValue"),
        patience=criteria.get("BestObjectiveNotImproving", {}).get(
            "MaxNumberOfTrainingJobsNotImproving"
        ),
        request=request,
    )
    _check_training(context, tuning)
    return tuning


def _check_supported(request: Mapping[str, Any]) -> None:
    config = request["HyperParameterTuningJobConfig"]
    if config["Strategy"] not in _STRATEGIES:
        raise unsupported(
            f"the strategy {config['Strategy']}", f"there is {', '.join(_STRATEGIES)}"
        )
    if request.get("Autotune"):
        raise unsupported("Autotune", "give ranges and limits of your own")
    if request.get("TrainingJobDefinitions"):
        raise unsupported("TrainingJobDefinitions", "give one TrainingJobDefinition")
    if "TrainingJobDefinition" not in request:
        raise validation("TrainingJobDefinition must be given; it says what the jobs run")
    definition = request["TrainingJobDefinition"]
    for member in ("HyperParameterRanges", "TuningObjective"):
        if definition.get(member):
            raise validation(
                f"{member} must be absent in a single TrainingJobDefinition; give it in "
                "HyperParameterTuningJobConfig"
            )
    if definition.get("HyperParameterTuningResourceConfig", {}).get("InstanceConfigs"):
        raise unsupported("InstanceConfigs", "give one InstanceType")
    convergence = config.get("TuningJobCompletionCriteria", {}).get("ConvergenceDetected", {})
    if convergence.get("CompleteOnConvergence") == "Enabled":
        raise unsupported("ConvergenceDetected", "give BestObjectiveNotImproving")


def _search(strategy: str, space: Space, seed: int) -> Search:
    if strategy == "Grid":
        return GridSearch(space)
    return RandomSearch(space, seed) if strategy == "Random" else BayesianSearch(space, seed)


def _most_jobs(strategy: str, space: Space, limits: Mapping[str, int]) -> int:
    most, parallel = limits.get("MaxNumberOfTrainingJobs"), limits["MaxParallelTrainingJobs"]
    if strategy == "Grid":
        names = [item.name for item in space.ranges if not isinstance(item, Category)]
        if names:
            raise validation(f"ranges of strategy Grid must be categorical, got '{names[0]}'")
        if most is not None and most != space.count:
            raise validation(
                f"MaxNumberOfTrainingJobs must be {space.count}, the number of combinations of the "
                f"grid, got {most}; leave it out"
            )
        return int(space.count)
    if most is None:
        raise validation("MaxNumberOfTrainingJobs must be given; only strategy Grid knows it")
    if parallel > most:
        raise validation(
            f"MaxParallelTrainingJobs must be at most MaxNumberOfTrainingJobs ({most}), got "
            f"{parallel}"
        )
    return most


def _check_training(context: Context, tuning: Tuning) -> None:
    """Refuse a definition whose training jobs would be refused one by one."""
    request = tuning.training_request(f"{tuning.name}-001-00000000", {})
    training_plan.check(request)
    algorithm = request["AlgorithmSpecification"]
    images.check_job_image(context, algorithm["TrainingImage"], request["RoleArn"])
    count = request["ResourceConfig"].get("InstanceCount")
    names = clusters.host_names(count, "ResourceConfig.InstanceCount")
    training_plan.make_plan(request, Path(), "", names, [])
    definitions: Sequence[Mapping[str, str]] = algorithm.get("MetricDefinitions", [])
    MetricWatch(definitions)
    metrics = [item["Name"] for item in definitions]
    if tuning.metric not in metrics:
        raise validation(
            f"the objective '{tuning.metric}' must be one of the MetricDefinitions, which has "
            f"{', '.join(metrics) or 'none'}"
        )


def _training_request(
    request: Mapping[str, Any], name: str, metric: str, values: Values
) -> dict[str, Any]:
    definition = request["TrainingJobDefinition"]
    copied = {member: definition[member] for member in _COPIED if member in definition}
    resources = definition.get(
        "ResourceConfig", definition.get("HyperParameterTuningResourceConfig")
    )
    if resources is None:
        raise validation("ResourceConfig must be given in the TrainingJobDefinition")
    resources = {key: value for key, value in resources.items() if key != "AllocationStrategy"}
    if "CheckpointConfig" in copied:
        # Else training jobs would go on from each other's checkpoints.
        prefix = f"{copied['CheckpointConfig']['S3Uri'].rstrip('/')}/{name}/"
        copied["CheckpointConfig"] = {**copied["CheckpointConfig"], "S3Uri": prefix}
    return {
        "TrainingJobName": name,
        **copied,
        "AlgorithmSpecification": definition["AlgorithmSpecification"],
        "ResourceConfig": resources,
        "HyperParameters": {
            **definition.get("StaticHyperParameters", {}),
            **values,
            OBJECTIVE: metric,
        },
        **({"Tags": request["Tags"]} if request.get("Tags") else {}),
    }
