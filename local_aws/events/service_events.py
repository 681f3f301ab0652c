"""Events that CloudFormation and Parameter Store put on EventBridge's default bus."""

from collections.abc import Mapping
from typing import Any

from local_aws.adapter import emit_event
from local_aws.adapter.cloudformation import changes


def install() -> None:
    """Announce each status of a stack and each change of a parameter, as AWS does."""
    changes.on_stack_status(announce_stack)
    changes.on_parameter_change(announce_parameter)


def announce_stack(stack_id: str, status: str, reason: str, token: str) -> None:
    """Put `CloudFormation Stack Status Change` on the bus."""
    detail = {
        "stack-id": stack_id,
        "status-details": {"status": status, "status-reason": reason},
        "client-request-token": token,
    }
    emit_event(
        "CloudFormation Stack Status Change", detail, [stack_id], source="aws.cloudformation"
    )


def announce_parameter(operation: str, parameter: Mapping[str, Any]) -> None:
    """Put `Parameter Store Change` on the bus."""
    detail = {
        "operation": operation,
        "name": parameter["Name"],
        "type": parameter["Type"],
        "description": parameter["Description"],
    }
    emit_event("Parameter Store Change", detail, [parameter["ARN"]], source="aws.ssm")
