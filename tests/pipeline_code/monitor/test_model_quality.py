"""Quiet weeks raise nothing, lost quality is found, and too little is never called fine."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import ValidationError

from pipeline_code.captures.chunks import PREDICTIONS
from pipeline_code.captures.ground_truth import LabelledRecords
from pipeline_code.common.exits import BadInput
from pipeline_code.monitor.analysis import MISSING_DATA, Analysis
from pipeline_code.monitor.model_quality.analysis import analyze
from pipeline_code.monitor.model_quality.baseline import compute
from pipeline_code.monitor.model_quality.constraints import Constraint, Constraints
from pipeline_code.monitor.model_quality.figures import FIGURES
from pipeline_code.quality.metrics import card_precision
from pipeline_code.quality.scored import ScoredRows
from tests.pipeline_code.monitor.documented_forms import check
from tests.pipeline_code.monitor.scored_weeks import (
    REVIEWS_PER_DAY,
    ScoredWeeks,
    labelled,
    scored_weeks,
)
from tests.pipeline_code.quality.some_rows import random_rows

METRICS = "binary_classification_metrics"
CONSTRAINTS = "binary_classification_constraints"
DAY = 86_400_000_000
WEEKS = 20


@pytest.fixture(scope="module")
def world() -> ScoredWeeks:
    return scored_weeks(customers=250, weeks=WEEKS + 1, seed=0)


@pytest.fixture(scope="module")
def baseline(world: ScoredWeeks) -> tuple[Any, Any]:
    return baseline_of(world)


def baseline_of(world: ScoredWeeks) -> tuple[Any, Any]:
    return compute(world.scored(0), threshold=world.threshold, reviews_per_day=REVIEWS_PER_DAY)


def subjects(analysis: Analysis) -> set[str]:
    return {violation.subject for violation in analysis.violations}


@pytest.mark.parametrize("number", range(1, WEEKS + 1))
def test_a_quiet_week_raises_nothing(
    world: ScoredWeeks, baseline: tuple[Any, Any], number: int
) -> None:
    analysis = analyze(world.labelled(number), *baseline)
    assert analysis.violations == ()
    assert analysis.maturity == 1
    assert {measure.dimensions["Metric"] for measure in analysis.measures} == {*FIGURES.values()}


@pytest.mark.parametrize("seed", range(1, 4))
def test_other_worlds_are_as_quiet_and_their_losses_found(seed: int) -> None:
    other = scored_weeks(customers=500, weeks=3, seed=seed)
    documents = baseline_of(other)
    for number in (1, 2):
        assert analyze(other.labelled(number), *documents).broken == ()
    assert "recall" in subjects(analyze(other.labelled(1, permuted(other, 1)), *documents))


def permuted(world: ScoredWeeks, number: int) -> np.ndarray[Any, np.dtype[np.int8]]:
    """As many frauds as there were, elsewhere."""
    labels = world.week(number).labels()
    return np.random.default_rng(7).permutation(labels)


def test_permuted_labels_are_found_in_one_week(
    world: ScoredWeeks, baseline: tuple[Any, Any]
) -> None:
    analysis = analyze(world.labelled(1, permuted(world, 1)), *baseline)
    assert subjects(analysis) >= {"average_precision", "auc", "recall"}
    assert {violation.check for violation in analysis.broken} == {"LessThanThreshold"}


def test_frauds_where_the_model_sees_none_are_found(
    world: ScoredWeeks, baseline: tuple[Any, Any]
) -> None:
    """A new kind of fraud, of twice as many as there were; the inputs are as always."""
    week = world.week(1)
    labels, scores = week.labels().copy(), world.scored(1).scores
    lowest = np.argsort(scores)[: 2 * int(labels.sum())]
    labels[lowest] = 1
    assert "recall" in subjects(analyze(world.labelled(1, labels), *baseline))


def test_what_is_not_judged_yet_changes_maturity_alone(
    world: ScoredWeeks, baseline: tuple[Any, Any]
) -> None:
    known = world.week(1).labels()
    waiting = np.arange(len(known)) >= len(known) // 2
    half = analyze(world.labelled(1, np.where(waiting, -1, known).astype(np.int8)), *baseline)
    (judged, *_) = world.labelled(1, size=len(known))
    alone = analyze(
        [labelled(judged.predictions.slice(0, len(known) // 2), known[: len(known) // 2])],
        *baseline,
    )
    assert half.maturity == pytest.approx(0.5, abs=0.001)
    assert half.records == len(known)
    assert half.statistics[METRICS] == alone.statistics[METRICS]


def test_figures_do_not_depend_on_how_records_are_cut(
    world: ScoredWeeks, baseline: tuple[Any, Any]
) -> None:
    cut = analyze(world.labelled(1, size=371), *baseline)
    assert cut == analyze(world.labelled(1), *baseline)


@pytest.mark.parametrize(("records", "frauds"), [(0, 0), (199, 50), (1_000, 9), (1_000, 0)])
def test_too_little_is_missing_data_and_never_fine(
    world: ScoredWeeks, baseline: tuple[Any, Any], records: int, frauds: int
) -> None:
    labels = world.week(1).labels()
    known = np.full(len(labels), -1, np.int8)
    kept = [*np.flatnonzero(labels == 1)[:frauds], *np.flatnonzero(labels == 0)]
    known[kept[:records]] = labels[kept[:records]]
    (violation,) = analyze(world.labelled(1, known), *baseline).violations
    assert violation.check == MISSING_DATA
    assert f"{records} of {len(labels)} predictions are judged" in violation.description
    check("model_quality_violations", {"violations": [violation.document()]})


def test_no_traffic_at_all(baseline: tuple[Any, Any]) -> None:
    analysis = analyze([], *baseline)
    assert (analysis.records, analysis.maturity) == (0, 0.0)
    assert [violation.check for violation in analysis.violations] == [MISSING_DATA]
    assert analysis.measures == ()


def test_decisions_count_where_they_were_made(
    world: ScoredWeeks, baseline: tuple[Any, Any]
) -> None:
    """Whoever declined everything has found every fraud, whatever the scores say."""
    everything = [
        labelled(
            each.predictions.set_column(
                PREDICTIONS.get_field_index("decision"),
                PREDICTIONS.field("decision"),
                pa.array(["decline"] * len(each.labels)),
            ),
            each.labels,
        )
        for each in world.labelled(1)
    ]
    metrics = analyze(everything, *baseline).statistics[METRICS]
    assert metrics["recall"]["value"] == 1
    assert metrics["precision"]["value"] == metrics["prevalence"]["value"]


def test_documents_are_of_the_documented_forms(
    world: ScoredWeeks, baseline: tuple[Any, Any]
) -> None:
    statistics, constraints = baseline
    analysis = analyze(world.labelled(1, permuted(world, 1)), *baseline)
    assert analysis.broken
    for document in (statistics, analysis.statistics):
        assert json.loads(json.dumps(document, allow_nan=False)) == document
        check("model_quality_statistics", document)
        assert FIGURES.keys() <= document[METRICS].keys()
    check("model_quality_constraints", constraints)
    check("model_quality_violations", analysis.document())
    for violation in analysis.document()["violations"]:
        assert violation["metric_name"] in constraints[CONSTRAINTS]


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("statistics", {"version": 0.0, "dataset": {"item_count": 1}, METRICS: {}}),
        ("constraints", {"version": 0.0, CONSTRAINTS: {"auc": {"threshold": 1}}}),
        ("violations", {"violations": [{"feature_name": "auc", "description": "b"}]}),
    ],
)
def test_the_forms_refuse_what_is_not_documented(name: str, document: Any) -> None:
    with pytest.raises(ValidationError):
        check(f"model_quality_{name}", document)


def test_the_same_rows_give_the_same_bytes(world: ScoredWeeks, baseline: tuple[Any, Any]) -> None:
    assert json.dumps(baseline_of(world)) == json.dumps(baseline)


def test_the_baseline_measures_what_evaluation_measures() -> None:
    scored = random_rows(2_000)
    statistics, _ = compute(scored, threshold=0.6, reviews_per_day=100)
    measured = statistics[METRICS]["card_precision"]["value"]
    assert measured == pytest.approx(np.mean(card_precision(scored)))


def test_reviews_are_the_same_part_of_the_cards_whatever_the_traffic() -> None:
    """A fifth of the cards, each with all that it did, has about the same card precision."""
    scored = random_rows(20_000, skill=1.0)
    statistics, constraints = compute(scored, threshold=0.6, reviews_per_day=200)
    some = scored.customers % 5 == 0
    analysis = analyze([as_labelled(scored, some)], statistics, constraints)
    found = analysis.statistics[METRICS]["card_precision"]["value"]
    assert found == pytest.approx(statistics[METRICS]["card_precision"]["value"], rel=0.15)


def as_labelled(scored: ScoredRows, some: np.ndarray[Any, np.dtype[np.bool_]]) -> LabelledRecords:
    times = pa.array(scored.days[some] * DAY).cast(pa.timestamp("us", tz="UTC"))
    count = int(some.sum())
    columns = {
        "inference_time": times,
        "event_time": times,
        "customer_id": pa.array(scored.customers[some]),
        "score": pa.array(scored.scores[some]),
    }
    nothing = {
        field.name: pa.nulls(count, field.type)
        for field in PREDICTIONS
        if field.name not in columns
    }
    table = pa.table(columns | nothing).select(PREDICTIONS.names).cast(PREDICTIONS)
    return labelled(table, scored.labels[some])


@pytest.mark.parametrize("shift", [0.0, 0.1])
def test_calibration_errs_by_what_scores_are_off(shift: float) -> None:
    random = np.random.default_rng(3)
    truth = random.uniform(0.01, 0.8, 20_000)
    scored = replace(
        random_rows(len(truth)),
        labels=(random.random(len(truth)) < truth).astype(np.int8),
        scores=truth + shift,
    )
    statistics, _ = compute(scored, threshold=0.5, reviews_per_day=100)
    error = statistics[METRICS]["calibration_error"]["value"]
    assert error == pytest.approx(shift, abs=0.01)


def test_predictions_that_tell_neither_customer_nor_time_count_too() -> None:
    scored = random_rows(3_000, skill=1.0)
    documents = compute(scored, threshold=0.6, reviews_per_day=50)
    whole = as_labelled(scored, np.ones(len(scored), np.bool_))
    table = whole.predictions
    for name in ("event_time", "customer_id"):
        place = PREDICTIONS.get_field_index(name)
        table = table.set_column(
            place, PREDICTIONS.field(name), pa.nulls(len(scored), PREDICTIONS.field(name).type)
        )
    anonymous = analyze([labelled(table, whole.labels)], *documents)
    known = analyze([whole], *documents)
    for name in ("auc", "average_precision", "recall", "calibration_error"):
        assert (
            anonymous.statistics[METRICS][name]["value"] == known.statistics[METRICS][name]["value"]
        )


@given(
    threshold=st.floats(0, 1),
    noise=st.floats(0, 1),
    frauds=st.integers(0, 500),
    found=st.integers(1, 1_000),
    below=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_fewer_frauds_never_make_a_threshold_stricter(
    threshold: float, noise: float, frauds: int, found: int, below: bool
) -> None:
    held = Constraint(metric="auc", threshold=threshold, below=below, noise=noise, frauds=frauds)
    farther, nearer = held.threshold_for(found), held.threshold_for(found + 1)
    assert (farther <= nearer <= threshold) if below else (farther >= nearer >= threshold)


def test_a_threshold_that_somebody_wrote_is_held_as_it_stands(
    world: ScoredWeeks, baseline: tuple[Any, Any]
) -> None:
    statistics, constraints = baseline
    strict = {
        **constraints,
        CONSTRAINTS: {
            "accuracy": {"threshold": 1.0, "comparison_operator": "LessThanThreshold"},
            "prevalence": {"threshold": 0.0, "comparison_operator": "GreaterThanThreshold"},
        },
    }
    analysis = analyze(world.labelled(1), statistics, strict)
    assert {(v.subject, v.check) for v in analysis.broken} == {
        ("accuracy", "LessThanThreshold"),
        ("prevalence", "GreaterThanThreshold"),
    }


def broken_documents(constraints: Any) -> Iterator[tuple[Any, str]]:
    entry = {"threshold": 0.5, "comparison_operator": "LessThanThreshold"}
    yield {}, "form that evaluation writes, got none at 'monitoring_config'"
    yield {**constraints, CONSTRAINTS: {"luck": entry}}, "must be about .* got luck"
    yield (
        {**constraints, CONSTRAINTS: {"auc": {**entry, "comparison_operator": "Equals"}}},
        "comparison_operator of auc must be",
    )
    yield {**constraints, CONSTRAINTS: {"auc": {**entry, "threshold": "high"}}}, "form"


def test_broken_documents_are_refused(world: ScoredWeeks, baseline: tuple[Any, Any]) -> None:
    statistics, constraints = baseline
    for document, rule in broken_documents(constraints):
        with pytest.raises(BadInput, match=rule):
            analyze(world.labelled(1), statistics, document)
    with pytest.raises(BadInput, match="must have the section binary_classification_metrics"):
        analyze(world.labelled(1), {}, constraints)


def test_constraints_read_back_as_they_were_written(baseline: tuple[Any, Any]) -> None:
    assert Constraints.parse(baseline[1]).document() == baseline[1]
