"""One HTML page of an analysis: verdict, violations, figures beside their limits, and plots.

The page holds all it shows, loads nothing and runs nothing, so that it can be kept and mailed.
"""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from pipeline_code.captures.chunks import Tally
from pipeline_code.monitor.analysis import Analysis, Measure
from pipeline_code.monitor.findings import is_beyond, used
from pipeline_code.monitor.kinds import MonitorKind
from pipeline_code.monitor.report.charts import BEYOND, NOW, STYLE, bar, marked_table
from pipeline_code.monitor.report.kinds import sections
from pipeline_code.monitor.settings import Settings
from pipeline_code.quality.page import page, pairs, paragraph, section, table

__all__ = ["render"]

NAMES = {
    MonitorKind.DATA_QUALITY: "Data quality",
    MonitorKind.MODEL_QUALITY: "Model quality",
    MonitorKind.BIAS: "Bias between customer segments",
    MonitorKind.ATTRIBUTION: "Feature attribution drift",
}
DISTANCES = {
    "FeatureDrift": "stability index",
    "FeatureJensenShannon": "Jensen-Shannon",
    "FeatureKolmogorovSmirnov": "Kolmogorov-Smirnov",
    "FeatureCategoricalDistance": "a value's share",
}
# How far the longest bar goes beyond its limit; farther ones are cut, their figures are not.
MOST_TIMES = 3.0
LIMIT = "of its limit"


def render(analysis: Analysis, tally: Tally, settings: Settings, baseline: Any) -> str:
    """The page; `baseline` is the document `statistics.json` of the baseline."""
    title = f"{NAMES[analysis.kind]} of {settings.endpoint_name}"
    body = [
        f"<h1>{escape(title)}</h1>",
        paragraph(_subtitle(settings)),
        _verdict(analysis),
        section("What was looked at", pairs(_facts(analysis, tally, settings))),
        *_violations(analysis),
        *_measures(analysis),
        *sections(analysis, baseline),
    ]
    return page(title, body, style=STYLE)


def _subtitle(settings: Settings) -> str:
    start, end = settings.interval.start, settings.interval.end
    since = "the beginning" if start is None else f"{start:%Y-%m-%d %H:%M:%S} UTC"
    until = "now" if end is None else f"{end:%Y-%m-%d %H:%M:%S} UTC"
    return f"From {since} to {until}"


def _verdict(analysis: Analysis) -> str:
    broken = len(analysis.broken)
    if broken:
        noun = "constraint is" if broken == 1 else "constraints are"
        kind, word, text = "refused", "Violations found", f"{broken} {noun} broken."
    elif analysis.enough:
        kind, word, text = "passed", "Passed", "Nothing is beyond its limit."
    else:
        kind, word, text = "", "Too little data", "That nothing is wrong cannot be said."
    return f'<div class="verdict {kind}"><strong>{word}</strong>{text}</div>'


def _facts(analysis: Analysis, tally: Tally, settings: Settings) -> Iterator[tuple[str, object]]:
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


def _violations(analysis: Analysis) -> Iterator[str]:
    if analysis.violations:
        rows = [(each.subject, each.check, each.description) for each in analysis.violations]
        columns = ["about", "check", "what was found"]
        yield section("Violations", table(columns, rows, texts=True))


def _measures(analysis: Analysis) -> Iterator[str]:
    """What was measured, what is nearest to its limit or beyond it first."""
    by_subject: dict[str, list[Measure]] = {}
    for measure in analysis.measures:
        by_subject.setdefault(_subject(measure), []).append(measure)
    if any(len(measures) > 1 for measures in by_subject.values()):
        yield section("Distances from the baseline", _side_by_side(by_subject, analysis))
    elif by_subject:
        yield section("Figures", _one_by_one(analysis))


def _subject(measure: Measure) -> str:
    return ", ".join(measure.dimensions.values()) or measure.metric


def _side_by_side(by_subject: Mapping[str, Sequence[Measure]], analysis: Analysis) -> str:
    """A row a subject, a column a metric."""
    metrics = list(dict.fromkeys(measure.metric for measure in analysis.measures))
    rows = []
    for subject, measures in by_subject.items():
        worst, given = max(measures, key=_rank), {each.metric: each for each in measures}
        cells = [_against_limit(given.get(metric)) for metric in metrics]
        row = [subject, *cells, _bar(worst, analysis)], is_beyond(worst, analysis)
        rows.append((_rank(worst), row))
    rows.sort(key=lambda each: each[0], reverse=True)
    titles = [DISTANCES.get(metric, metric) for metric in metrics]
    return marked_table(["", *titles, LIMIT], [row for _, row in rows])


def _against_limit(measure: Measure | None) -> str:
    if measure is None:
        return ""
    limit = "" if measure.threshold is None else f" / {measure.threshold:,.3f}"
    return f"{measure.value:,.3f}{limit}"


def _one_by_one(analysis: Analysis) -> str:
    rows = [
        (
            [
                _subject(each),
                *map(_figure, (each.value, each.baseline, each.threshold)),
                _bar(each, analysis),
            ],
            is_beyond(each, analysis),
        )
        for each in sorted(analysis.measures, key=_rank, reverse=True)
    ]
    return marked_table(["", "figure", "baseline", "limit", LIMIT], rows)


def _bar(measure: Measure, analysis: Analysis) -> str:
    share = used(measure)
    if share is None:
        return ""
    kind = BEYOND if is_beyond(measure, analysis) else NOW
    return bar(share / MOST_TIMES, kind=kind, limit=1 / MOST_TIMES)


def _rank(measure: Measure) -> float:
    share = used(measure)
    return -1.0 if share is None else share


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:,.4f}"
