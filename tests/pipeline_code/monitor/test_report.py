"""The page of an analysis: whatever it is about, it is one whole, safe page."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_code.captures.chunks import Tally
from pipeline_code.captures.datasets import DatasetFormat
from pipeline_code.captures.interval import Interval
from pipeline_code.contracts.monitoring import MonitorKind
from pipeline_code.monitor.analysis import MISSING_DATA, Analysis, Measure, Violation
from pipeline_code.monitor.findings import is_beyond, used
from pipeline_code.monitor.report.report import render
from pipeline_code.monitor.settings import AnalysisSettings

VOID = {"meta", "br", "img"}
LOADING = {"script", "link", "iframe", "object", "embed", "img", "image", "use"}
TALLY = Tally(records=900, files=3, probes=2, degraded=Counter({"store_timeout": 7}))


class Page(HTMLParser):
    """What a browser would make of it; refuses tags that are not closed in their order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: set[str] = set()
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes |= {name for name, _ in attrs}
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def says(self, words: str) -> bool:
        return words in " ".join(self.text)


def settings(kind: MonitorKind, endpoint: str = "fraud") -> AnalysisSettings:
    start = datetime(2024, 3, 1, 12, tzinfo=UTC)
    return AnalysisSettings(
        kind=kind,
        source=Path("captures"),
        dataset_format=DatasetFormat(),
        results=Path("results"),
        results_uri="s3://reports/1",
        constraints=Path("constraints.json"),
        statistics=Path("statistics.json"),
        interval=Interval(start, start.replace(hour=13)),
        endpoint_name=endpoint,
        schedule_name="hourly",
        metric_namespace=None,
        model_version="arn:package/3",
        ground_truth=None,
        model_data=None,
        model_digest=None,
    )


def feature(name: str, counts: list[int], missing: int = 0) -> dict[str, Any]:
    buckets = [
        {"lower_bound": float(place), "upper_bound": place + 1.0, "count": count}
        for place, count in enumerate(counts)
    ]
    statistics = {
        "common": {"num_present": sum(counts), "num_missing": missing},
        "mean": 12.5,
        "min": 0.0,
        "max": 4.0,
        "distribution": {"kll": {"buckets": buckets}},
    }
    return {"name": name, "inferred_type": "Integral", "numerical_statistics": statistics}


def drifted(name: str = "amount_minor", features: int = 1) -> tuple[Analysis, Any]:
    """A drifting feature among some, and the baseline's statistics."""
    names = [name, *(f"feature_{number}" for number in range(1, features))]
    statistics = {"features": [feature(each, [9, 0, 1], missing=4) for each in names]}
    analysis = Analysis(
        kind=MonitorKind.DATA_QUALITY,
        records=900,
        statistics=statistics,
        violations=(Violation(name, "baseline_drift_check", "has moved", {}),),
        measures=tuple(
            Measure(metric=metric, value=0.4, dimensions={"Feature": each}, threshold=0.2)
            for each in names
            for metric in ("FeatureDrift", "FeatureKolmogorovSmirnov")
        ),
    )
    return analysis, {"features": [feature(each, [5, 5, 5]) for each in names]}


def quality(precision: float) -> dict[str, Any]:
    return {
        "binary_classification_metrics": {
            "confusion_matrix": {"0": {"0": 890, "1": 4}, "1": {"0": 2, "1": 4}},
            "precision_recall_curve": {"precisions": [0.0, precision], "recalls": [1.0, 0.0]},
        },
        "calibration": {"bins": [{"rows": 9, "mean_score": 0.0, "fraud_rate": 0.01}]},
    }


def of_kind(kind: MonitorKind, statistics: Any, *measures: Measure) -> Analysis:
    return Analysis(
        kind=kind,
        records=900,
        statistics=statistics,
        violations=(),
        measures=measures,
        maturity=0.8,
    )


def segments(value: float | None) -> dict[str, Any]:
    metric: dict[str, Any] = {"name": "DRR", "description": "Difference in recall", "value": value}
    if value is not None:
        metric["interval"] = {"low": value - 0.1, "high": value + 0.1}
    facets = {"activity": [{"value_or_threshold": "low", "metrics": [metric]}]}
    return {"post_training_bias_metrics": {"facets": facets}}


