"""Each check of the constraints, broken by itself; and the documented form of the files."""

import copy
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from jsonschema import ValidationError

from pipeline_code.captures.chunks import PREDICTIONS, Chunk
from pipeline_code.common.exits import BadInput
from pipeline_code.features.definitions import FEATURE_NAMES, FEATURES
from pipeline_code.monitor.analysis import Analysis
from pipeline_code.monitor.data_quality.analysis import analyze
from pipeline_code.monitor.data_quality.baseline import compute_of_rows
from pipeline_code.monitor.data_quality.constraints import Constraints
from pipeline_code.monitor.data_quality.profiles import Profile
from tests.pipeline_code.monitor.documented_forms import check, validator
from tests.pipeline_code.monitor.feature_chunks import chunk_of

RECORDS = 600


def training_rows() -> pa.Table:
    random = np.random.default_rng(11)
    columns: dict[str, Any] = {
        "customer_id": np.arange(RECORDS) % 300,
        "terminal_id": np.arange(RECORDS) % 400,
        "event_time": np.arange(RECORDS) * 1_000_000_000,
    }
    for feature in FEATURES:
        high = 2 if feature.unit == "0 or 1" else 100
        whole = random.integers(0, high, RECORDS).astype(np.float64)
        columns[feature.name] = (
            whole if feature.store_type == "Integral" else random.random(RECORDS)
        )
    return pa.table(columns)


ROWS = training_rows()
# Through text, as the files are.
STATISTICS, CONSTRAINTS = json.loads(json.dumps(compute_of_rows(ROWS, history_days=60)))


def analysis_of(*chunks: Chunk, constraints: Any = CONSTRAINTS) -> Analysis:
    analysis = analyze(iter(chunks), STATISTICS, constraints)
    check("statistics", analysis.statistics)
    check("violations", analysis.document())
    json.dumps(analysis.statistics, allow_nan=False)
    return analysis


def found(analysis: Analysis) -> list[tuple[str, str]]:
    return [(violation.subject, violation.check) for violation in analysis.violations]


def records() -> Chunk:
    return chunk_of(ROWS)


def changed(name: str, row: Any, value: float) -> Chunk:
    chunk = records()
    chunk.values[FEATURE_NAMES.index(name), row] = value
    return chunk


def doubled() -> Chunk:
    chunk = records()
    chunk.values[FEATURE_NAMES.index("amount_minor")] *= 2
    return chunk


def without(name: str, chunk: Chunk) -> Chunk:
    kept = [place for place, given in enumerate(chunk.names) if given != name]
    names = tuple(chunk.names[place] for place in kept)
    return Chunk(names, chunk.values[kept], chunk.missing[kept], chunk.wrong[kept])


def with_extra(chunk: Chunk) -> Chunk:
    values = np.vstack([chunk.values, np.full(chunk.records, 43.0)])
    nothing = np.zeros(len(values), np.int64)
    return Chunk((*chunk.names, "shoe_size"), values, nothing, nothing)


def first(chunk: Chunk, count: int) -> Chunk:
    return Chunk(chunk.names, chunk.values[:, :count], chunk.missing, chunk.wrong)


def test_the_training_rows_themselves_break_nothing() -> None:
    analysis = analysis_of(records())
    assert analysis.violations == ()
    assert analysis.enough
    assert {measure.value for measure in analysis.measures} == {0.0}
    assert analysis.records == RECORDS


def test_however_the_records_are_cut_the_same_is_found() -> None:
    chunk = doubled()
    parts = [
        Chunk(FEATURE_NAMES, values, chunk.missing, chunk.wrong)
        for values in np.array_split(chunk.values, 7, axis=1)
    ]
    whole, cut = analysis_of(chunk), analysis_of(*parts)
    assert cut.violations == whole.violations
    assert cut.measures == whole.measures


def test_a_missing_feature() -> None:
    analysis = analysis_of(without("is_night", records()))
    assert found(analysis) == [("is_night", "missing_column_check")]


def test_a_feature_that_some_chunks_lack() -> None:
    analysis = analysis_of(records(), without("is_night", first(records(), 3)))
    assert found(analysis) == [("is_night", "completeness_check")]
    assert "3 records have no value" in analysis.violations[0].description


def test_an_extra_feature() -> None:
    analysis = analysis_of(with_extra(records()))
    assert found(analysis) == [("shoe_size", "extra_column_check")]
    assert analysis.statistics["features"][-1]["numerical_statistics"]["mean"] == 43


def test_an_incomplete_feature() -> None:
    analysis = analysis_of(changed("is_night", 7, np.nan))
    assert found(analysis) == [("is_night", "completeness_check")]
    assert "1 records have no value" in analysis.violations[0].description


def test_a_value_that_is_no_number() -> None:
    chunk = changed("customer_count_7d", 7, np.nan)
    chunk.wrong[FEATURE_NAMES.index("customer_count_7d")] = 1
    assert found(analysis_of(chunk)) == [("customer_count_7d", "data_type_check")]


