"""The EventBridge events of jobs, in the form that AWS documents for them."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from local_aws.sagemaker.context import Context


def now() -> float:
    """Seconds since the epoch, to the millisecond as AWS keeps them."""
    return round(time.time(), 3)


def iso(seconds: float) -> str:
    """A time as events of pipelines and packages spell it: `2021-03-15T16:10:10Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def in_millis(document: Mapping[str, Any]) -> dict[str, Any]:
    """A description with its times in milliseconds, as events of jobs carry them."""
    return {
        key: int(value * 1000) if key.endswith("Time") and isinstance(value, float) else value
        for key, value in document.items()
        if value is not None
    }


def job_changed(
    context: Context,
    noun: str,
    title: str,
    description: Mapping[str, Any],
    tags: Mapping[str, str],
) -> None:
    """`SageMaker <title> Job State Change`, whose detail is the job's description."""
    detail = {**in_millis(description), "Tags": dict(tags)}
    transitions = description.get("SecondaryStatusTransitions")
    if transitions is not None:
        detail["SecondaryStatusTransitions"] = [in_millis(item) for item in transitions]
    arn = description[f"{noun}JobArn"]
    context.emit_event(f"SageMaker {title} Job State Change", detail, [arn])
