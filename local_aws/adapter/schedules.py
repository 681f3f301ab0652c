"""ministack's schedules, and its reading of AWS's cron expressions."""

import json
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import eventbridge, scheduler
from ministack.services.cloudformation import provisioners

Refusal = Callable[[Mapping[str, Any]], str | None]
_TYPE = "AWS::Scheduler::Schedule"
_ERRORS = 400


def check_schedules(refusal: Refusal) -> None:
    """Ask before a schedule is made or changed, by the API or by a template.

    ministack's templates lose most properties of a schedule, and what the API would refuse.

    Args:
        refusal: Why a schedule as described cannot be, or None.
    """
    create, update = scheduler._create_schedule, scheduler._update_schedule

    def checked(inner: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
        def serve(name: str, body: dict[str, Any]) -> Any:
            if (reason := refusal(body)) is not None:
                return scheduler._error(400, "ValidationException", reason)
            key = (get_account_id(), get_region(), f"{body.get('GroupName', 'default')}/{name}")
            before = scheduler._schedules._data.get(key, {}).get("ScheduleExpression")
            answer = inner(name, body)
            if body.get("ScheduleExpression") != before:
                _count_from_now(key, body)
            return answer

        return serve

    scheduler._create_schedule = checked(create)
    scheduler._update_schedule = checked(update)
    handler = provisioners._RESOURCE_HANDLERS[_TYPE]
    made_anew = handler["update"]

    def create_schedule(logical_id: str, props: dict[str, Any], stack_name: str) -> Any:
        name = props.get("Name") or provisioners._physical_name(stack_name, logical_id, max_len=64)
        return _served(scheduler._create_schedule(name, props), name)

    def update_schedule(physical_id: str, old: dict[str, Any], new: Any, stack_name: str) -> Any:
        renamed = new.get("Name", physical_id) != physical_id
        if renamed or new.get("GroupName") != old.get("GroupName"):
            return made_anew(physical_id, old, new, stack_name)
        return _served(scheduler._update_schedule(physical_id, new), physical_id)

    handler.update(create=create_schedule, update=update_schedule)


def _count_from_now(key: tuple[str, str, str], body: Mapping[str, Any]) -> None:
    """Forget when a schedule of another expression was due, or of another that had its name."""
    scheduler._schedule_last_fired.pop(key, None)
    if scheduler._at_time_epoch(body.get("ScheduleExpression", "")) is None:
        scheduler._schedule_last_fired[key] = time.time()


def _served(answer: Any, name: str) -> Any:
    status, _headers, body = answer
    document = json.loads(body)
    if status >= _ERRORS:
        raise ValueError(document["Message"])
    return name, {"Arn": document["ScheduleArn"]}


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
