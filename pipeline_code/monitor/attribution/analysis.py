"""Feature attribution drift: whether the model's scores are made of what they were made of.

https://docs.aws.amazon.com/sagemaker/latest/dg/clarify-model-monitor-model-attribution-drift-violations.html

It needs no labels, so it tells of a broken or new kind of input before any fraud report could. A
record without one of the features is explained as the model would score it: as not known.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Self

from pipeline_code.captures.chunks import Chunk
from pipeline_code.common.exits import BadInput
from pipeline_code.contracts.metrics import MetricName
from pipeline_code.contracts.monitoring import MonitorKind
from pipeline_code.monitor.analysis import MISSING_DATA, Analysis, Measure, Violation
from pipeline_code.monitor.attribution.attributions import (
    LABEL,
    Attributions,
    agreement,
    described,
    shift,
)
from pipeline_code.monitor.attribution.limits import Limits
from pipeline_code.monitor.attribution.record_sample import RecordSample
from pipeline_code.quality.importance import ROWS
from pipeline_code.train.model import Model

__all__ = ["analyze"]

CHECK = "feature_attribution_drift_check"
NAMES = {"label": LABEL, "metric_name": "shap"}
MOVED = 3  # features that a violation tells of


def analyze(chunks: Iterable[Chunk], model: Model, statistics: Any, constraints: Any) -> Analysis:
    """Explains some of the records, and compares the explanation with the baseline's.

    Args:
        chunks: What was captured of the model's traffic.
        model: The model that answered it.
        statistics: What the model's evaluation measured.
        constraints: What it allows.

    Raises:
        BadInput: The baseline has another form, or is about another model.
    """
    baseline = _Baseline.parse(statistics, constraints)
    baseline.require(model)
    sample = RecordSample(model.metadata.feature_names, ROWS)
    for chunk in chunks:
        sample.add(chunk)
    rows = sample.rows()
    found = None
    if len(rows):
        found = Attributions.of(model.metadata.feature_names, model.contributions(rows))
    limits = baseline.limits_for(sample.records)
    violations: Iterable[Violation] = [_too_few(sample.records, baseline.minimum_records)]
    measures: Iterable[Measure] = ()
    if found is not None and limits is not None:
        compared = _Comparison.of(baseline.attributions, found, limits)
        violations, measures = compared.violations(), compared.measures()
    return Analysis(
        kind=MonitorKind.ATTRIBUTION,
        records=sample.records,
        statistics=described(
            found, records=sample.records, explained=len(rows), incomplete=sample.incomplete
        ),
        violations=tuple(violations),
        measures=tuple(measures),
    )


def _too_few(records: int, minimum: int) -> Violation:
    return Violation(
        LABEL,
        MISSING_DATA,
        f"Not enough records: {records} in the interval, {minimum} are needed to explain scores",
        NAMES,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Baseline:
    """What both documents say; limits by falling number of records."""

    attributions: Attributions
    limits: tuple[Limits, ...]

    @classmethod
    def parse(cls, statistics: Any, constraints: Any) -> Self:
        """Reads the documents; the constraints' explanation counts, as it does in Clarify."""
        measured = Attributions.parse(statistics, "baseline statistics")
        allowed = Attributions.parse(constraints, "baseline constraints")
        if measured.names != allowed.names:
            raise BadInput(
                f"baseline statistics must be about the constraints' {len(allowed.names)} features "
                f"in their order, got {', '.join(measured.names)}; take both of one evaluation"
            )
        try:
            entries = constraints["monitoring_config"]["attribution_constraints"]
            limits = sorted(map(Limits.parse, entries), key=lambda each: -each.records)
            if not limits:
                raise ValueError("attribution_constraints")
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput(
                "baseline constraints must have monitoring_config.attribution_constraints with "
                f"records, ndcg_at_least and shift_at_most, got none at {error}; evaluate the "
                "model again to write them anew"
            ) from error
        return cls(attributions=allowed, limits=tuple(limits))

    @property
    def minimum_records(self) -> int:
        """Fewer records are not judged."""
        return self.limits[-1].records

    def require(self, model: Model) -> None:
        """Raises BadInput unless the baseline is about this model's features."""
        names = model.metadata.feature_names
        if self.attributions.names != names:
            raise BadInput(
                f"baseline constraints must be about the model's features {', '.join(names)}, "
                f"got {', '.join(self.attributions.names)}; take the baseline of this version"
            )

    def limits_for(self, records: int) -> Limits | None:
        """The limits for so many records, or the next fewer; None if that is too few."""
        return next((each for each in self.limits if each.records <= records), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Comparison:
    """Both figures, and what is allowed of them."""

    limits: Limits
    agreement: float
    shift: float
    moved: str

    @classmethod
    def of(cls, expected: Attributions, found: Attributions, limits: Limits) -> Self:
        return cls(
            limits=limits,
            agreement=agreement(expected.sizes, found.sizes),
            shift=shift(expected.sizes, found.sizes),
            moved=", ".join(expected.moved(found, MOVED)),
        )

    def violations(self) -> Iterator[Violation]:
        if self.agreement < self.limits.least_agreement:
            yield self._violation(
                f"Agreement of the features' ranks (nDCG) {self.agreement:.4f} is below "
                f"{self.limits.least_agreement:.4f}"
            )
        if self.shift > self.limits.largest_shift:
            yield self._violation(
                f"The part of all contributions that changed its feature {self.shift:.4f} is above "
                f"{self.limits.largest_shift:.4f}"
            )

    def _violation(self, found: str) -> Violation:
        description = f"{found}; the shares that changed most: {self.moved}"
        return Violation(LABEL, CHECK, description, NAMES)

    def measures(self) -> Iterator[Measure]:
        yield Measure(
            metric=MetricName.ATTRIBUTION_RANK,
            value=self.agreement,
            baseline=1.0,
            threshold=self.limits.least_agreement,
        )
        yield Measure(
            metric=MetricName.ATTRIBUTION_SHIFT,
            value=self.shift,
            baseline=0.0,
            threshold=self.limits.largest_shift,
        )
