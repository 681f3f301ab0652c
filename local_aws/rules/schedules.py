"""EventBridge Scheduler: expressions (User Guide, "Schedule types in EventBridge Scheduler")."""

import re
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from local_aws.adapter.operations import Refusal
from local_aws.guesses import Guess, guessed

_RATE = re.compile(r"rate\(([1-9]\d*) (minutes?|hours?|days?)\)")
# The six fields of cron: least, most, names from the least on, what they have of their own.
_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
_FIELDS: tuple[tuple[int, int, list[str], str], ...] = (
    (0, 59, [], ""),
    (0, 23, [], ""),
    (1, 31, [], r"\?|L|L?W|([1-9]|[12]\d|3[01])W|L-\d+"),
    (1, 12, _MONTHS, ""),
    (1, 7, _DAYS, r"\?|L|([1-7]|[A-Z]{3})(L|#[1-5])"),
    (1970, 2199, [], ""),
)
_AT = re.compile(r"at\(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\)")


def is_cron(text: str) -> bool:
    """Whether a text is a cron expression of EventBridge's.

    "You can't specify the Day-of-month and Day-of-week fields in the same cron expression. If you
    specify a value or a * (asterisk) in one of the fields, you must use a ? (question mark) in the
    other" (EventBridge User Guide, "Cron expressions").
    """
    fields = text[5:-1].split()
    if not (text.startswith("cron(") and text.endswith(")")) or len(fields) != len(_FIELDS):
        return False
    one_day = (fields[2] == "?") != (fields[4] == "?")
    return one_day and all(map(_is_field, fields, _FIELDS))


def _is_field(text: str, form: tuple[int, int, list[str], str]) -> bool:
    """Whether a field has values of its range only (the same page, of fields and wildcards)."""
    least, most, names, own = form
    if own and re.fullmatch(own, text):
        return True

    def known(value: str) -> bool:
        number = names.index(value) + least if value in names else int(value or -1)
        return least <= number <= most

    for part in text.split(","):
        found = re.fullmatch(r"(\*|(\w+)(?:-(\w+))?)(?:/(\d+))?", part)
        if found is None or found[4] == "0":
            return False
        bounds = [each for each in found.group(2, 3) if each is not None]
        if not all((each in names or each.isdecimal()) and known(each) for each in bounds):
            return False
    return True


def _schedule(given: Mapping[str, Any]) -> Refusal | None:
    """CreateSchedule and UpdateSchedule (Scheduler API Reference)."""
    text = str(given["ScheduleExpression"])
    if not (is_cron(text) or _RATE.fullmatch(text) or _is_at(text)):
        # As localstack #9284 quotes it, and localstack records it (test_scheduler.snapshot).
        return _invalid(f"Invalid Schedule Expression {text}.")
    window = given.get("FlexibleTimeWindow") or {}
    flexible, most = window.get("Mode") == "FLEXIBLE", window.get("MaximumWindowInMinutes")
    if flexible != (most is not None):
        words = "MaximumWindowInMinutes must be given with a FLEXIBLE time window, and only then."
        return _invalid(guessed(words, Guess.WORDS))
    start, end = (_seconds(given.get(name)) for name in ("StartDate", "EndDate"))
    if end is not None and end <= max(start or 0.0, time.time()):
        return _invalid(
            guessed("EndDate must be after StartDate, and in the future.", Guess.UNSEEN)
        )
    return None


def _invalid(words: str) -> Refusal:
    return Refusal("ValidationException", words, 400)


def _is_at(text: str) -> bool:
    if _AT.fullmatch(text) is None:
        return False
    try:
        datetime.fromisoformat(text[3:-1])
    except ValueError:
        return False
    return True


def _seconds(moment: Any) -> float | None:
    if moment is None:
        return None
    if isinstance(moment, str):
        return datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp()
    return float(moment.timestamp() if hasattr(moment, "timestamp") else moment)


RULES = {"CreateSchedule": _schedule, "UpdateSchedule": _schedule}