def test_drift_is_seen_at_a_glance() -> None:
    analysis, baseline = drifted()
    text = render(analysis, TALLY, settings(MonitorKind.DATA_QUALITY), baseline)
    page = Page(text)
    for words in ("Violations found", "1 constraint is broken", "has moved", "12:00:00 UTC"):
        assert page.says(words)
    assert page.says("degraded: store_timeout")
    assert page.tags["svg"] == 1
    assert 'class="beyond"' in text


@pytest.mark.parametrize(
    ("kind", "statistics", "baseline", "plots", "words"),
    [
        (MonitorKind.MODEL_QUALITY, quality(0.5), quality(0.9), 2, "Promised and observed"),
        (MonitorKind.BIAS, segments(0.2), segments(None), 0, "0.1000, 0.3000"),
        (
            MonitorKind.ATTRIBUTION,
            {"shares": {"a": 0.7, "b": 0.3}},
            {"shares": {"b": 0.6, "a": 0.4}},
            0,
            "What scores are made of",
        ),
    ],
)
def test_the_other_kinds_show_what_they_measure(
    kind: MonitorKind, statistics: Any, baseline: Any, plots: int, words: str
) -> None:
    page = Page(render(of_kind(kind, statistics), TALLY, settings(kind), baseline))
    assert page.says("Passed")
    assert page.says("80.0%")
    assert page.says(words)
    assert page.tags["svg"] == plots


@pytest.mark.parametrize("kind", MonitorKind)
def test_a_page_of_nothing_says_that_nothing_can_be_said(kind: MonitorKind) -> None:
    missing = (Violation("all", MISSING_DATA, "Not enough records", {}),)
    analysis = Analysis(kind=kind, records=0, statistics={}, violations=missing)
    page = Page(render(analysis, Tally(), settings(kind), {}))
    assert page.says("Too little data")
    assert not page.says("Passed")


@given(st.text())
def test_texts_stay_texts(text: str) -> None:
    analysis, baseline = drifted(text + "<script>")
    page = Page(render(analysis, TALLY, settings(MonitorKind.DATA_QUALITY, text), baseline))
    assert not page.tags.keys() & LOADING
    assert not {name for name in page.attributes if name.startswith("on")}
    assert not page.attributes & {"src", "href", "xlink:href", "action"}


def test_many_features_make_a_small_page() -> None:
    analysis, baseline = drifted(features=200)
    page = render(analysis, TALLY, settings(MonitorKind.DATA_QUALITY), baseline)
    assert len(page.encode()) < 500_000
    assert "url(" not in page


@pytest.mark.parametrize(
    ("value", "baseline", "threshold", "expected"),
    [
        (0.3, None, 0.2, 1.5),
        (0.2, None, 0.2, 1.0),
        (0.3, None, None, None),
        (0.6, 0.7, 0.5, 0.5),
        (0.4, 0.7, 0.5, 1.5),
        (0.8, 0.7, 0.5, 0.0),
        (0.02, 0.01, 0.03, 0.5),
        (0.3, None, 0.0, 2.0),
        (0.0, None, 0.0, 1.0),
    ],
)
def test_what_is_allowed_is_counted_from_the_baseline_on(
    value: float, baseline: float | None, threshold: float | None, expected: float | None
) -> None:
    measure = Measure(metric="M", value=value, baseline=baseline, threshold=threshold)
    assert used(measure) == pytest.approx(expected)
    analysis = of_kind(MonitorKind.MODEL_QUALITY, {}, measure)
    assert is_beyond(measure, analysis) is (expected is not None and expected > 1)


def test_a_difference_between_segments_is_beyond_if_a_violation_says_so() -> None:
    measure = Measure(
        metric="BiasDifference", value=0.4, dimensions={"Segment": "low"}, threshold=0.2
    )
    analysis = of_kind(MonitorKind.BIAS, {}, measure)
    assert not is_beyond(measure, analysis)
    violation = Violation("low", "bias_drift_check", "is outside", {})
    assert is_beyond(measure, replace(analysis, violations=(violation,)))
