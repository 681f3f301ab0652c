"""Constraints in Model Monitor's documented form (`constraints.json`): suggested and read.

https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-byoc-constraints.html

They are a file to be edited: each feature's threshold of drift stands in its
`monitoringConfigOverrides`, and `perform_comparison` turns the comparison of one feature off.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline_code.common.exits import BadInput
from pipeline_code.features.definitions import FEATURES, Feature
from pipeline_code.monitor.columns import Column
from pipeline_code.monitor.drift import (
    Buckets,
    Ints,
    sampling_noise,
    split_half_distance,
)

__all__ = ["Constraint", "Constraints", "suggest"]

METHOD = "PopulationStabilityIndex"
# Below this no feature is said to have drifted, however much alike the baseline's halves are.
LEAST_THRESHOLD = 0.15
# Fewer records say nothing about ten buckets.
MINIMUM_RECORDS = 200
SEED = 20180401
ENABLED, DISABLED = "Enabled", "Disabled"


def suggest(
    columns: Mapping[str, Column],
    buckets: Mapping[str, Buckets],
    owners: Mapping[str, Ints],
    history_days: int | None,
) -> Any:
    """The constraints that the training rows themselves suggest.

    Args:
        columns: The training rows' features.
        buckets: Each feature's buckets.
        owners: Each feature's customer or terminal, by row.
        history_days: Days of transactions before the rows; None if that is not known.
    """
    random = np.random.default_rng(SEED)
    features = []
    for feature in FEATURES:
        column, edges = columns[feature.name], buckets[feature.name]
        halves = split_half_distance(column.numbers, owners[feature.name], edges, random)
        comparison: dict[str, Any] = {"perform_comparison": ENABLED, "comparison_method": METHOD}
        comparison["comparison_threshold"] = round(max(LEAST_THRESHOLD, halves), 4)
        comparison["sampling_noise"] = round(sampling_noise(edges), 4)
        reason = _incomparable(feature, history_days)
        if reason:
            comparison |= {"perform_comparison": DISABLED, "reason": reason}
        features.append(
            {
                "name": feature.name,
                "inferred_type": feature.store_type,
                "completeness": column.completeness,
                "num_constraints": {"is_non_negative": bool((column.numbers >= 0).all())},
                "monitoringConfigOverrides": {"distribution_constraints": comparison},
            }
        )
    return {"version": 0, "features": features, "monitoring_config": _config()}


def _incomparable(feature: Feature, history_days: int | None) -> str:
    if feature.follows_calendar:
        return "follows the calendar: a night's or a weekend's records differ from a week's"
    if history_days is not None and history_days < feature.warm_up.days:
        return (
            f"the window was not full yet: needs {feature.warm_up.days} days of history before the "
            f"training rows, had {history_days}"
        )
    return ""


def _config() -> dict[str, Any]:
    return {
        "evaluate_constraints": ENABLED,
        "emit_metrics": ENABLED,
        "datatype_check_threshold": 1.0,
        "minimum_records": MINIMUM_RECORDS,
        "distribution_constraints": {
            "perform_comparison": ENABLED,
            "comparison_threshold": LEAST_THRESHOLD,
            "comparison_method": METHOD,
        },
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """What one feature must satisfy."""

    name: str
    inferred_type: str
    completeness: float
    non_negative: bool
    compared: bool
    threshold: float
    sampling_noise: float

    def threshold_for(self, expected: Ints, actual: Ints) -> float:
        """The threshold for as many records: the fewer, the more their sampling may differ."""
        per_record = 1 / int(expected.sum()) + 1 / int(actual.sum())
        return self.threshold + self.sampling_noise * per_record


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraints:
    """A whole `constraints.json`."""

    features: tuple[Constraint, ...]
    datatype_threshold: float
    minimum_records: int

    @classmethod
    def parse(cls, document: Any) -> "Constraints":
        """Reads the document.

        Raises:
            BadInput: It is not of the documented form, or compares by a method that we lack.
        """
        try:
            config = document["monitoring_config"]
            general = config["distribution_constraints"]
            return cls(
                features=tuple(_constraints(document["features"], general)),
                datatype_threshold=float(config["datatype_check_threshold"]),
                minimum_records=int(config.get("minimum_records", MINIMUM_RECORDS)),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadInput(
                f"baseline constraints must have Model Monitor's form, got none at {error}; "
                "run `monitor --baseline` to write them anew"
            ) from error


def _constraints(features: Any, general: Mapping[str, Any]) -> Iterable[Constraint]:
    for feature in features:
        overrides = feature.get("monitoringConfigOverrides", {})
        comparison = {**general, **overrides.get("distribution_constraints", {})}
        if comparison["comparison_method"] != METHOD:
            raise BadInput(
                f"comparison_method of {feature['name']} must be {METHOD}, "
                f"got {comparison['comparison_method']}"
            )
        yield Constraint(
            name=feature["name"],
            inferred_type=feature["inferred_type"],
            completeness=float(feature["completeness"]),
            non_negative=bool(feature.get("num_constraints", {}).get("is_non_negative", False)),
            compared=comparison["perform_comparison"] == ENABLED,
            threshold=float(comparison["comparison_threshold"]),
            sampling_noise=float(comparison.get("sampling_noise", 0.0)),
        )
