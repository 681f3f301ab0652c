"""Feature attribution drift: its figures, its limits, quiet weeks and drifted ones."""

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from pipeline_code.captures.chunks import Chunk
from pipeline_code.common.exits import BadInput
from pipeline_code.features.definitions import FEATURE_NAMES
from pipeline_code.monitor.analysis import MISSING_DATA, Analysis
from pipeline_code.monitor.attribution.analysis import analyze
from pipeline_code.monitor.attribution.attributions import agreement, shift
from pipeline_code.monitor.attribution.baseline import compute
from pipeline_code.monitor.attribution.record_sample import RecordSample
from pipeline_code.quality.importance import ExplainedSample
from tests.pipeline_code.monitor.documented_forms import check
from tests.pipeline_code.monitor.model_weeks import Weeks, attribution_baseline, chunks, weeks

AMOUNTS = [name for name in FEATURE_NAMES if "_amount_" in name or name == "amount_minor"]

Rows = npt.NDArray[np.float32]


def analyzed(week: Weeks, matrix: Rows | None = None) -> Analysis:
    rows = week.live.matrix() if matrix is None else matrix
    return analyze(chunks(rows), week.model, *attribution_baseline(week))


def matrices() -> st.SearchStrategy[list[float]]:
    return st.lists(st.floats(0, 5, width=16), min_size=3, max_size=12)


@given(matrices(), st.randoms(use_true_random=False))
def test_agreement_is_scikit_learns_where_nothing_ties(expected: list[float], random: Any) -> None:
    found = list(range(len(expected)))
    random.shuffle(found)
    ours = agreement(np.array(expected), np.array(found, np.float64))
    if sum(expected) > 0:
        assert ours == pytest.approx(float(ndcg_score([expected], [found])), abs=1e-12)
    else:
        assert ours == 1.0


@given(matrices(), st.floats(0.125, 8))
def test_the_size_of_all_contributions_is_no_drift(sizes: list[float], factor: float) -> None:
    expected = np.array(sizes)
    assert agreement(expected, expected * factor) == 1.0
    assert shift(expected, expected * factor) == pytest.approx(0.0, abs=1e-12)


def test_a_shift_is_what_has_changed_its_feature() -> None:
    assert shift(np.array([3.0, 1.0, 0.0]), np.array([1.0, 1.0, 2.0])) == pytest.approx(0.5)
    assert shift(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == 1.0


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(0, 40), max_size=12), st.integers(1, 30))
def test_a_sample_does_not_depend_on_the_chunks(lengths: list[int], size: int) -> None:
    count = sum(lengths)
    width = len(FEATURE_NAMES)
    rows = np.arange(count * width, dtype=np.float32).reshape(count, width)
    whole, cut = (RecordSample(FEATURE_NAMES, size) for _ in range(2))
    for chunk in chunks(rows, size=max(count, 1)):
        whole.add(chunk)
    start = 0
    for length in lengths:
        for chunk in chunks(rows[start : start + length], size=max(length, 1)):
            cut.add(chunk)
        start += length
    assert cut.rows().tolist() == whole.rows().tolist()
    assert len(whole.rows()) == min(size, count)
    assert cut.records == count
    # In the order in which they came, and each at most once.
    assert (np.diff(whole.rows()[:, 0]) > 0).all()


