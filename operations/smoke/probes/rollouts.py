"""Endpoints of one instance as probes have them: made, updated, watched."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from operations.smoke.run import NotSeenError
from operations.smoke.stacks import ENDPOINT_LOGS

if TYPE_CHECKING:
    from operations.smoke.run import Run

__all__ = ["deployment_config", "logs", "rest", "set_alarm", "variant", "when_baking"]

_RESTING = ("InService", "Failed", "UpdateRollbackFailed")
# How long an update is watched; on a laptop less, but long enough to be seen.
_WATCHED_SECONDS = 120.0
_SHORTEST_WATCH = 3


def variant(model: str, instance_type: str) -> dict[str, Any]:
    """A variant of one instance."""
    return {
        "VariantName": "model",
        "ModelName": model,
        "InstanceType": instance_type,
        "InitialInstanceCount": 1,
    }


def deployment_config(run: Run, alarm: str) -> dict[str, Any]:
    """Blue/green, all at once, and watched for a while."""
    seconds = max(_SHORTEST_WATCH, round(_WATCHED_SECONDS * run.pace))
    return {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": {
                "Type": "ALL_AT_ONCE",
                "WaitIntervalInSeconds": seconds,
            },
            "TerminationWaitInSeconds": seconds,
        },
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": alarm}]},
    }


def set_alarm(run: Run, which: str, state: str) -> None:
    """Set an alarm's state; it stays, for there are no data."""
    run.client("cloudwatch").set_alarm_state(
        AlarmName=run.outputs[f"{which.title()}Alarm"], StateValue=state, StateReason="smoke test"
    )


def when_baking(
    run: Run, name: str, is_over: Callable[[dict[str, Any]], bool] | None = None
) -> None:
    """Wait until an update has all traffic on its new instances and watches the alarms.

    Args:
        run: The run.
        name: The endpoint.
        is_over: Whether the update is over, by the endpoint's description; if omitted, when it is
            InService.

    Raises:
        NotSeenError: If it was over before.
    """
    is_over = is_over or (lambda found: found["EndpointStatus"] == "InService")

    def look() -> bool:
        found = run.client("sagemaker").describe_endpoint(EndpointName=name)
        pending = found.get("PendingDeploymentSummary", {}).get("ProductionVariants", [])
        statuses = {each["Status"] for item in pending for each in item.get("VariantStatus", [])}
        if is_over(found):
            raise NotSeenError("the update was never seen baking")
        return "Baking" in statuses

    run.eventually(look, "the update's baking")


def rest(run: Run, name: str) -> dict[str, Any]:
    """The endpoint's description once nothing is being done to it."""

    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = run.client("sagemaker").describe_endpoint(EndpointName=name)
        return found if found["EndpointStatus"] in _RESTING else None

    return run.eventually(look, f"endpoint {name}")


def logs(run: Run, name: str) -> bool:
    """Whether an endpoint has written to its log group."""
    client = run.client("logs")
    try:
        found = client.describe_log_streams(logGroupName=f"{ENDPOINT_LOGS}/{name}")
    except client.exceptions.ResourceNotFoundException:
        return False
    return bool(found["logStreams"])
