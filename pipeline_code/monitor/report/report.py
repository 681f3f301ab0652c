"""One HTML page of an analysis: verdict, violations, figures beside their limits, and plots.

The page holds all it shows, loads nothing and runs nothing, so that it can be kept and mailed.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline_code.captures.chunks import Tally
from pipeline_code.contracts.metrics import MetricName
from pipeline_code.contracts.monitoring import MonitorKind
from pipeline_code.monitor.analysis import Analysis, Measure
from pipeline_code.monitor.findings import is_beyond, used
from pipeline_code.monitor.report.charts import BEYOND, NOW, Bar, Row, Section
from pipeline_code.monitor.report.kinds import sections
from pipeline_code.monitor.settings import AnalysisSettings
from pipeline_code.quality import page

__all__ = ["render"]

NAMES = {
    MonitorKind.DATA_QUALITY: "Data quality",
    MonitorKind.MODEL_QUALITY: "Model quality",
    MonitorKind.BIAS: "Bias between customer segments",
    MonitorKind.ATTRIBUTION: "Feature attribution drift",
}
DISTANCES: dict[str, str] = {
    MetricName.FEATURE_DRIFT: "stability index",
    MetricName.FEATURE_JENSEN_SHANNON: "Jensen-Shannon",
    MetricName.FEATURE_KOLMOGOROV_SMIRNOV: "Kolmogorov-Smirnov",
    MetricName.FEATURE_CATEGORICAL_DISTANCE: "a value's share",
}
# How far the longest bar goes beyond its limit; farther ones are cut, their figures are not.
MOST_TIMES = 3.0
LIMIT = "of its limit"


def render(analysis: Analysis, tally: Tally, settings: AnalysisSettings, baseline: Any) -> str:
    """The page; `baseline` is the document `statistics.json` of the baseline."""
    start, end = settings.interval.start, settings.interval.end
    return page.render(
        "monitor/report/report.html.j2",
        title=f"{NAMES[analysis.kind]} of {settings.endpoint_name}",
        since="the beginning" if start is None else f"{start:%Y-%m-%d %H:%M:%S} UTC",
        until="now" if end is None else f"{end:%Y-%m-%d %H:%M:%S} UTC",
        judgement=_judgement(analysis),
        sections=[
            Section(
                "What was looked at", rows=[Row(pair) for pair in _facts(analysis, tally, settings)]
            ),
            *_violations(analysis),
            *_measures(analysis),
            *sections(analysis, baseline),
        ],
    )


def _judgement(analysis: Analysis) -> tuple[str, str, str]:
    broken = len(analysis.broken)
    if broken:
        noun = "constraint is" if broken == 1 else "constraints are"
        return "refused", "Violations found", f"{broken} {noun} broken."
    if analysis.enough:
        return "passed", "Passed", "Nothing is beyond its limit."
    return "", "Too little data", "That nothing is wrong cannot be said."


def _facts(
    analysis: Analysis, tally: Tally, settings: AnalysisSettings
) -> Iterator[tuple[str, object]]:
    yield "endpoint", settings.endpoint_name
    yield "started by", settings.schedule_name
    yield "model version", settings.model_version or "any"
    yield "records", f"{analysis.records:,} in {tally.files:,} files"
    if analysis.maturity is not None:
        yield "old enough to be judged", f"{analysis.maturity:.1%}"
    for reason, count in sorted(tally.degraded.items()):
        yield f"degraded: {reason}", f"{count:,}"
    for name, count in (
        ("outside the interval", tally.outside),
        ("without features", tally.unmonitored),
        ("probes", tally.probes),
        ("answered by other versions", tally.other_versions),
    ):
        if count:
            yield f"left out: {name}", f"{count:,}"


def _violations(analysis: Analysis) -> Iterator[Section]:
    if analysis.violations:
        rows = [Row((each.subject, each.check, each.description)) for each in analysis.violations]
        columns = ["about", "check", "what was found"]
        yield Section("Violations", columns=columns, rows=rows, texts=True)


def _measures(analysis: Analysis) -> Iterator[Section]:
    """What was measured, what is nearest to its limit or beyond it first."""
    by_subject: dict[str, list[Measure]] = {}
    for measure in analysis.measures:
        by_subject.setdefault(_subject(measure), []).append(measure)
    if any(len(measures) > 1 for measures in by_subject.values()):
        yield _side_by_side(by_subject, analysis)
    elif by_subject:
        yield _one_by_one(analysis)


def _subject(measure: Measure) -> str:
    return ", ".join(measure.dimensions.values()) or measure.metric


def _side_by_side(by_subject: Mapping[str, Sequence[Measure]], analysis: Analysis) -> Section:
    """A row a subject, a column a metric."""
    metrics = list(dict.fromkeys(measure.metric for measure in analysis.measures))
    rows = []
    for subject, measures in by_subject.items():
        worst, given = max(measures, key=_rank), {each.metric: each for each in measures}
        cells = [subject, *(_against_limit(given.get(metric)) for metric in metrics)]
        rows.append((_rank(worst), _row(cells, worst, analysis)))
    rows.sort(key=lambda each: each[0], reverse=True)
    titles = [DISTANCES.get(metric, metric) for metric in metrics]
    return Section(
        "Distances from the baseline",
        columns=["", *titles, LIMIT],
        rows=[row for _, row in rows],
    )


def _against_limit(measure: Measure | None) -> str:
    if measure is None:
        return ""
    limit = "" if measure.threshold is None else f" / {measure.threshold:,.3f}"
    return f"{measure.value:,.3f}{limit}"


def _one_by_one(analysis: Analysis) -> Section:
    rows = [
        _row(
            [_subject(each), *map(_figure, (each.value, each.baseline, each.threshold))],
            each,
            analysis,
        )
        for each in sorted(analysis.measures, key=_rank, reverse=True)
    ]
    return Section("Figures", columns=["", "figure", "baseline", "limit", LIMIT], rows=rows)


def _row(cells: Sequence[str], measure: Measure, analysis: Analysis) -> Row:
    share, beyond = used(measure), is_beyond(measure, analysis)
    kind = BEYOND if beyond else NOW
    bar = None if share is None else Bar(share / MOST_TIMES, kind, 1 / MOST_TIMES)
    return Row(cells, beyond, bar)


def _rank(measure: Measure) -> float:
    share = used(measure)
    return -1.0 if share is None else share


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:,.4f}"