def test_a_value_that_is_not_whole() -> None:
    analysis = analysis_of(changed("customer_count_7d", 7, 0.5))
    assert found(analysis) == [("customer_count_7d", "data_type_check")]


def test_a_negative_value() -> None:
    analysis = analysis_of(changed("amount_minor", 7, -1))
    assert found(analysis) == [("amount_minor", "data_type_check")]
    assert analysis.violations[0].description == "Values must not be negative, the smallest is -1"


def test_a_value_outside_the_domain() -> None:
    analysis = analysis_of(changed("is_weekend", slice(0, 6), 7))
    assert found(analysis) == [("is_weekend", "categorical_values_check")]
    assert "one of 0, 1: 0.9900 is below 1.0000" in analysis.violations[0].description


def test_a_domain_may_be_edited() -> None:
    document = copy.deepcopy(CONSTRAINTS)
    document["features"][1]["string_constraints"]["domains"].append("7")
    chunk = changed("is_weekend", slice(0, 6), 7)
    assert analysis_of(chunk, constraints=document).violations == ()


def test_drift_is_one_violation_that_names_each_distance_beyond_its_threshold() -> None:
    analysis = analysis_of(doubled())
    assert found(analysis) == [("amount_minor", "baseline_drift_check")]
    text = analysis.violations[0].description
    for words in ("Population stability index", "Jensen-Shannon", "Kolmogorov-Smirnov"):
        assert words in text
    moved = {m.metric: m for m in analysis.measures if m.dimensions["Feature"] == "amount_minor"}
    assert set(moved) == {"FeatureDrift", "FeatureJensenShannon", "FeatureKolmogorovSmirnov"}
    assert all(m.threshold is not None and m.value > m.threshold for m in moved.values())


def test_the_calendar_does_not_drift() -> None:
    chunk = changed("is_night", slice(None), 1)
    chunk.values[FEATURE_NAMES.index("is_weekend")] = 1
    analysis = analysis_of(chunk)
    assert analysis.violations == ()
    compared = {measure.dimensions["Feature"] for measure in analysis.measures}
    assert not {"is_night", "is_weekend"} & compared


def test_too_few_records_are_missing_data_and_never_drift() -> None:
    analysis = analysis_of(first(changed("amount_minor", slice(None), 10**6), 199))
    assert found(analysis) == [("All features", "missing_data_check")]
    assert (analysis.enough, analysis.broken, analysis.measures) == (False, (), ())


def test_no_records_are_missing_data_alone() -> None:
    assert found(analysis_of()) == [("All features", "missing_data_check")]


def test_too_few_records_can_still_be_wrong() -> None:
    assert found(analysis_of(first(with_extra(records()), 5))) == [
        ("All features", "missing_data_check"),
        ("shoe_size", "extra_column_check"),
    ]


def test_scores_are_described_and_not_judged() -> None:
    chunk = records()
    scores = [0.5, None, *[1.0] * (RECORDS - 2)]
    columns = {
        name: scores if name == "score" else [None] * RECORDS for name in PREDICTIONS.names
    } | {"inference_time": [0] * RECORDS}
    chunk = Chunk(
        chunk.names,
        chunk.values,
        chunk.missing,
        chunk.wrong,
        pa.table(columns, schema=PREDICTIONS),
    )
    analysis = analysis_of(chunk, chunk)
    assert analysis.violations == ()
    described = analysis.statistics["features"][-1]
    assert described["name"] == "score"
    numbers = described["numerical_statistics"]
    assert numbers["common"] == {"num_present": 2 * RECORDS - 2, "num_missing": 2}
    assert numbers["distribution"]["kll"]["buckets"][-1]["count"] == 2 * (RECORDS - 2)


@pytest.mark.parametrize("sign", [-1, 1])
def test_numbers_too_large_to_add_up_are_drift_and_no_failure(sign: int) -> None:
    chunk = records()
    chunk.values[FEATURE_NAMES.index("amount_over_customer_mean_7d")] = sign * 1e308
    analysis = analysis_of(chunk, chunk)
    assert ("amount_over_customer_mean_7d", "baseline_drift_check") in found(analysis)


def test_documents_of_different_baselines_are_refused() -> None:
    statistics = copy.deepcopy(STATISTICS)
    del statistics["features"][0]
    with pytest.raises(BadInput, match="must describe amount_minor, which the constraints compare"):
        analyze([records()], statistics, CONSTRAINTS)


def edited(**comparison: Any) -> Any:
    document = copy.deepcopy(CONSTRAINTS)
    overrides = document["features"][0]["monitoringConfigOverrides"]
    overrides["distribution_constraints"] |= comparison
    return document


