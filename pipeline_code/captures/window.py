"""The interval that the analyzer is configured to, by moments and hours."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from pipeline_code.captures.interval import Interval
from pipeline_code.common.exits import BadInput

__all__ = ["interval_of", "moment_of"]


def interval_of(environment: Mapping[str, str]) -> Interval:
    """What `start_time`, `end_time`, LOOK_BACK_HOURS and `analysis_hours` come to.

    Raises:
        BadInput: One is wrong, or the interval is empty.
    """
    start, end = moment_of(environment, "start_time"), moment_of(environment, "end_time")
    look_back = _hours(environment, "LOOK_BACK_HOURS")
    if look_back is not None:
        if end is None:
            raise BadInput("end_time must be set if LOOK_BACK_HOURS is, got none")
        start = end - look_back
    elif start is None and end is not None:
        hours = _hours(environment, "analysis_hours")
        start = None if hours is None else end - hours
    if start is not None and end is not None and start >= end:
        raise BadInput(f"start_time must be before end_time {end.isoformat()}, got {start}")
    return Interval(start, end)


def _hours(environment: Mapping[str, str], name: str) -> timedelta | None:
    text = environment.get(name)
    if not text:
        return None
    try:
        length = timedelta(hours=float(text))
    except (ValueError, OverflowError) as error:
        raise BadInput(f"{name} must be a number of hours, got {text}") from error
    if length <= timedelta(0):
        raise BadInput(f"{name} must be more than 0, got {text}")
    return length


def moment_of(environment: Mapping[str, str], name: str) -> datetime | None:
    """The time that a variable holds; None if it is not set.

    Raises:
        BadInput: It holds something else.
    """
    text = environment.get(name, "").replace(" ", "")
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadInput(f"{name} must be an ISO-8601 time, got {text}") from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
