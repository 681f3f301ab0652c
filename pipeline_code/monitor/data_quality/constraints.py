"""Constraints in Model Monitor's documented form (`constraints.json`): suggested and read.

https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-byoc-constraints.html

They are a file to be edited: each feature's thresholds of drift stand in its
`monitoringConfigOverrides`; `perform_comparison` turns the comparison of one feature off, and
`evaluate_constraints` everything about it. What
is documented there means what it does in Model Monitor: `comparison_threshold` is of the
Kolmogorov-Smirnov distance, which fewer records may exceed (`Robust`),
`categorical_comparison_threshold` of the largest change of a value's share (`LInfinity`). Ours are
the thresholds of the other distances, and `small_sample_allowance`: by how much fewer records may
exceed each threshold.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline_code.common.exits import BadInput
from pipeline_code.features.definitions import Feature
from pipeline_code.monitor.data_quality.distances import Distance
from pipeline_code.monitor.data_quality.sketches import Summary
from pipeline_code.monitor.data_quality.thresholds import LEAST_THRESHOLDS, MINIMUM_RECORDS, Limits

__all__ = ["Constraint", "Constraints", "suggest_feature", "suggested"]

ENABLED, DISABLED = "Enabled", "Disabled"
METHODS = {"comparison_method": "Robust", "categorical_drift_method": "LInfinity"}
THRESHOLD_KEYS: Mapping[Distance, str] = {
    Distance.POPULATION_STABILITY: "population_stability_index_threshold",
    Distance.JENSEN_SHANNON: "jensen_shannon_threshold",
    Distance.KOLMOGOROV_SMIRNOV: "comparison_threshold",
    Distance.CATEGORICAL: "categorical_comparison_threshold",
}
ALLOWANCE = "small_sample_allowance"
FLAG = "0 or 1"


def suggested(features: list[Any]) -> Any:
    """The document with these features' constraints."""
    return {
        "version": 0,
        "features": features,
        "monitoring_config": {
            "evaluate_constraints": ENABLED,
            "emit_metrics": ENABLED,
            "datatype_check_threshold": 1.0,
            "domain_content_threshold": 1.0,
            "minimum_records": MINIMUM_RECORDS,
            "distribution_constraints": {
                "perform_comparison": ENABLED,
                **{THRESHOLD_KEYS[distance]: LEAST_THRESHOLDS[distance] for distance in Distance},
                **METHODS,
            },
        },
    }


def suggest_feature(
    feature: Feature,
    summary: Summary,
    limits: Mapping[Distance, Limits],
    history_days: int | None,
) -> Any:
    """One feature's constraints.

    Args:
        feature: Which.
        summary: What the training rows say about it.
        limits: What its distances may be, by the number of records.
        history_days: Days of transactions before the rows; None if that is not known.
    """
    comparison: dict[str, Any] = {"perform_comparison": ENABLED}
    allowances: dict[str, Any] = {}
    for distance, limit in limits.items():
        threshold = round(limit.values[-1], 4)
        comparison[THRESHOLD_KEYS[distance]] = threshold
        allowances["records"] = list(limit.records)
        allowances[distance] = [round(max(0.0, value - threshold), 4) for value in limit.values]
    comparison[ALLOWANCE] = allowances
    reason = _incomparable(feature, history_days)
    if reason:
        comparison |= {"perform_comparison": DISABLED, "reason": reason}
    constraints: dict[str, Any] = {
        "name": feature.name,
        "inferred_type": feature.store_type,
        "completeness": summary.completeness,
        "num_constraints": {"is_non_negative": summary.low >= 0},
    }
    if feature.unit == FLAG:
        constraints["string_constraints"] = {"domains": ["0", "1"]}
    return {**constraints, "monitoringConfigOverrides": {"distribution_constraints": comparison}}


