"""The run's own stacks, made and updated by CloudFormation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from operations.errors import OperationError

if TYPE_CHECKING:
    from operations.smoke.run import Run

__all__ = ["ENDPOINT_LOGS", "reason", "rested", "stack", "update"]

ENDPOINT_LOGS = "/aws/sagemaker/Endpoints"
_ENDED = ("_COMPLETE", "_FAILED")


def stack(run: Run, name: str, template: str, *tags: dict[str, str]) -> dict[str, str]:
    """Make a stack, and wait until it is there; its outputs.

    Raises:
        OperationError: If it could not be made, and why.
    """
    run.client("cloudformation").create_stack(
        StackName=name,
        TemplateBody=template,
        Capabilities=["CAPABILITY_IAM"],
        OnFailure="DO_NOTHING",
        Tags=[*run.tags(), *tags],
    )
    found = rested(run, name)
    if found["StackStatus"] != "CREATE_COMPLETE":
        raise OperationError(
            f"stack {name} must be made, got {found['StackStatus']}: {reason(run, name)}"
        )
    return {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", [])}


def update(run: Run, name: str, template: str) -> None:
    """Begin a stack's update."""
    run.client("cloudformation").update_stack(StackName=name, TemplateBody=template)


def rested(run: Run, name: str) -> dict[str, Any]:
    """A stack once nothing is being done to it."""

    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = run.client("cloudformation").describe_stacks(StackName=name)[
            "Stacks"
        ][0]
        return found if found["StackStatus"].endswith(_ENDED) else None

    return run.eventually(look, f"stack {name}")


def reason(run: Run, name: str) -> str:
    """Why a stack could not be made or updated, by its first event that says so."""
    events = run.client("cloudformation").describe_stack_events(StackName=name)["StackEvents"]
    reasons = [
        f"{each['LogicalResourceId']}: {each['ResourceStatusReason']}"
        for each in reversed(events)
        if each["ResourceStatus"].endswith("_FAILED") and "ResourceStatusReason" in each
    ]
    return reasons[0] if reasons else "no reason was given"
