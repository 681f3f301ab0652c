"""ministack's reading of AWS's cron expressions."""

from datetime import datetime

from ministack.services import eventbridge


def next_cron_time(expression: str, after: datetime) -> datetime | None:
    """The first time of a `cron(...)` after another one, in its time zone; None if there is none.

    Raises:
        ValueError: If it is not one of AWS's cron expressions.
    """
    fields = eventbridge._parse_cron_fields(expression)
    if fields is None:
        raise ValueError(f"schedule must be an AWS cron expression of six fields, got {expression}")
    found: datetime | None = eventbridge._cron_next_fire(fields, after)
    return found