def _incomparable(feature: Feature, history_days: int | None) -> str:
    if feature.follows_calendar:
        return "follows the calendar: a night's or a weekend's records differ from a week's"
    if history_days is not None and history_days < feature.warm_up.days:
        return (
            f"the window was not full yet: needs {feature.warm_up.days} days of history before the "
            f"training rows, had {history_days}"
        )
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """What one feature must satisfy.

    Attributes:
        name: The feature.
        inferred_type: Integral or Fractional.
        completeness: The least share of records that have a value.
        non_negative: Whether no value may be negative.
        domain: The only values there may be; None if there is no such constraint.
        evaluated: Whether any of this is looked at.
        compared: Whether it is compared with the baseline.
        thresholds: What each distance may be, of many records.
        allowances: What fewer records may exceed them by.
    """

    name: str
    inferred_type: str
    completeness: float
    non_negative: bool
    domain: tuple[float, ...] | None
    evaluated: bool
    compared: bool
    thresholds: Mapping[Distance, float]
    allowances: Mapping[Distance, Limits]

    def threshold(self, distance: Distance, records: int) -> float:
        """The threshold for as many records: the fewer, the more their sampling may differ."""
        allowance = self.allowances.get(distance)
        if allowance is None:
            return self.thresholds[distance]
        sizes = np.log(allowance.records)
        return self.thresholds[distance] + float(
            np.interp(np.log(records), sizes, allowance.values)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraints:
    """A whole `constraints.json`."""

    features: tuple[Constraint, ...]
    datatype_threshold: float
    domain_threshold: float
    minimum_records: int

    @classmethod
    def parse(cls, document: Any) -> "Constraints":
        """Reads the document.

        Raises:
            BadInput: It is not of the form that `monitor --baseline` writes, as one that an older
                version wrote, or compares by a method that we lack.
        """
        try:
            config = document["monitoring_config"]
            general = config["distribution_constraints"]
            return cls(
                features=tuple(
                    _constraints(document["features"], general, config["evaluate_constraints"])
                ),
                datatype_threshold=float(config["datatype_check_threshold"]),
                domain_threshold=float(config["domain_content_threshold"]),
                minimum_records=int(config["minimum_records"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadInput(
                "baseline constraints must have the form that `monitor --baseline` writes, got "
                f"none at {error}; run it to write them anew"
            ) from error


def _constraints(features: Any, general: Mapping[str, Any], evaluate: str) -> Iterator[Constraint]:
    for feature in features:
        # The documentation names it one way, and SageMaker's SDK writes it the other.
        overrides = {
            **feature.get("monitoringConfigOverrides", {}),
            **feature.get("monitoring_config_overrides", {}),
        }
        comparison = {**general, **overrides.get("distribution_constraints", {})}
        for key, ours in METHODS.items():
            if comparison[key] != ours:
                raise BadInput(
                    f"{key} of {feature['name']} must be {ours}, got {comparison[key]}; "
                    "run `monitor --baseline` to write the constraints anew"
                )
        allowance = comparison.get(ALLOWANCE, {})
        domains = feature.get("string_constraints", {}).get("domains")
        yield Constraint(
            name=feature["name"],
            inferred_type=feature["inferred_type"],
            completeness=float(feature["completeness"]),
            non_negative=bool(feature.get("num_constraints", {}).get("is_non_negative", False)),
            domain=None if domains is None else tuple(float(value) for value in domains),
            evaluated=overrides.get("evaluate_constraints", evaluate) == ENABLED,
            compared=comparison["perform_comparison"] == ENABLED,
            thresholds={
                distance: float(comparison[key]) for distance, key in THRESHOLD_KEYS.items()
            },
            allowances={
                distance: _limits(allowance["records"], allowance[distance])
                for distance in Distance
                if distance in allowance
            },
        )


def _limits(records: Any, values: Any) -> Limits:
    if len(records) != len(values) or list(records) != sorted(set(records)) or records[0] < 1:
        raise ValueError(f"{ALLOWANCE}, whose records must rise from 1 on, one for each value")
    return Limits(tuple(int(n) for n in records), tuple(float(value) for value in values))
