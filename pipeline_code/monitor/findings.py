"""All that an analysis came to in one document (`analysis.json`), for people's tools.

Model Monitor's own documents say what broke; this one says also what was measured, against what.
"""

from dataclasses import fields
from typing import Any

from pipeline_code.monitor.analysis import Analysis, Measure, Violation
from pipeline_code.monitor.captures import Interval
from pipeline_code.monitor.chunks import Tally
from pipeline_code.monitor.settings import Settings

__all__ = ["findings", "is_beyond"]

VERSION = 1


def findings(analysis: Analysis, tally: Tally, settings: Settings) -> dict[str, Any]:
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
        "measures": [_measure(each) for each in analysis.measures],
    }


def is_beyond(measure: Measure) -> bool:
    """Whether a figure is where its threshold forbids it.

    A threshold below what the baseline has is a lower limit, as for an average precision.
    """
    if measure.threshold is None:
        return False
    if measure.baseline is not None and measure.threshold < measure.baseline:
        return measure.value < measure.threshold
    return measure.value > measure.threshold


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


def _measure(measure: Measure) -> dict[str, Any]:
    return {
        "metric": measure.metric,
        "dimensions": dict(measure.dimensions),
        "value": measure.value,
        "baseline": measure.baseline,
        "threshold": measure.threshold,
        "beyond": is_beyond(measure),
        "unit": measure.unit,
    }
