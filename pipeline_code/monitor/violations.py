"""Compares what was captured with the constraints (`constraint_violations.json`).

https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-interpreting-violations.html
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pipeline_code.monitor.columns import Column
from pipeline_code.monitor.constraints import Constraint, Constraints
from pipeline_code.monitor.drift import distance
from pipeline_code.monitor.statistics import Baseline

__all__ = ["MISSING_DATA", "Analysis", "Violation", "analyze"]

# Not among Model Monitor's own checks: its analyzer takes silence for health.
MISSING_DATA = "missing_data_check"
ALL_FEATURES = "All features"


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken constraint; the names are the documented ones."""

    feature_name: str
    constraint_check_type: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What was found.

    Attributes:
        records: Records analyzed.
        violations: All violations, missing data too.
        distances: How far each compared feature is from the baseline.
    """

    records: int
    violations: tuple[Violation, ...]
    distances: Mapping[str, float]

    @property
    def broken(self) -> tuple[Violation, ...]:
        """The violations by data that is there: what an alarm and a retraining are about."""
        return tuple(v for v in self.violations if v.constraint_check_type != MISSING_DATA)

    @property
    def enough(self) -> bool:
        """Whether there was enough to say that nothing has drifted."""
        return len(self.broken) == len(self.violations)

    def document(self) -> Any:
        """The documented form."""
        return {"violations": [asdict(violation) for violation in self.violations]}


def analyze(
    columns: Mapping[str, Column],
    records: int,
    constraints: Constraints,
    baselines: Mapping[str, Baseline],
) -> Analysis:
    """Checks every constraint; drift only where there are enough records to tell."""
    found: list[Violation] = []
    distances: dict[str, float] = {}
    if records < constraints.minimum_records:
        found.append(_too_few(records, constraints.minimum_records))
    if records:
        found += _column_violations(columns, constraints.features)
    for constraint in constraints.features:
        column, baseline = columns.get(constraint.name), baselines.get(constraint.name)
        if column is None:
            continue
        found += _value_violations(column, constraint, constraints.datatype_threshold)
        enough = len(column.numbers) >= constraints.minimum_records
        if enough and constraint.compared and baseline is not None:
            actual = baseline.buckets.count(column.numbers)
            distances[constraint.name] = distance(baseline.counts, actual)
            found += _drift_violations(column, constraint, baseline, distances[constraint.name])
    return Analysis(records=records, violations=tuple(found), distances=distances)


def _too_few(records: int, minimum: int) -> Violation:
    return Violation(
        ALL_FEATURES,
        MISSING_DATA,
        f"Not enough records: {records} in the interval, {minimum} are needed to look for drift",
    )


def _column_violations(
    columns: Mapping[str, Column], features: Sequence[Constraint]
) -> Iterator[Violation]:
    expected = {constraint.name for constraint in features}
    for name in (constraint.name for constraint in features):
        if name not in columns:
            yield Violation(name, "missing_column_check", "Feature of the baseline is in no record")
    for name in columns:
        if name not in expected:
            yield Violation(name, "extra_column_check", "Feature is not in the baseline")


def _value_violations(
    column: Column, constraint: Constraint, datatype_threshold: float
) -> Iterator[Violation]:
    if column.completeness < constraint.completeness:
        yield Violation(
            constraint.name,
            "completeness_check",
            f"Completeness {column.completeness:.4f} is below {constraint.completeness:.4f}: "
            f"{column.missing} records have no value",
        )
    matching = _matching_share(column, constraint.inferred_type)
    if matching < datatype_threshold:
        yield Violation(
            constraint.name,
            "data_type_check",
            f"Share of {constraint.inferred_type} values {matching:.4f} is below "
            f"{datatype_threshold:.4f}",
        )
    if constraint.non_negative and len(column.numbers) and column.numbers.min() < 0:
        yield Violation(
            constraint.name,
            "data_type_check",
            f"Values must not be negative, the smallest is {column.numbers.min():g}",
        )


def _matching_share(column: Column, inferred_type: str) -> float:
    if column.present == 0:
        return 1.0
    numbers = len(column.numbers) / column.present
    return numbers * column.integral_share if inferred_type == "Integral" else numbers


def _drift_violations(
    column: Column, constraint: Constraint, baseline: Baseline, moved: float
) -> Iterator[Violation]:
    threshold = constraint.threshold_for(baseline.counts, baseline.buckets.count(column.numbers))
    if moved > threshold:
        yield Violation(
            constraint.name,
            "baseline_drift_check",
            f"Population stability index {moved:.4f} is above {threshold:.4f}: the mean of "
            f"{len(column.numbers)} records is {column.numbers.mean():.6g}, "
            f"the baseline's {baseline.mean:.6g}",
        )
