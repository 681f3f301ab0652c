"""The terminal's tables of what monitors found: verdicts, violations, figures against limits."""

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from operations.console import table
from operations.monitoring.drift import Asked
from operations.monitoring.findings import Finding, FindingOutcome
from pipeline_code.contracts.monitoring import MonitorKind

__all__ = ["tables"]

_STYLES = {
    FindingOutcome.PASSED: "green",
    FindingOutcome.VIOLATED: "red",
    FindingOutcome.UNKNOWN: "yellow",
}
_BAR = 10  # characters; the limit is in the middle
_SHOWN = 15  # figures of one kind; the page has all


def tables(kinds: Sequence[MonitorKind], asked: Sequence[Asked]) -> Iterator[RenderableType]:
    """What to show of each kind, in their order."""
    for kind, each in zip(kinds, asked, strict=True):
        yield _headline(kind, each)
        if isinstance(each, Finding):
            yield from _details(each)


def _headline(kind: MonitorKind, asked: Asked) -> Text:
    if not isinstance(asked, Finding):
        return Text(f"{kind}: failed: {asked}", style="bold red")
    return Text(f"{kind}: {asked.outcome}", style=f"bold {_STYLES[asked.outcome]}")


def _details(finding: Finding) -> Iterator[RenderableType]:
    yield Text(_extent(finding.analysis))
    if finding.violations:
        violations = [
            (_subject(each), each["constraint_check_type"], each["description"])
            for each in finding.violations
        ]
        yield table("Violations", ["about", "check", "description"], violations)
    measures = sorted(finding.analysis.get("measures", ()), key=_rank, reverse=True)
    if measures:
        columns = ["about", "metric", "value", "baseline", "limit", "of its limit"]
        title = f"Figures, {_SHOWN} of {len(measures)}" if len(measures) > _SHOWN else "Figures"
        rows = [_row(each) for each in measures[:_SHOWN]]
        yield table(title, columns, rows, only_wide=["baseline"])
    yield Text(f"{finding.report}/report.html")


def _extent(analysis: dict[str, Any]) -> str:
    """How much was looked at."""
    if not analysis:
        return "an older analyzer ran: there are violations only"
    start, end = analysis["start_time"] or "the beginning", analysis["end_time"] or "now"
    maturity = analysis["maturity"]
    judged = "" if maturity is None else f", {maturity:.1%} of them old enough to be judged"
    return f"{analysis['records']:,} records from {start} to {end}{judged}"


def _subject(violation: dict[str, Any]) -> str:
    told = ("constraint_check_type", "description")
    return " ".join(str(text) for name, text in violation.items() if name not in told)


def _row(measure: dict[str, Any]) -> tuple[str, ...]:
    subject = ", ".join(measure["dimensions"].values()) or "all"
    figures = (measure["value"], measure["baseline"], measure["threshold"])
    # Of the metrics' names: those of features are so many that they are told apart by it.
    metric = measure["metric"].removeprefix("Feature")
    return (subject, metric, *map(_figure, figures), _bar(measure))


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _bar(measure: dict[str, Any]) -> str:
    """How much of what is allowed is used up; the limit is where the bar is broken."""
    if measure["used"] is None:
        return ""
    half = _BAR // 2
    filled = min(round(measure["used"] * half), _BAR)
    inside, outside = min(filled, half), max(filled - half, 0)
    bar = "█" * inside + "░" * (half - inside) + "|" + "█" * outside
    return f"{bar} !" if measure["beyond"] else bar


def _rank(measure: dict[str, Any]) -> float:
    return -1.0 if measure["used"] is None else float(measure["used"])
