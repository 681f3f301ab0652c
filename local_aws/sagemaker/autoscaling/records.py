"""Auto Scaling's records: targets, policies, scheduled actions and what was done about them."""

import uuid
from collections.abc import Mapping
from typing import Any

from local_aws.sagemaker.context import Context
from local_aws.sagemaker.errors import ServiceError, validation
from local_aws.sagemaker.events import now

TARGET = "scalable-target"
POLICY = "scaling-policy"
ACTION = "scheduled-action"
ACTIVITY = "scaling-activity"
KEY = ("ServiceNamespace", "ResourceId", "ScalableDimension")
_MOST_ACTIVITIES = 200  # of one target; AWS keeps those of six weeks
_PARTS = 4

Document = dict[str, Any]


def key(request: Mapping[str, Any]) -> str:
    """What names a target."""
    return "|".join(request[member] for member in KEY)


def key_of_named(request: Mapping[str, Any], member: str) -> str:
    """What names a policy or scheduled action of a target."""
    return f"{key(request)}|{request[member]}"


def endpoint_and_variant(resource_id: str) -> tuple[str, str]:
    """What a target is of.

    Raises:
        ServiceError: If it is no variant's.
    """
    parts = resource_id.split("/")
    if len(parts) != _PARTS or parts[0] != "endpoint" or parts[2] != "variant":
        raise validation(f"ResourceId must be endpoint/<name>/variant/<name>, got {resource_id}")
    return parts[1], parts[3]


def find_target(context: Context, request: Mapping[str, Any]) -> Document:
    """A target's document.

    Raises:
        ServiceError: If there is none.
    """
    target = context.store.get(TARGET, key(request))
    if target is None:
        raise ServiceError(
            "ObjectNotFoundException",
            f"No scalable target registered for service namespace: {request['ServiceNamespace']}, "
            f"resource ID: {request['ResourceId']}, scalable dimension: "
            f"{request['ScalableDimension']}",
        )
    return target


def begin_activity(
    context: Context, target: Mapping[str, Any], description: str, cause: str
) -> str:
    """Record that something is being done about a target; the activity's name in the store."""
    prefix = f"{key(target)}|"
    started = now()
    name = f"{prefix}{started:017.3f}|{uuid.uuid4()}"
    context.store.put(
        ACTIVITY,
        name,
        {
            "ActivityId": name.rpartition("|")[2],
            **{member: target[member] for member in KEY},
            "Description": description,
            "Cause": cause,
            "StartTime": started,
            "StatusCode": "InProgress",
            "StatusMessage": description,
        },
    )
    with context.store.transaction() as connection:
        names = connection.execute(
            "SELECT name FROM resources WHERE kind = ? AND substr(name, 1, ?) = ? "
            "ORDER BY name DESC LIMIT -1 OFFSET ?",
            (ACTIVITY, len(prefix), prefix, _MOST_ACTIVITIES),
        ).fetchall()
        for (old,) in names:
            context.store.delete(ACTIVITY, old)
    return name


def end_activity(context: Context, name: str, status: str, message: str) -> None:
    """Record how it went."""

    def change(activity: Document) -> None:
        activity.update(StatusCode=status, StatusMessage=message, EndTime=now())

    context.store.update(ACTIVITY, name, change)
