"""Each check of the constraints, broken by itself."""

import json
from typing import Any

import numpy as np
import pytest

from pipeline_code.common.exits import BadInput
from pipeline_code.features.definitions import FEATURE_NAMES, FEATURES
from pipeline_code.monitor.columns import Column, columns_of
from pipeline_code.monitor.constraints import LEAST_THRESHOLD, Constraints, suggest
from pipeline_code.monitor.drift import Buckets
from pipeline_code.monitor.statistics import Baseline, describe
from pipeline_code.monitor.violations import Analysis, analyze

RECORDS = 600


def training_columns() -> dict[str, Column]:
    random = np.random.default_rng(11)
    return {
        feature.name: Column(
            random.integers(0, 100, RECORDS).astype(np.float64)
            if feature.store_type == "Integral"
            else random.random(RECORDS)
        )
        for feature in FEATURES
    }


COLUMNS = training_columns()
BUCKETS = {name: Buckets.of(column.numbers) for name, column in COLUMNS.items()}
OWNERS = {name: np.arange(RECORDS) for name in FEATURE_NAMES}
STATISTICS = describe(COLUMNS, RECORDS, BUCKETS)
CONSTRAINTS = suggest(COLUMNS, BUCKETS, OWNERS, history_days=60)


def records() -> list[dict[str, Any]]:
    return [
        {name: column.numbers[row] for name, column in COLUMNS.items()} for row in range(RECORDS)
    ]


def analysis_of(given: list[dict[str, Any]], constraints: Any = CONSTRAINTS) -> Analysis:
    # Through text, as the files are.
    parsed = Constraints.parse(json.loads(json.dumps(constraints)))
    baselines = Baseline.parse(json.loads(json.dumps(STATISTICS)))
    return analyze(columns_of(given), len(given), parsed, baselines)


def found(analysis: Analysis) -> list[tuple[str, str]]:
    return [(v.feature_name, v.constraint_check_type) for v in analysis.violations]


def test_the_training_rows_themselves_break_nothing() -> None:
    analysis = analysis_of(records())
    assert analysis.violations == ()
    assert analysis.enough
    assert set(analysis.distances.values()) == {0.0}


def test_a_missing_feature() -> None:
    given = [{k: v for k, v in record.items() if k != "is_night"} for record in records()]
    assert found(analysis_of(given)) == [("is_night", "missing_column_check")]


def test_an_extra_feature() -> None:
    given = [record | {"shoe_size": 43} for record in records()]
    assert found(analysis_of(given)) == [("shoe_size", "extra_column_check")]


@pytest.mark.parametrize("hole", [{"is_night": None}, {}], ids=["null", "absent"])
def test_an_incomplete_feature(hole: dict[str, Any]) -> None:
    given = records()
    given[7] = {k: v for k, v in given[7].items() if k != "is_night"} | hole
    analysis = analysis_of(given)
    assert found(analysis) == [("is_night", "completeness_check")]
    assert "1 records have no value" in analysis.violations[0].description


@pytest.mark.parametrize("value", ["12", True, float("nan"), float("inf"), 10**400, [1], 0.5])
def test_a_value_of_another_type(value: Any) -> None:
    given = records()
    given[7]["customer_count_7d"] = value
    assert found(analysis_of(given)) == [("customer_count_7d", "data_type_check")]


def test_a_negative_value() -> None:
    given = records()
    given[7]["amount_minor"] = -1
    analysis = analysis_of(given)
    assert found(analysis) == [("amount_minor", "data_type_check")]
    assert analysis.violations[0].description == "Values must not be negative, the smallest is -1"


def test_drift() -> None:
    given = [record | {"amount_minor": record["amount_minor"] * 2} for record in records()]
    analysis = analysis_of(given)
    assert found(analysis) == [("amount_minor", "baseline_drift_check")]
    assert "Population stability index" in analysis.violations[0].description
    assert analysis.distances["amount_minor"] > LEAST_THRESHOLD


def test_the_calendar_does_not_drift() -> None:
    given = [record | {"is_night": 1, "is_weekend": 1} for record in records()]
    analysis = analysis_of(given)
    assert analysis.violations == ()
    assert not {"is_night", "is_weekend"} & analysis.distances.keys()


def test_too_few_records_are_missing_data_and_never_drift() -> None:
    given = [record | {"amount_minor": 10**6} for record in records()[:199]]
    analysis = analysis_of(given)
    assert found(analysis) == [("All features", "missing_data_check")]
    assert (analysis.enough, analysis.broken, analysis.distances) == (False, (), {})


def test_no_records_are_missing_data_alone() -> None:
    assert found(analysis_of([])) == [("All features", "missing_data_check")]


def test_too_few_records_can_still_be_wrong() -> None:
    given = [record | {"shoe_size": 43} for record in records()[:5]]
    assert found(analysis_of(given)) == [
        ("All features", "missing_data_check"),
        ("shoe_size", "extra_column_check"),
    ]


def edited(**comparison: Any) -> Any:
    document = json.loads(json.dumps(CONSTRAINTS))
    overrides = document["features"][0]["monitoringConfigOverrides"]
    overrides["distribution_constraints"] |= comparison
    return document


def test_a_person_may_edit_threshold_and_comparison() -> None:
    given = [record | {"amount_minor": record["amount_minor"] * 2} for record in records()]
    assert analysis_of(given, edited(comparison_threshold=9.0)).violations == ()
    assert analysis_of(given, edited(perform_comparison="Disabled")).violations == ()


def test_a_method_that_we_lack_is_refused() -> None:
    with pytest.raises(BadInput, match="comparison_method of amount_minor must be Population"):
        Constraints.parse(edited(comparison_method="Robust"))


@pytest.mark.parametrize("document", [{}, [], {"features": [{}]}, None])
def test_another_form_is_refused(document: Any) -> None:
    with pytest.raises(BadInput, match="baseline constraints must have Model Monitor's form"):
        Constraints.parse(document)
    with pytest.raises(BadInput, match="baseline statistics must have Model Monitor's form"):
        Baseline.parse(document)


def test_windows_that_were_not_full_are_not_compared() -> None:
    document = suggest(COLUMNS, BUCKETS, OWNERS, history_days=20)
    compared = {c.name for c in Constraints.parse(document).features if c.compared}
    assert "customer_count_7d" in compared
    assert "terminal_count_7d" in compared
    assert "customer_count_30d" not in compared
    reason = document["features"][5]["monitoringConfigOverrides"]["distribution_constraints"]
    assert "needs 30 days of history" in reason["reason"]


def test_a_threshold_is_what_halves_of_the_owners_differ_by_and_never_too_small() -> None:
    alike = Constraints.parse(CONSTRAINTS).features[0]
    assert alike.threshold == LEAST_THRESHOLD
    # Twenty owners who each have one value: any half of them has other values.
    owners = np.arange(RECORDS) % 20
    column = Column(owners.astype(np.float64))
    clustered = suggest(
        {**COLUMNS, "amount_minor": column},
        {**BUCKETS, "amount_minor": Buckets.of(column.numbers)},
        {**OWNERS, "amount_minor": owners},
        history_days=60,
    )
    assert Constraints.parse(clustered).features[0].threshold > 5 * LEAST_THRESHOLD


def test_fewer_records_are_allowed_to_differ_more() -> None:
    constraint = Constraints.parse(CONSTRAINTS).features[0]
    expected = np.array([300, 300])
    few, many = (constraint.threshold_for(expected, np.array([n, n])) for n in (100, 100_000))
    assert constraint.threshold < many < few
