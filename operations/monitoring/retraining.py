"""Asking for a retraining, and saying that drift may ask again: events, as monitors send them.

Whoever may put such events may do so, and no more: the function decides, one event at a time.
"""

import json
from datetime import datetime
from typing import Any

from operations.errors import OperationError
from operations.target import Target
from operations.waiting import looks
from pipeline_code.contracts.events import (
    OPERATIONS_SOURCE,
    RETRAINING_REQUESTED,
    RETRAINING_RESUMED,
)
from pipeline_code.contracts.outputs import Output, function_output, queue_output

__all__ = ["request", "resume", "status"]

_FUNCTION = "Retraining"
_EMPTY = "none"


def request(target: Target, *, reason: str, timeout_seconds: float = 120.0) -> dict[str, Any]:
    """Ask for a retraining and wait for what comes of it.

    Args:
        target: Where.
        reason: Why; it is stored with the model.
        timeout_seconds: How long to wait; the event is worked off afterwards, too.

    Returns:
        `outcome`, `reason` and `execution_arn`: of a declined one, why, and no execution.

    Raises:
        OperationError: If the reason is blank, or there is no response in time.
    """
    return _asked(target, RETRAINING_REQUESTED, reason, timeout_seconds)


def resume(target: Target, *, reason: str, timeout_seconds: float = 120.0) -> dict[str, Any]:
    """Have drift retrain again that retraining did not cure so far.

    Raises:
        OperationError: If the reason is blank, or there is no response in time.
    """
    return _asked(target, RETRAINING_RESUMED, reason, timeout_seconds)


def status(target: Target) -> dict[str, Any]:
    """What was retrained last and what for, and for which drift in vain since.

    `uncured` holds the starts for each kind of monitoring that it has not passed since; a start
    that is `pending` may have happened.
    """
    state = _state(target)
    return {
        "last": state.get("last"),
        "pending": state.get("pending"),
        "day": state.get("day") or None,
        "started_on_day": state.get("count", 0),
        "uncured": _uncured(state),
        "resumed": state.get("resumed"),
        "waiting": {kind: _waiting(target, kind) for kind in ("", "Failures", "Undelivered")},
    }


def _asked(target: Target, detail_type: str, reason: str, timeout_seconds: float) -> dict[str, Any]:
    reason = " ".join(reason.split())
    if not reason:
        raise OperationError("reason must not be blank, got nothing; say why with --reason")
    by = str(target.client("sts").get_caller_identity()["Arn"])
    (entry,) = target.client("events").put_events(
        Entries=[
            {
                "Source": OPERATIONS_SOURCE,
                "DetailType": detail_type,
                "Detail": json.dumps({"reason": reason, "by": by}),
            }
        ]
    )["Entries"]
    if "EventId" not in entry:
        raise OperationError(
            f"event {detail_type} must be taken by EventBridge, got {entry.get('ErrorCode')}: "
            f"{entry.get('ErrorMessage')}"
        )
    return _answer(target, entry["EventId"], timeout_seconds)


def _answer(target: Target, event_id: str, timeout_seconds: float) -> dict[str, Any]:
    for _ in looks(timeout_seconds):
        answer: dict[str, Any] | None = _state(target).get("answer")
        if answer is not None and answer["event_id"] == event_id:
            return {name: answer[name] for name in ("outcome", "reason", "execution_arn")}
    raise OperationError(
        f"event {event_id} must be worked off within {timeout_seconds:.0f} s, got no answer; it is "
        f"not lost: see the log of {target.output(function_output(_FUNCTION))} and "
        "`fraudloop retraining status`"
    )


def _uncured(state: dict[str, Any]) -> dict[str, list[str]]:
    """The starts since a kind of monitoring passed, or since an operator took matters in hand."""
    found = {}
    for monitor, starts in state.get("series", {}).items():
        since = [_moment(each) for each in (state["passed"].get(monitor), state["resumed"]) if each]
        found[monitor] = [
            start for start in starts if all(_moment(start) > moment for moment in since)
        ]
    return {monitor: starts for monitor, starts in found.items() if starts}


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _waiting(target: Target, kind: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = target.client("sqs").get_queue_attributes(
        QueueUrl=target.output(queue_output(_FUNCTION, kind)), AttributeNames=names
    )
    return sum(int(count) for count in found["Attributes"].values())


def _state(target: Target) -> dict[str, Any]:
    name = target.output(Output.RETRAINING_STATE_PARAMETER)
    value = str(target.client("ssm").get_parameter(Name=name)["Parameter"]["Value"])
    found: dict[str, Any] = {} if value == _EMPTY else json.loads(value)
    return found
