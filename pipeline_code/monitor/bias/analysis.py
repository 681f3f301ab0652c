"""Bias drift: whether the deployed model treats customer segments more differently than it did.

https://docs.aws.amazon.com/sagemaker/latest/dg/clarify-model-monitor-bias-drift-violations.html

A difference counts as far as it is beyond chance: a measure breaks its constraint if nothing of its
interval lies in the allowed range. Only predictions that have been judged take part, those of
frauds and of others alike once they are old enough, so that the judged are like all.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline_code.captures.chunks import Chunk
from pipeline_code.captures.ground_truth import UNKNOWN, LabelledRecords
from pipeline_code.contracts.metrics import Dimension, MetricName
from pipeline_code.contracts.monitoring import MonitorKind
from pipeline_code.monitor.analysis import MISSING_DATA, Analysis, Measure, Violation
from pipeline_code.monitor.bias.documents import (
    Constraints,
    Measured,
    described,
    measured_values,
)
from pipeline_code.monitor.bias.figures import DESCRIPTIONS, RECALL, Figures, figures_of
from pipeline_code.monitor.bias.segment_counts import SegmentCounts
from pipeline_code.monitor.flagging import flagged
from pipeline_code.quality.bootstrap import CONFIDENCE, Interval
from pipeline_code.quality.segments import KINDS, NO_SEGMENT, Codes

__all__ = ["analyze"]

CHECK = "bias_drift_check"
ALL = "All segments"

Ints = npt.NDArray[np.int64]


def analyze(labelled: Iterable[LabelledRecords], statistics: Any, constraints: Any) -> Analysis:
    """Measures bias on the predictions that have been judged, and holds it against the baseline.

    Memory is some bytes a judged prediction, and less where a card has many.

    Args:
        labelled: Predictions, with what is known of them.
        statistics: What the model's evaluation measured.
        constraints: What it allows.

    Returns:
        With the violation `missing_data_check` if no segment has enough judged frauds.

    Raises:
        BadInput: The baseline has another form.
    """
    allowed, values = Constraints.parse(constraints), measured_values(statistics)
    judged = _LabelledPredictions()
    for each in labelled:
        judged.add(each, allowed.threshold)
    figures: Figures = {}
    if judged.counts.judged:
        figures = figures_of(judged.counts.cells(), allowed.minimum)
    return Analysis(
        kind=MonitorKind.BIAS,
        records=judged.predictions,
        statistics=described(figures, judged.told()),
        violations=(*_missing(figures, allowed, judged), *_broken(figures, allowed, values)),
        measures=tuple(_measures(figures, allowed, values)),
        maturity=judged.maturity,
    )


def _missing(
    figures: Figures, allowed: Constraints, judged: "_LabelledPredictions"
) -> Iterator[Violation]:
    if not any(name == RECALL for _, name in figures):
        yield Violation(
            ALL,
            MISSING_DATA,
            f"Not enough judged frauds: {judged.counts.frauds} among {judged.counts.judged} judged "
            f"of {judged.predictions} predictions; a segment and the rest of its kind need "
            f"{allowed.minimum} each to compare recall",
            {"facet": ALL, "facet_value": ALL, "metric_name": RECALL},
        )


def _broken(
    figures: Figures, allowed: Constraints, values: Mapping[Measured, float]
) -> Iterator[Violation]:
    for (facet, name), figure in figures.items():
        limits = allowed.allowed.get((facet, name))
        if limits is None or _overlap(figure.interval, limits):
            continue
        before = values.get((facet, name))
        yield Violation(
            str(facet),
            CHECK,
            f"{DESCRIPTIONS[name]} {figure.value:.4f}, with {CONFIDENCE:.0%} confidence between "
            f"{figure.interval.low:.4f} and {figure.interval.high:.4f}, is outside of "
            f"{limits.low:.4f} to {limits.high:.4f}; the baseline's is "
            f"{'not known' if before is None else f'{before:.4f}'}",
            {"facet": facet.kind.name, "facet_value": facet.segment, "metric_name": name},
        )


def _overlap(one: Interval, other: Interval) -> bool:
    return one.low <= other.high and other.low <= one.high


def _measures(
    figures: Figures, allowed: Constraints, values: Mapping[Measured, float]
) -> Iterator[Measure]:
    """Recall alone, lest there be a metric for each measure of each segment."""
    for (facet, name), figure in figures.items():
        limits = allowed.allowed.get((facet, name))
        if name == RECALL:
            yield Measure(
                metric=MetricName.BIAS_DIFFERENCE,
                value=figure.value,
                dimensions={Dimension.SEGMENT: str(facet)},
                baseline=values.get((facet, name)),
                threshold=None if limits is None else limits.high,
            )


@dataclass(slots=True)
class _LabelledPredictions:
    """What is known of an interval's predictions.

    Attributes:
        predictions: How many there are.
        undecided: Judged ones that tell neither decision nor score, and are left out.
        strangers: Judged ones that do not tell their customer.
    """

    counts: SegmentCounts = field(default_factory=SegmentCounts)
    predictions: int = 0
    undecided: int = 0
    strangers: int = 0

    @property
    def maturity(self) -> float:
        """The part of the predictions that has been judged; 0 of none."""
        judged = self.counts.judged + self.undecided
        return judged / self.predictions if self.predictions else 0.0

    def told(self) -> dict[str, float]:
        """The counts, for the statistics."""
        return {
            "all": self.predictions,
            "judged": self.counts.judged,
            "frauds": self.counts.frauds,
            "undecided": self.undecided,
            "without_customer": self.strangers,
        }

    def add(self, labelled: LabelledRecords, threshold: float) -> None:
        """Counts some more; without a decision, scores from the threshold on are flagged."""
        self.predictions += len(labelled.labels)
        called = flagged(labelled.predictions, threshold)
        decided = pc.is_valid(called).to_numpy()
        known = labelled.labels != UNKNOWN
        self.undecided += int((known & ~decided).sum())
        kept = np.flatnonzero(known & decided)
        if len(kept):
            self.counts.add(
                self._customers(labelled.predictions["customer_id"].take(pa.array(kept))),
                _segments(labelled.chunk, kept),
                labelled.labels[kept],
                called.take(pa.array(kept)).to_numpy().astype(np.bool_),
            )

    def _customers(self, column: pa.ChunkedArray) -> Ints:
        """Each one's customer; one whose customer is not told is nobody else's."""
        customers: Ints = pc.fill_null(column, 0).to_numpy().astype(np.int64)
        unknown = np.flatnonzero(pc.is_null(column).to_numpy())
        customers[unknown] = -1 - self.strangers - np.arange(len(unknown))
        self.strangers += len(unknown)
        return customers


def _segments(chunk: Chunk, indices: Ints) -> dict[str, Codes]:
    """The segment of each record at these places, by kind; none where the feature is not there."""
    codes = {}
    for kind in KINDS:
        if kind.feature in chunk.names:
            values = chunk.values[chunk.names.index(kind.feature)][indices]
            codes[kind.name] = kind.codes_of(values.astype(np.float32))
        else:
            codes[kind.name] = np.full(len(indices), NO_SEGMENT, np.int8)
    return codes