GENEROUS = {
    "comparison_threshold": 9.0,
    "jensen_shannon_threshold": 9.0,
    "population_stability_index_threshold": 99.0,
}


@pytest.mark.parametrize("edit", [GENEROUS, {"perform_comparison": "Disabled"}])
def test_a_person_may_edit_thresholds_and_comparison(edit: dict[str, Any]) -> None:
    assert analysis_of(doubled(), constraints=edited(**edit)).violations == ()


@pytest.mark.parametrize("distance", GENEROUS)
def test_one_distance_is_enough(distance: str) -> None:
    others = {key: value for key, value in GENEROUS.items() if key != distance}
    analysis = analysis_of(doubled(), constraints=edited(**others))
    assert found(analysis) == [("amount_minor", "baseline_drift_check")]


def test_sagemakers_sdk_turns_a_feature_off() -> None:
    from sagemaker.core.model_monitor.monitoring_files import (  # noqa: PLC0415 - it takes seconds
        Constraints as SdkConstraints,
    )

    uri = "s3://bucket/constraints.json"
    given = SdkConstraints(body_dict=copy.deepcopy(CONSTRAINTS), constraints_file_s3_uri=uri)
    given.set_monitoring(False, feature_name="amount_minor")
    assert analysis_of(doubled(), constraints=given.body_dict).violations == ()
    given.set_monitoring(False)
    gone = without("is_night", doubled())
    assert analysis_of(gone, constraints=given.body_dict).violations == ()


@pytest.mark.parametrize(
    ("key", "method"), [("comparison_method", "Simple"), ("categorical_drift_method", "ChiSquared")]
)
def test_a_method_that_we_lack_is_refused(key: str, method: str) -> None:
    with pytest.raises(BadInput, match=f"{key} of amount_minor must be .*, got {method}"):
        Constraints.parse(edited(**{key: method}))


def older(document: Any) -> Any:
    """As earlier versions wrote them: one index, by ten buckets."""
    old = copy.deepcopy(document)
    for feature in old["features"]:
        feature.get("numerical_statistics", {}).get("distribution", {}).pop("histogram", None)
    old.get("monitoring_config", {}).pop("domain_content_threshold", None)
    return old


@pytest.mark.parametrize("document", [{}, [], {"features": [{}]}, None, older(CONSTRAINTS)])
def test_constraints_of_another_form_are_refused(document: Any) -> None:
    with pytest.raises(BadInput, match="baseline constraints must have the form that `monitor"):
        Constraints.parse(document)


def edit_histogram(**change: Any) -> Any:
    document = copy.deepcopy(STATISTICS)
    numbers = document["features"][0]["numerical_statistics"]
    numbers["distribution"]["histogram"] |= change
    return document


@pytest.mark.parametrize(
    "document",
    [
        {},
        [],
        {"features": [{}]},
        None,
        older(STATISTICS),
        edit_histogram(counts=[1, 2]),
        edit_histogram(edges=[1.0] * 21),
        edit_histogram(coarse=[0, 1]),
    ],
)
def test_statistics_of_another_form_are_refused(document: Any) -> None:
    with pytest.raises(BadInput, match="baseline statistics must have the form that `monitor"):
        Profile.parse(document)


@pytest.mark.parametrize("change", [{"records": [200, 100]}, {"records": [0, 9]}, {"records": [1]}])
def test_allowances_that_make_no_sense_are_refused(change: dict[str, Any]) -> None:
    comparison = CONSTRAINTS["features"][0]["monitoringConfigOverrides"]["distribution_constraints"]
    allowance = comparison["small_sample_allowance"] | change
    with pytest.raises(BadInput, match="small_sample_allowance, whose records must rise"):
        Constraints.parse(edited(small_sample_allowance=allowance))


def test_the_baseline_has_the_documented_form() -> None:
    check("statistics", STATISTICS)
    check("constraints", CONSTRAINTS)
    assert [feature["name"] for feature in STATISTICS["features"]] == list(FEATURE_NAMES)
    numbers = STATISTICS["features"][0]["numerical_statistics"]
    assert numbers["mean"] == pytest.approx(np.mean(ROWS["amount_minor"].to_numpy()))
    buckets = numbers["distribution"]["kll"]["buckets"]
    assert len(buckets) == 10
    assert sum(bucket["count"] for bucket in buckets) == RECORDS


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("statistics", {"version": 0, "features": []}),
        ("statistics", {"version": 0, "dataset": {"item_count": 1}, "features": [{"name": "a"}]}),
        ("constraints", {"version": 0, "features": []}),
        ("constraints", edited(comparison_method="PopulationStabilityIndex")),
        ("violations", {"violations": [{"feature_name": "a", "description": "b"}]}),
    ],
)
def test_the_forms_refuse_what_is_not_documented(name: str, document: Any) -> None:
    with pytest.raises(ValidationError):
        check(name, document)
    assert not validator(name).is_valid([])
