"""Times of monitoring: when a schedule is due, and which hours of captures it looks at."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from local_aws.sagemaker.errors import unsupported, validation

NOW = "NOW"
_HOURLY = re.compile(r"cron\(0 \* \? \* \* \*\)")
_DAILY = re.compile(r"cron\(0 ([01]?\d|2[0-3]) \? \* \* \*\)")
_EVERY = re.compile(r"cron\(0 ([01]?\d|2[0-3])/([1-9]|1\d|2[0-4]) \? \* \* \*\)")
_OFFSET = re.compile(r"([+-]?)P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class AnalysisWindow:
    """The time that one execution analyzes, from `start` on, before `end`."""

    start: datetime
    end: datetime

    def hours(self) -> list[datetime]:
        """The hours that it touches."""
        hour = self.start.replace(minute=0, second=0, microsecond=0)
        found = []
        while hour < self.end:
            found.append(hour)
            hour += _HOUR
        return found


@dataclass(frozen=True, slots=True)
class Recurrence:
    """When a schedule is due: at some hours of the day, each time for the hours since the last."""

    first: int
    every: int

    @classmethod
    def parse(cls, expression: str) -> "Recurrence | None":
        """From a schedule expression; None for one that runs once, now.

        Raises:
            ServiceError: If it is none that Model Monitor takes.
        """
        if expression == NOW:
            return None
        if _HOURLY.fullmatch(expression):
            return cls(0, 1)
        if found := _DAILY.fullmatch(expression):
            return cls(int(found[1]), 24)
        if found := _EVERY.fullmatch(expression):
            return cls(int(found[1]), int(found[2]))
        raise validation(
            "ScheduleExpression must be NOW, hourly like cron(0 * ? * * *), daily like "
            f"cron(0 12 ? * * *) or in steps like cron(0 0/6 ? * * *), got {expression}"
        )

    def due(self, moment: datetime) -> bool:
        """Whether it is due at this hour."""
        if self.every == 24:  # noqa: PLR2004
            return moment.hour == self.first
        return moment.hour >= self.first and (moment.hour - self.first) % self.every == 0

    def window(self, scheduled: datetime) -> AnalysisWindow:
        """What the execution of an hour analyzes."""
        return AnalysisWindow(scheduled - self.every * _HOUR, scheduled)


def window_of_now(config: dict[str, str], now: datetime) -> AnalysisWindow:
    """What a one-time schedule analyzes: DataAnalysisStartTime and -EndTime are offsets from now.

    Raises:
        ServiceError: If they are missing or wrong.
    """
    start, end = (_offset(config, member) for member in ("Start", "End"))
    window = AnalysisWindow(now + start, now + end)
    if window.start >= window.end:
        raise validation("DataAnalysisStartTime must be before DataAnalysisEndTime")
    return window


def stamp(moment: datetime) -> str:
    """A time as Model Monitor tells it to the container."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def refuse_offsets(endpoint_input: dict[str, str]) -> None:
    """Model quality jobs shift their window; data quality jobs have none of it."""
    for member in ("StartTimeOffset", "EndTimeOffset"):
        if member in endpoint_input:
            raise unsupported(member, "leave it out; the window is the schedule's own")


def _offset(config: dict[str, str], which: str) -> timedelta:
    member = f"DataAnalysis{which}Time"
    text = config.get(member)
    found = None if text is None else _OFFSET.fullmatch(text)
    if found is None or not any(found.groups()[1:]):
        raise validation(f"{member} must be an offset like -PT1H for a schedule NOW, got {text}")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups()[1:])
    size = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    return -size if found[1] == "-" else size