def test_every_record_is_as_likely_to_be_drawn() -> None:
    rows = np.zeros((20_000, len(FEATURE_NAMES)), np.float32)
    rows[:, 0] = np.arange(len(rows))
    sample = RecordSample(FEATURE_NAMES, 4_000)
    for chunk in chunks(rows, size=700):
        sample.add(chunk)
    quarters = np.bincount(sample.rows()[:, 0].astype(np.int64) // 5_000, minlength=4)
    # Five standard deviations of a binomial count.
    assert (np.abs(quarters - 1_000) < 5 * np.sqrt(4_000 * 0.25 * 0.75)).all()


def test_a_feature_that_no_record_has_is_not_known() -> None:
    sample = RecordSample(("a", "b"), 5)
    sample.add(Chunk(("b", "c"), np.array([[1.0, np.nan], [2, 3]]), np.zeros(2), np.zeros(2)))  # type: ignore[arg-type]
    np.testing.assert_array_equal(sample.rows(), [[np.nan, 1], [np.nan, np.nan]])
    assert (sample.records, sample.incomplete) == (2, 2)


@pytest.mark.parametrize("seed", range(3))
def test_a_quiet_day_raises_nothing(seed: int) -> None:
    week = weeks(300, seed)
    baseline = attribution_baseline(week)
    days = week.live.days()
    for day in np.unique(days):
        matrix = week.live.matrix()[days == day]
        assert analyze(chunks(matrix), week.model, *baseline).violations == ()


@pytest.mark.parametrize("seed", range(3))
def test_amounts_in_another_unit_are_found(seed: int) -> None:
    week = weeks(300, seed)
    matrix = week.live.matrix()
    matrix[:, [FEATURE_NAMES.index(name) for name in AMOUNTS]] *= 100
    analysis = analyzed(week, matrix)
    assert analysis.broken
    assert all(
        violation.check == "feature_attribution_drift_check" for violation in analysis.broken
    )


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("broken", [np.nan, 1e9])
def test_a_broken_feature_that_mattered_most_is_found(seed: int, broken: float) -> None:
    week = weeks(300, seed)
    statistics, _ = attribution_baseline(week)
    shares = statistics["shares"]
    first = max(shares, key=lambda name: shares[name])
    matrix = week.live.matrix()
    matrix[:, FEATURE_NAMES.index(first)] = broken
    analysis = analyzed(week, matrix)
    assert analysis.broken
    assert first in analysis.broken[-1].description
    assert analysis.statistics["records"]["incomplete"] == (len(matrix) if np.isnan(broken) else 0)


def test_the_documents_have_clarifys_form() -> None:
    week = weeks()
    statistics, constraints = attribution_baseline(week)
    for document in (statistics, constraints):
        label = document["explanations"]["kernel_shap"]["label0"]
        assert tuple(label["global_shap_values"]) == FEATURE_NAMES
        assert isinstance(label["expected_value"], float)
    contributions = week.model.contributions(week.test.matrix())
    assert label["expected_value"] == pytest.approx(float(contributions[0, -1]), rel=1e-5)
    assert sum(statistics["shares"].values()) == pytest.approx(1)
    matrix = week.live.matrix()
    matrix[:, FEATURE_NAMES.index("amount_minor")] *= 1_000
    analysis, none = analyzed(week, matrix), analyzed(week, matrix[:0])
    for document in (statistics, constraints, analysis.statistics, none.statistics):
        check("explanations", document)
    for document in (analysis.document(), none.document()):
        check("clarify_violations", document)
        assert document["violations"]
    assert {measure.metric for measure in analysis.measures} == {
        "AttributionRank",
        "AttributionShift",
    }


def test_the_same_rows_give_the_same_bytes() -> None:
    week = weeks()
    explained = ExplainedSample.of(week.model, week.test.matrix())
    first, second = (json.dumps(compute(explained, week.test)) for _ in range(2))
    assert first == second


def test_limits_are_no_stricter_than_clarifys_and_wider_for_fewer_records() -> None:
    week = weeks()
    _, constraints = attribution_baseline(week)
    entries = constraints["monitoring_config"]["attribution_constraints"]
    assert [entry["records"] for entry in entries] == [200, 500, 1000]
    assert all(0 < entry["ndcg_at_least"] <= 0.9 for entry in entries)
    allowed = [entry["shift_at_most"] for entry in entries]
    assert allowed == sorted(allowed, reverse=True)
    assert all(0.15 <= each < 1 for each in allowed)


def test_limits_can_be_edited() -> None:
    week = weeks()
    statistics, constraints = attribution_baseline(week)
    constraints["monitoring_config"]["attribution_constraints"] = [
        {"records": 100, "ndcg_at_least": 1.0, "shift_at_most": 1.0}
    ]
    analysis = analyze(chunks(week.live.matrix()[:100]), week.model, statistics, constraints)
    assert analysis.violations[0].description.startswith("Agreement of the features' ranks (nDCG)")
    assert len(analysis.violations) == 1


@pytest.mark.parametrize("records", [0, 199])
def test_too_few_records_say_nothing(records: int) -> None:
    week = weeks()
    analysis = analyzed(week, week.live.matrix()[:records])
    assert [violation.check for violation in analysis.violations] == [MISSING_DATA]
    assert analysis.violations[0].description == (
        f"Not enough records: {records} in the interval, 200 are needed to explain scores"
    )
    assert not analysis.enough
    assert analysis.measures == ()
    assert bool(analysis.statistics["explanations"]) == (records > 0)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({}, "baseline constraints must have Clarify's form of an explanation, got none at"),
        ({"explanations": {"kernel_shap": {"label0": {"global_shap_values": {}}}}}, "Clarify's"),
        (
            {"monitoring_config": {"attribution_constraints": []}},
            r"must have monitoring_config\.attribution_constraints",
        ),
        ({"monitoring_config": {"attribution_constraints": [{"records": 5}]}}, "ndcg_at_least"),
    ],
)
def test_constraints_of_another_form_are_refused(broken: Any, message: str) -> None:
    week = weeks()
    statistics, constraints = attribution_baseline(week)
    changed = {**constraints, **broken} if broken else {}
    with pytest.raises(BadInput, match=message):
        analyze(chunks(week.live.matrix()), week.model, statistics, changed)


def test_a_baseline_of_other_features_is_refused() -> None:
    week = weeks()
    statistics, constraints = attribution_baseline(week)
    for document in (statistics, constraints):
        values = document["explanations"]["kernel_shap"]["label0"]["global_shap_values"]
        values["amount_euros"] = values.pop("amount_minor")
    with pytest.raises(BadInput, match="must be about the model's features amount_minor"):
        analyze(chunks(week.live.matrix()), week.model, statistics, constraints)
    _, another = attribution_baseline(week)
    with pytest.raises(BadInput, match="take both of one evaluation"):
        analyze(chunks(week.live.matrix()), week.model, statistics, another)
