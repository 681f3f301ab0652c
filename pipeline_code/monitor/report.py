"""One HTML page of an analysis: verdict, violations, figures beside their limits, and plots.

The page holds all it shows, loads nothing and runs nothing, so that it can be kept and mailed.
"""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from pipeline_code.evaluate.page import page, pairs, paragraph, section, table
from pipeline_code.monitor.analysis import Analysis, Measure
from pipeline_code.monitor.chunks import Tally
from pipeline_code.monitor.findings import is_beyond
from pipeline_code.monitor.kinds import MonitorKind
from pipeline_code.monitor.report_charts import BEYOND, NOW, STYLE, bar, marked_table
from pipeline_code.monitor.report_kinds import sections
from pipeline_code.monitor.settings import Settings

__all__ = ["render"]

NAMES = {
    MonitorKind.DATA_QUALITY: "Data quality",
    MonitorKind.MODEL_QUALITY: "Model quality",
    MonitorKind.BIAS: "Bias between customer segments",
    MonitorKind.ATTRIBUTION: "Feature attribution drift",
}
# How far the longest bar goes beyond its limit; farther ones are cut, their figures are not.
MOST_TIMES = 3.0


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
        yield section("Violations", table(["about", "check", "what was found"], rows))


def _measures(analysis: Analysis) -> Iterator[str]:
    """What was measured, what is nearest to its limit or beyond it first."""
    by_subject: dict[str, list[Measure]] = {}
    for measure in analysis.measures:
        by_subject.setdefault(_subject(measure), []).append(measure)
    if any(len(measures) > 1 for measures in by_subject.values()):
        yield section("Distances from the baseline", _side_by_side(by_subject))
    elif by_subject:
        yield section("Figures", _one_by_one(analysis.measures))


def _subject(measure: Measure) -> str:
    return ", ".join(measure.dimensions.values()) or measure.metric


def _side_by_side(by_subject: Mapping[str, Sequence[Measure]]) -> str:
    """A row a subject, a column a metric."""
    metrics = list(dict.fromkeys(m.metric for each in by_subject.values() for m in each))
    rows = []
    for subject, measures in by_subject.items():
        worst, given = max(measures, key=_used), {each.metric: each for each in measures}
        cells = [_against_limit(given.get(metric)) for metric in metrics]
        rows.append((_used(worst), ([subject, *cells, _bar(worst)], is_beyond(worst))))
    rows.sort(key=lambda row: row[0], reverse=True)
    return marked_table(["", *metrics, "of its limit"], [row for _, row in rows])


def _against_limit(measure: Measure | None) -> str:
    if measure is None:
        return ""
    limit = "" if measure.threshold is None else f" / {measure.threshold:,.3f}"
    return f"{measure.value:,.3f}{limit}"


def _one_by_one(measures: Sequence[Measure]) -> str:
    ordered = sorted(measures, key=_used, reverse=True)
    return marked_table(
        ["", "figure", "baseline", "limit", "of its limit"],
        [(_row(each), is_beyond(each)) for each in ordered],
    )


def _row(measure: Measure) -> list[object]:
    figures = (measure.value, measure.baseline, measure.threshold)
    return [_subject(measure), *map(_figure, figures), _bar(measure)]


def _bar(measure: Measure) -> str:
    if measure.threshold is None:
        return ""
    kind = BEYOND if is_beyond(measure) else NOW
    return bar(_used(measure) / MOST_TIMES, kind=kind, limit=1 / MOST_TIMES)


def _used(measure: Measure) -> float:
    """How much of what is allowed is used up: beyond 1 the limit is broken."""
    threshold, baseline = measure.threshold, measure.baseline
    if threshold is None:
        return -1.0
    if baseline is not None and threshold != baseline:
        return max((measure.value - baseline) / (threshold - baseline), 0.0)
    return measure.value / threshold if threshold > 0 else float(is_beyond(measure)) * MOST_TIMES


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:,.4f}"
