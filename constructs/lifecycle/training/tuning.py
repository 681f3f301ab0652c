"""Tuning: which hyperparameters are tried, and the tuning job made of a training job's request."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from lifecycle.training.job import OBJECTIVE
from lifecycle.training.tuning_ranges import CategoricalRange, ContinuousRange, IntegerRange, Range

__all__ = ["TuningConfig", "tuning_request"]

STRATEGIES: Final = ("Bayesian", "Random", "Grid")
# SageMaker's limits.
MOST_RANGES: Final = 30
MOST_JOBS: Final = 750
MOST_PARALLEL_JOBS: Final = 100
MOST_PARENTS: Final = 5
# A tuning job's definition has no such members: its image is started with the argument `train`,
# and it has no profiler.
NOT_IN_TUNING: Final = ("CheckpointConfig", "HyperParameters", "ProfilerConfig")


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningConfig:
    """Several training jobs in place of one, of which the one that validates best is the model.

    TuningConfig(ranges=[IntegerRange(name="max_depth", low=4, high=8)], max_jobs=12)

    Attributes:
        ranges: Which hyperparameters are tried, and between which values.
        strategy: `Bayesian` learns from the jobs before; `Random` draws; `Grid` tries every
            combination of categorical ranges.
        max_jobs: How many training jobs there are at most.
        max_parallel_jobs: How many run at a time; `Bayesian` learns more from fewer.
        early_stopping: Whether jobs that fall behind are stopped.
        warm_start_parents: Earlier tuning jobs, by name, to learn from.
        random_seed: Seed of what is tried.
    """

    ranges: Sequence[Range]
    strategy: Literal["Bayesian", "Random", "Grid"] = "Bayesian"
    max_jobs: int = 20
    max_parallel_jobs: int = 2
    early_stopping: bool = True
    warm_start_parents: Sequence[str] = ()
    random_seed: int = 7

    def __post_init__(self) -> None:
        self._check_ranges()
        self._check_numbers()
        if self.strategy not in STRATEGIES:
            raise ValueError(
                f"strategy must be one of {', '.join(STRATEGIES)}, got {self.strategy}; "
                "use Bayesian unless there is a reason"
            )
        if self.strategy == "Grid":
            self._check_grid()

    def _check_ranges(self) -> None:
        names = [each.name for each in self.ranges]
        if not 1 <= len(names) <= MOST_RANGES:
            raise ValueError(
                f"ranges must be between 1 and {MOST_RANGES}, got {len(names)}; name what is tried"
            )
        if len(set(names)) != len(names):
            raise ValueError(
                f"ranges must name a hyperparameter once, got {', '.join(names)}; "
                "merge those of one name"
            )

    def _check_numbers(self) -> None:
        for name, lowest, highest in (
            ("max_jobs", 1, MOST_JOBS),
            ("max_parallel_jobs", 1, min(self.max_jobs, MOST_PARALLEL_JOBS)),
            ("random_seed", 0, 2**31 - 1),
        ):
            value = getattr(self, name)
            if not lowest <= value <= highest:
                raise ValueError(
                    f"{name} must be between {lowest} and {highest}, got {value}; "
                    "give a whole number"
                )
        if len(self.warm_start_parents) > MOST_PARENTS:
            raise ValueError(
                f"warm_start_parents must be at most {MOST_PARENTS}, got "
                f"{len(self.warm_start_parents)}; name the newest"
            )

    def _check_grid(self) -> None:
        categories = [each for each in self.ranges if isinstance(each, CategoricalRange)]
        if len(categories) != len(self.ranges):
            raise ValueError(
                "ranges must all be categorical with strategy Grid, got "
                f"{', '.join(type(each).__name__ for each in self.ranges)}; use Random for others"
            )
        combinations = math.prod(len(each.values) for each in categories)
        if combinations > self.max_jobs:
            raise ValueError(
                f"max_jobs must be at least the {combinations} combinations of strategy Grid, got "
                f"{self.max_jobs}; allow more jobs, or try fewer values"
            )


def tuning_request(training: Mapping[str, Any], config: TuningConfig) -> dict[str, Any]:
    """A tuning job whose training jobs are like one.

    They keep no checkpoints: all of them would write to one place. An interrupted one starts again.

    Args:
        training: Request of the one training job.
        config: What is tried.
    """
    tuned = {each.name for each in config.ranges}
    fixed = {
        name: value
        for name, value in training.get("HyperParameters", {}).items()
        if name not in tuned
    }
    definition = {name: value for name, value in training.items() if name not in NOT_IN_TUNING}
    definition["AlgorithmSpecification"] = {
        name: value
        for name, value in training["AlgorithmSpecification"].items()
        if name != "ContainerEntrypoint"
    }
    if fixed:
        definition["StaticHyperParameters"] = fixed
    request = {
        "HyperParameterTuningJobConfig": _job_config(config),
        "TrainingJobDefinition": definition,
    }
    if config.warm_start_parents:
        request["WarmStartConfig"] = {
            "ParentHyperParameterTuningJobs": [
                {"HyperParameterTuningJobName": name} for name in config.warm_start_parents
            ],
            # The other type demands the very same data, and every execution has newer.
            "WarmStartType": "TransferLearning",
        }
    return request


def _job_config(config: TuningConfig) -> dict[str, Any]:
    limits = {"MaxParallelTrainingJobs": config.max_parallel_jobs}
    # The number of a grid's jobs is that of its combinations; SageMaker counts them itself.
    if config.strategy != "Grid":
        limits["MaxNumberOfTrainingJobs"] = config.max_jobs
    return {
        "Strategy": config.strategy,
        "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": OBJECTIVE},
        "ResourceLimits": limits,
        "ParameterRanges": {
            f"{kind}ParameterRanges": [
                each.as_request() for each in config.ranges if isinstance(each, of_kind)
            ]
            for kind, of_kind in (
                ("Categorical", CategoricalRange),
                ("Continuous", ContinuousRange),
                ("Integer", IntegerRange),
            )
        },
        "TrainingJobEarlyStoppingType": "Auto" if config.early_stopping else "Off",
        "RandomSeed": config.random_seed,
    }
