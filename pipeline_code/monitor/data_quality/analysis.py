"""Compares what was captured with what the model learned from: types, completeness, domains, drift.

https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-interpreting-violations.html
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline_code.captures.chunks import Chunk
from pipeline_code.common.exits import BadInput
from pipeline_code.contracts.metrics import Dimension, MetricName
from pipeline_code.contracts.monitoring import MonitorKind
from pipeline_code.monitor.analysis import MISSING_DATA, Analysis, Measure, Violation
from pipeline_code.monitor.data_quality.constraints import Constraint, Constraints
from pipeline_code.monitor.data_quality.distances import Distance, measure
from pipeline_code.monitor.data_quality.grids import Grid
from pipeline_code.monitor.data_quality.profiles import Profile, describe
from pipeline_code.monitor.data_quality.sketches import Sketch, Summary

__all__ = ["ALL_FEATURES", "SCORE", "analyze"]

ALL_FEATURES = "All features"
# The model's responses, described without being constrained: their distribution is to change with
# the share of frauds.
SCORE = "score"
SCORES = Grid.even(0.0, 1.0, 100)
METRICS: Mapping[Distance, str] = {
    Distance.POPULATION_STABILITY: MetricName.FEATURE_DRIFT,
    Distance.JENSEN_SHANNON: MetricName.FEATURE_JENSEN_SHANNON,
    Distance.KOLMOGOROV_SMIRNOV: MetricName.FEATURE_KOLMOGOROV_SMIRNOV,
    Distance.CATEGORICAL: MetricName.FEATURE_CATEGORICAL_DISTANCE,
}


def analyze(chunks: Iterable[Chunk], statistics: Any, constraints: Any) -> Analysis:
    """Checks every constraint; drift only where there are enough records to tell.

    Args:
        chunks: What was captured, some records at a time; gone through once.
        statistics: The baseline's `statistics.json`.
        constraints: Its `constraints.json`.

    Raises:
        BadInput: A document is not of the form that `monitor --baseline` writes, or they are of
            different baselines.
    """
    profiles, rules = Profile.parse(statistics), Constraints.parse(constraints)
    _check_match(profiles, rules)
    dataset = _Dataset(profiles, rules)
    for chunk in chunks:
        dataset.add(chunk)
    summaries = dataset.sketch.summaries()
    found = list(_missing_data(dataset.sketch.records, rules))
    measures: list[Measure] = []
    if dataset.sketch.records:
        found += _column_violations(summaries, rules)
    for rule in rules.features:
        summary, profile = summaries.get(rule.name), profiles.get(rule.name)
        if summary is None or not rule.evaluated:
            continue
        found += _value_violations(summary, rule, rules.datatype_threshold)
        found += _domain_violations(summary, rule, dataset.known, rules.domain_threshold)
        enough = summary.numbers >= rules.minimum_records
        if enough and profile is not None and rule.compared:
            moved = _measures(summary, rule, profile)
            measures += moved
            found += _drift_violations(summary, rule, profile, moved)
    return Analysis(
        kind=MonitorKind.DATA_QUALITY,
        records=dataset.sketch.records,
        statistics=describe(summaries | dataset.scores.summaries(), dataset.sketch.records),
        violations=tuple(found),
        measures=tuple(measures),
    )


def _check_match(profiles: Mapping[str, Profile], rules: Constraints) -> None:
    for rule in rules.features:
        if rule.compared and rule.name not in profiles:
            raise BadInput(
                f"baseline statistics must describe {rule.name}, which the constraints compare, "
                "got nothing about it; give both files of one baseline"
            )


class _Dataset:
    """All that is kept of the records, however many there are."""

    def __init__(self, profiles: Mapping[str, Profile], rules: Constraints) -> None:
        self.sketch = Sketch({name: profile.grid for name, profile in profiles.items()})
        self.scores = Sketch({SCORE: SCORES})
        # By feature with a domain, records whose value is in it.
        self.known: Counter[str] = Counter()
        self._domains = {rule.name: rule.domain for rule in rules.features if rule.domain}

    def add(self, chunk: Chunk) -> None:
        self.sketch.add(chunk)
        for name, values in zip(chunk.names, chunk.values, strict=True):
            if name in self._domains:
                self.known[name] += int(np.isin(values, self._domains[name]).sum())
        if chunk.predictions is not None:
            self._add_scores(chunk.predictions[SCORE])

    def _add_scores(self, given: pa.ChunkedArray) -> None:
        if given.null_count == len(given):
            return
        scores = pc.fill_null(given, np.nan).to_numpy()[np.newaxis]
        nulls = np.array([given.null_count])
        self.scores.add(Chunk((SCORE,), scores, nulls, np.isnan(scores).sum(axis=1) - nulls))


def _missing_data(records: int, rules: Constraints) -> Iterator[Violation]:
    if records < rules.minimum_records:
        yield _violation(
            ALL_FEATURES,
            MISSING_DATA,
            f"Not enough records: {records} in the interval, {rules.minimum_records} are needed "
            "to look for drift",
        )


def _column_violations(summaries: Mapping[str, Summary], rules: Constraints) -> Iterator[Violation]:
    expected = {rule.name for rule in rules.features}
    for rule in rules.features:
        if rule.evaluated and rule.name not in summaries:
            yield _violation(
                rule.name, "missing_column_check", "Feature of the baseline is in no record"
            )
    for name in summaries:
        if name not in expected:
            yield _violation(name, "extra_column_check", "Feature is not in the baseline")


def _value_violations(
    summary: Summary, rule: Constraint, datatype_threshold: float
) -> Iterator[Violation]:
    if summary.completeness < rule.completeness:
        yield _violation(
            rule.name,
            "completeness_check",
            f"Completeness {summary.completeness:.4f} is below {rule.completeness:.4f}: "
            f"{summary.missing} records have no value",
        )
    matching = _matching_share(summary, rule.inferred_type)
    if matching < datatype_threshold:
        yield _violation(
            rule.name,
            "data_type_check",
            f"Share of {rule.inferred_type} values {matching:.4f} is below "
            f"{datatype_threshold:.4f}",
        )
    if rule.non_negative and summary.low < 0:
        yield _violation(
            rule.name,
            "data_type_check",
            f"Values must not be negative, the smallest is {summary.low:g}",
        )


def _matching_share(summary: Summary, inferred_type: str) -> float:
    if summary.present == 0:
        return 1.0
    numbers = summary.numbers / summary.present
    return numbers * summary.integral_share if inferred_type == "Integral" else numbers


def _domain_violations(
    summary: Summary, rule: Constraint, known: Mapping[str, int], threshold: float
) -> Iterator[Violation]:
    if rule.domain is None or summary.numbers == 0:
        return
    share = known[rule.name] / summary.numbers
    if share < threshold:
        values = ", ".join(f"{value:g}" for value in rule.domain)
        yield _violation(
            rule.name,
            "categorical_values_check",
            f"Share of values that are one of {values}: {share:.4f} is below {threshold:.4f}",
        )


def _measures(summary: Summary, rule: Constraint, profile: Profile) -> list[Measure]:
    moved = measure(profile.grid, profile.counts, summary.counts)
    return [
        Measure(
            metric=METRICS[distance],
            value=float(value),
            dimensions={Dimension.FEATURE: rule.name},
            threshold=rule.threshold(distance, summary.numbers),
        )
        for distance, value in moved.items()
    ]


def _drift_violations(
    summary: Summary, rule: Constraint, profile: Profile, moved: list[Measure]
) -> Iterator[Violation]:
    """One, whatever the number of distances that say so."""
    words = {METRICS[distance]: distance.words for distance in Distance}
    over = [
        f"{words[one.metric]} {one.value:.4f} is above {one.threshold:.4f}"
        for one in moved
        if one.threshold is not None and one.value > one.threshold
    ]
    if over:
        story = ", ".join(over)
        yield _violation(
            rule.name,
            "baseline_drift_check",
            f"{story[0].upper()}{story[1:]}: the mean of {summary.numbers} records is "
            f"{summary.mean:.6g}, the baseline's {profile.mean:.6g}",
        )


def _violation(name: str, check: str, description: str) -> Violation:
    return Violation(name, check, description, {"feature_name": name})
