"""EventBridge Scheduler: expressions (User Guide, "Schedule types in EventBridge Scheduler")."""

import re
from collections.abc import Mapping
from typing import Any

from local_aws.adapter.operations import Refusal

_RATE = re.compile(r"rate\(([1-9]\d*) (minutes?|hours?|days?)\)")
_CRON = re.compile(r"cron\((\S+ ){5}\S+\)")
_AT = re.compile(r"at\(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\)")


def is_cron(text: str) -> bool:
    """Whether a text is a cron expression of EventBridge's.

    "You can't specify the Day-of-month and Day-of-week fields in the same cron expression. If you
    specify a value or a * (asterisk) in one of the fields, you must use a ? (question mark) in the
    other" (EventBridge User Guide, "Cron expressions").
    """
    if _CRON.fullmatch(text) is None:
        return False
    _minutes, _hours, day, _month, weekday, _year = text[5:-1].split(" ")
    return (day == "?") != (weekday == "?")


def _expression(given: Mapping[str, Any]) -> Refusal | None:
    text = str(given["ScheduleExpression"])
    if is_cron(text) or any(form.fullmatch(text) for form in (_RATE, _AT)):
        return None
    # localstack #9284 quotes AWS's answer.
    return Refusal("ValidationException", f"Invalid Schedule Expression {text}.", 400)


RULES = {"CreateSchedule": _expression, "UpdateSchedule": _expression}
