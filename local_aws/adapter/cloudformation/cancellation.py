"""Cancelling updates: ministack's CloudFormation looks for it between two resources only."""

from contextvars import ContextVar
from typing import Any

from ministack.services import cloudformation
from ministack.services.cloudformation import handlers, stacks

_cancelled: ContextVar[bool] = ContextVar("cancelled", default=False)


def is_cancelled(stack_name: str) -> bool:
    """Whether a stack's update was cancelled, and does not go back yet."""
    return bool((cloudformation._stacks.get(stack_name) or {}).get("_cancel_requested"))


def is_going_back(stack_name: str) -> bool:
    """Whether a stack's update is being rolled back."""
    stack = cloudformation._stacks.get(stack_name) or {}
    return bool(stack.get("StackStatus") == "UPDATE_ROLLBACK_IN_PROGRESS")


def end_with_what_is_under_way() -> None:
    """Have a resource that ends because of it make the update one that was cancelled.

    As between two resources: the stack's reason is "User Initiated", and the events of its way back
    have the token of the request that cancelled it. What had begun is sent back as well.
    """
    inner, sends_back = stacks._roll_back_operation, stacks._sends_back_failed_update

    async def roll_back(
        name: str, stack_id: str, stack: dict[str, Any], operation: dict[str, Any], *rest: Any
    ) -> Any:
        if stack.pop("_cancel_requested", False):
            operation["cancelled"] = True
            _cancelled.set(True)
            stacks.CLIENT_REQUEST_TOKEN.set(stack.pop("_cancel_token", ""))
        return await inner(name, stack_id, stack, operation, *rest)

    for module in (stacks, handlers):
        module._roll_back_operation = roll_back
    stacks._sends_back_failed_update = lambda kind: _cancelled.get() or sends_back(kind)
