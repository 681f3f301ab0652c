"""The analysis of a model's quality on traffic, by labels that have become known.

https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-model-quality-metrics.html

Only predictions that have been judged count; how many of all that is stands beside every figure.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from pipeline_code.captures.ground_truth import LabelledRecords
from pipeline_code.common.exits import BadInput
from pipeline_code.contracts.metrics import Dimension, MetricName
from pipeline_code.contracts.monitoring import MonitorKind
from pipeline_code.monitor.analysis import MISSING_DATA, Analysis, Measure, Violation
from pipeline_code.monitor.model_quality.constraints import Constraint, Constraints
from pipeline_code.monitor.model_quality.figures import (
    FIGURES,
    WeightedQuality,
    calibration_document,
    metrics_document,
)
from pipeline_code.monitor.model_quality.labelled_predictions import LabelledPredictions
from pipeline_code.quality.metrics import Metric

__all__ = ["analyze"]

METRICS = "binary_classification_metrics"
ALL_METRICS = "All metrics"
# The deviations are for people to read; thresholds are by those of the baseline.
RESAMPLES = 20


def analyze(labelled: Iterable[LabelledRecords], statistics: Any, constraints: Any) -> Analysis:
    """Measures the judged predictions and checks every constraint.

    Memory is some 15 bytes a judged prediction until all are read, and some 170 while they are
    measured; those that nobody has judged yet are only counted.

    Args:
        labelled: Predictions, with what is known of them.
        statistics: The baseline's `statistics.json`.
        constraints: The baseline's `constraints.json`.

    Returns:
        With the violation `missing_data_check`, and no others, if too few predictions, or frauds
        among them, have been judged to say anything.

    Raises:
        BadInput: A document is not of its form, or a constraint is about an unknown metric.
    """
    held, baseline = Constraints.parse(constraints), _baseline(statistics)
    judged = LabelledPredictions.of(labelled, held.threshold)
    document = {"version": 0.0, "dataset": judged.dataset(), "label_maturity": judged.counts()}
    too_few = _too_few(judged, held)
    if not judged.rankable:
        return _analysis(judged, document, too_few)
    scored = judged.scored()
    yardstick = WeightedQuality.of(scored, judged.flagged, reviewed_share=held.reviewed_share)
    metrics, figures = metrics_document(scored, yardstick, RESAMPLES)
    document |= {METRICS: metrics, "calibration": calibration_document(scored)}
    _check_known(held, figures)
    if too_few:
        return _analysis(judged, document, too_few)
    violations = tuple(
        _broken(each, figures[each.metric], baseline.get(each.metric), judged.frauds)
        for each in held.of_metrics
        if each.is_broken(figures[each.metric].value, judged.frauds)
    )
    return _analysis(judged, document, violations, _measures(figures, baseline, held, judged))


def _analysis(
    judged: LabelledPredictions,
    document: Mapping[str, Any],
    violations: tuple[Violation, ...],
    measures: tuple[Measure, ...] = (),
) -> Analysis:
    return Analysis(
        kind=MonitorKind.MODEL_QUALITY,
        records=judged.predictions,
        statistics=document,
        violations=violations,
        measures=measures,
        maturity=judged.maturity,
    )


def _too_few(judged: LabelledPredictions, held: Constraints) -> tuple[Violation, ...]:
    enough = len(judged) >= held.minimum_records and judged.frauds >= held.minimum_frauds
    # Nothing but frauds ranks nothing either.
    if enough and judged.rankable:
        return ()
    description = (
        f"Not enough is known: {len(judged)} of {judged.predictions} predictions are judged, "
        f"{judged.frauds} of them frauds; {held.minimum_records} and {held.minimum_frauds} are "
        "needed to tell how good the model is"
    )
    return (Violation(ALL_METRICS, MISSING_DATA, description, {"metric_name": ALL_METRICS}),)


def _check_known(held: Constraints, figures: Mapping[str, Metric]) -> None:
    for each in held.of_metrics:
        if each.metric not in figures:
            raise BadInput(
                f"model quality constraints must be about {', '.join(figures)}, got {each.metric}"
            )


def _broken(constraint: Constraint, found: Metric, before: float | None, frauds: int) -> Violation:
    name, threshold = constraint.metric, constraint.threshold_for(frauds)
    compared = "" if before is None else f"; the baseline has {before:.4f}"
    return Violation(
        name,
        constraint.operator,
        f"Metric {name} with {found.value:.4f} +/- {found.standard_deviation:.4f} was "
        f"{constraint.operator} {threshold:.4f} for {frauds} frauds{compared}",
        {"metric_name": name},
    )


def _measures(
    figures: Mapping[str, Metric],
    baseline: Mapping[str, float],
    held: Constraints,
    judged: LabelledPredictions,
) -> tuple[Measure, ...]:
    thresholds = {each.metric: each.threshold_for(judged.frauds) for each in held.of_metrics}
    return tuple(
        Measure(
            metric=MetricName.MODEL_QUALITY,
            value=figures[name].value,
            dimensions={Dimension.FIGURE: title},
            baseline=baseline.get(name),
            threshold=thresholds.get(name),
        )
        for name, title in FIGURES.items()
    )


def _baseline(statistics: Any) -> dict[str, float]:
    """The baseline's figures by name."""
    try:
        return {
            name: float(entry["value"])
            for name, entry in statistics[METRICS].items()
            if isinstance(entry, dict) and "value" in entry
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInput(
            f"model quality statistics must have the section {METRICS}, got none at {error}; "
            "take the statistics.json of a model package's evaluation"
        ) from error
