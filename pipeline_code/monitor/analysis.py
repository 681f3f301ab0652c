"""The result of an analysis of any kind: violations, figures, and the documents about them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline_code.contracts.monitoring import MonitorKind

__all__ = ["CLARIFY_VERSION", "MISSING_DATA", "Analysis", "Measure", "Violation"]

# Not among Model Monitor's own checks: its analyzer takes silence for health.
MISSING_DATA = "missing_data_check"
# Of Clarify's documents.
CLARIFY_VERSION = "1.0"


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken constraint.

    Attributes:
        subject: What it is about: a feature, a metric or a segment.
        check: The documented `constraint_check_type`.
        description: What was found and what is allowed, in words.
        names: The subject by the documented names of its kind, as `feature_name`.
    """

    subject: str
    check: str
    description: str
    names: Mapping[str, str]

    def document(self) -> dict[str, str]:
        """The entry of `constraint_violations.json`."""
        return {
            **self.names,
            "constraint_check_type": self.check,
            "description": self.description,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One figure, for CloudWatch and the report.

    Attributes:
        metric: CloudWatch's metric name.
        value: The figure.
        dimensions: Beside the endpoint, as `{"Feature": "amount_minor"}`.
        baseline: The same figure of the baseline, if it has one.
        threshold: What it is held against, if it is.
        unit: CloudWatch's unit.
    """

    metric: str
    value: float
    dimensions: Mapping[str, str] = field(default_factory=dict)
    baseline: float | None = None
    threshold: float | None = None
    unit: str = "None"


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What was found.

    Attributes:
        kind: What was looked for.
        records: Records analyzed.
        statistics: The document `statistics.json`.
        violations: All violations, missing data too.
        measures: Figures to publish.
        maturity: Share of the predictions that are old enough to be judged; None if no label
            is waited for.
    """

    kind: MonitorKind
    records: int
    statistics: Any
    violations: tuple[Violation, ...]
    measures: tuple[Measure, ...] = ()
    maturity: float | None = None

    @property
    def broken(self) -> tuple[Violation, ...]:
        """The violations by data that is there: what an alarm and a retraining are about."""
        return tuple(v for v in self.violations if v.check != MISSING_DATA)

    @property
    def enough(self) -> bool:
        """Whether there was enough to say that nothing is wrong."""
        return len(self.broken) == len(self.violations)

    def document(self) -> Any:
        """The document `constraint_violations.json`; Clarify's kinds have a version in theirs."""
        version = {"version": CLARIFY_VERSION} if self.kind.is_clarifys else {}
        return {**version, "violations": [violation.document() for violation in self.violations]}
