"""All that an analysis came to in one document (`analysis.json`), for an operator's tools.

Model Monitor's own documents say what broke; this one says also what was measured, against what.
"""

from dataclasses import fields
from typing import Any

from pipeline_code.captures.chunks import Tally
from pipeline_code.captures.interval import Interval
from pipeline_code.contracts.monitoring import MonitorKind
from pipeline_code.monitor.analysis import Analysis, Measure, Violation
from pipeline_code.monitor.settings import AnalysisSettings

__all__ = ["findings", "is_beyond", "used"]

VERSION = 1


def findings(analysis: Analysis, tally: Tally, settings: AnalysisSettings) -> dict[str, Any]:
    """The document; the same for the same captures, whenever it is made."""
    return {
        "version": VERSION,
        "kind": analysis.kind.value,
        "endpoint_name": settings.endpoint_name,
        "monitoring_schedule_name": settings.schedule_name,
        "model_version": settings.model_version,
        **_times(settings.interval),
        "records": analysis.records,
        "enough": analysis.enough,
        "maturity": analysis.maturity,
        "tally": _tally(tally),
        "violations": [_violation(each) for each in analysis.violations],
        "measures": [_measure(each, analysis) for each in analysis.measures],
    }


def used(measure: Measure) -> float | None:
    """How much of what is allowed is used up, beyond 1 more than that; None if all is allowed.

    It is counted from the baseline on, if that has such a figure. A threshold below the baseline is
    a lower limit, as for an average precision.
    """
    threshold, baseline = measure.threshold, measure.baseline
    if threshold is None:
        return None
    start = 0.0 if baseline is None else baseline
    if threshold != start:
        return max((measure.value - start) / (threshold - start), 0.0)
    return 2.0 if measure.value > threshold else 1.0


def is_beyond(measure: Measure, analysis: Analysis) -> bool:
    """Whether a figure is where its threshold forbids it.

    A difference between segments is so only as far as it is beyond chance: the violations know.
    """
    if analysis.kind is MonitorKind.BIAS:
        broken = {violation.subject for violation in analysis.broken}
        return not broken.isdisjoint(measure.dimensions.values())
    share = used(measure)
    return share is not None and share > 1


def _times(interval: Interval) -> dict[str, str | None]:
    return {
        "start_time": None if interval.start is None else interval.start.isoformat(),
        "end_time": None if interval.end is None else interval.end.isoformat(),
    }


def _tally(tally: Tally) -> dict[str, Any]:
    # Not asdict: of a Counter it makes one that counts pairs.
    return {field.name: getattr(tally, field.name) for field in fields(tally)}


def _violation(violation: Violation) -> dict[str, str]:
    return {
        "subject": violation.subject,
        "check": violation.check,
        "description": violation.description,
    }


def _measure(measure: Measure, analysis: Analysis) -> dict[str, Any]:
    return {
        "metric": measure.metric,
        "dimensions": dict(measure.dimensions),
        "value": measure.value,
        "baseline": measure.baseline,
        "threshold": measure.threshold,
        "used": used(measure),
        "beyond": is_beyond(measure, analysis),
        "unit": measure.unit,
    }
