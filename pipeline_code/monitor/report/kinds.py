"""The sections of the monitoring report that one kind of analysis alone has.

The documents are read leniently: a plot that lacks its figures is left out, for the analysis has
looked at them before, and a page is no reason to fail.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from pipeline_code.contracts.monitoring import MonitorKind
from pipeline_code.monitor.analysis import Analysis
from pipeline_code.monitor.report.charts import (
    BEYOND,
    NOW,
    THEN,
    Bar,
    Curve,
    Curves,
    Histogram,
    Row,
    Section,
)

__all__ = ["sections"]

SHARES = ((0.0, "0"), (0.5, "0.5"), (1.0, "1"))
# Calibration is of scores that are mostly tiny: its axes are logarithmic, from here to 1.
LEAST_SCORE = 1e-5
SCORES = tuple((1 + power / 5, f"1e{power}" if power else "1") for power in range(-4, 1, 2))

Document = Mapping[str, Any]


def sections(analysis: Analysis, baseline: Any) -> Iterator[Section]:
    """The kind's own part of the page.

    Args:
        analysis: What was found.
        baseline: The baseline's `statistics.json`.
    """
    yield from _SECTIONS[analysis.kind](analysis, analysis.statistics, baseline)


def _data_quality(analysis: Analysis, found: Document, baseline: Document) -> Iterator[Section]:
    then = {feature["name"]: feature for feature in baseline.get("features", ())}
    violated = {violation.subject for violation in analysis.broken}
    features = sorted(found.get("features", ()), key=lambda each: each["name"] not in violated)
    plots = [
        _histogram(each, then.get(each["name"]), each["name"] in violated)
        for each in features
        if _buckets(each)
    ]
    if plots:
        yield Section("Distributions", histograms=plots)
        yield Section(
            "Values",
            columns=["feature", "mean", "baseline", "least", "largest", "missing", "type"],
            rows=[
                Row(_values(each, then.get(each["name"])), each["name"] in violated)
                for each in features
            ],
        )


def _histogram(feature: Document, then: Document | None, violated: bool) -> Histogram:
    name, now = feature["name"], _buckets(feature)
    before = _buckets(then) if then is not None else []
    same = [each["lower_bound"] for each in before] == [each["lower_bound"] for each in now]
    return Histogram(
        name,
        (now[0]["lower_bound"], now[-1]["upper_bound"]),
        _counted(before) if same else [],
        _counted(now),
        BEYOND if violated else NOW,
    )


def _buckets(feature: Document) -> Sequence[Document]:
    statistics = feature["numerical_statistics"]
    buckets: Sequence[Document] = (
        statistics.get("distribution", {}).get("kll", {}).get("buckets", ())
    )
    return buckets


def _counted(buckets: Sequence[Document]) -> list[float]:
    total = sum(each["count"] for each in buckets) or 1
    return [each["count"] / total for each in buckets]


def _values(feature: Document, then: Document | None) -> list[object]:
    statistics = feature["numerical_statistics"]
    before = {} if then is None else then["numerical_statistics"]
    return [
        feature["name"],
        _figure(statistics.get("mean")),
        _figure(before.get("mean")),
        _figure(statistics.get("min")),
        _figure(statistics.get("max")),
        f"{statistics['common']['num_missing']:,}",
        feature["inferred_type"],
    ]


def _model_quality(_: Analysis, found: Document, baseline: Document) -> Iterator[Section]:
    plots = [*_precision_recall(found, baseline), *_calibration(found, baseline)]
    if plots:
        yield Section("Curves", curves=plots)
    confusion = found.get("binary_classification_metrics", {}).get("confusion_matrix")
    if confusion:
        yield Section(
            "Decisions",
            columns=["", "not flagged", "flagged"],
            rows=[
                Row((name, *(f"{confusion[actual][flagged]:,}" for flagged in ("0", "1"))))
                for name, actual in (("genuine", "0"), ("fraud", "1"))
            ],
        )


def _precision_recall(found: Document, baseline: Document) -> Iterator[Curves]:
    drawn = [
        Curve(kind, list(zip(curve["recalls"], curve["precisions"], strict=True)))
        for kind, document in ((THEN, baseline), (NOW, found))
        if (
            curve := document.get("binary_classification_metrics", {}).get("precision_recall_curve")
        )
    ]
    if drawn:
        yield Curves("Precision and recall", "recall", "precision", drawn, SHARES)


def _calibration(found: Document, baseline: Document) -> Iterator[Curves]:
    drawn = [
        Curve(kind, [_logarithmic(each) for each in bins], marked=True)
        for kind, document in ((THEN, baseline), (NOW, found))
        if (bins := document.get("calibration", {}).get("bins"))
    ]
    if drawn:
        drawn.insert(0, Curve("axis dotted", [(0, 0), (1, 1)]))
        title = "Promised and observed frauds"
        yield Curves(title, "mean score", "share of frauds", drawn, SCORES)


def _logarithmic(bin_: Document) -> tuple[float, float]:
    promised, observed = (
        1 - math.log(max(value, LEAST_SCORE)) / math.log(LEAST_SCORE)
        for value in (bin_["mean_score"], bin_["fraud_rate"])
    )
    return min(promised, 1.0), min(observed, 1.0)


def _bias(_: Analysis, found: Document, baseline: Document) -> Iterator[Section]:
    then = dict(_segments(baseline))
    rows = [
        Row(
            (
                *names,
                _figure(entry.get("value")),
                _range(entry.get("interval")),
                _figure(then.get(names, {}).get("value")),
            )
        )
        for names, entry in _segments(found)
        if entry.get("value") is not None
    ]
    if rows:
        columns = ["by", "segment", "difference", "captured", "95 % from, to", "baseline"]
        yield Section("Segments against all others", columns=columns, rows=rows)


def _segments(document: Document) -> Iterator[tuple[tuple[str, str, str], Document]]:
    """What was measured, by kind of segment, segment and measure."""
    facets = document.get("post_training_bias_metrics", {}).get("facets", {})
    for kind, segments in facets.items():
        for segment in segments:
            for metric in segment["metrics"]:
                names = (kind, str(segment["value_or_threshold"]), metric["description"])
                yield names, metric


def _range(interval: Document | None) -> str:
    return "" if interval is None else f"{interval['low']:,.4f}, {interval['high']:,.4f}"


def _attribution(_: Analysis, found: Document, baseline: Document) -> Iterator[Section]:
    now, then = found.get("shares", {}), baseline.get("shares", {})
    if not now:
        return
    ranks = {name: rank for rank, name in enumerate(_ranked(then), start=1)}
    largest = max(*now.values(), *then.values(), 1e-9)
    rows = [
        Row(
            (
                name,
                rank,
                ranks.get(name, ""),
                f"{now[name]:.1%}",
                f"{then[name]:.1%}" if name in then else "",
            ),
            bar=Bar(now[name] / largest, NOW, then.get(name, 0.0) / largest),
        )
        for rank, name in enumerate(_ranked(now), start=1)
    ]
    columns = ["feature", "rank", "baseline's", "share", "baseline's", ""]
    yield Section(
        "What scores are made of",
        "Each feature's part of all contributions to scores; the mark is the baseline's.",
        columns,
        rows,
    )


def _ranked(shares: Mapping[str, float]) -> list[str]:
    return sorted(shares, key=lambda name: -shares[name])


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:,.6g}"


_SECTIONS: Mapping[MonitorKind, Callable[[Analysis, Any, Any], Iterator[Section]]] = (
    MappingProxyType(
        {
            MonitorKind.DATA_QUALITY: _data_quality,
            MonitorKind.MODEL_QUALITY: _model_quality,
            MonitorKind.BIAS: _bias,
            MonitorKind.ATTRIBUTION: _attribution,
        }
    )
)
