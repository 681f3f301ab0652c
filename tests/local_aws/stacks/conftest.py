"""What a stack's events say."""

from collections.abc import Callable
from typing import Any

Client = Callable[[str], Any]


Deploy = Callable[..., dict[str, str]]


def reasons(client: Client, stack: str) -> str:
    """What a stack's events say."""
    events = client("cloudformation").describe_stack_events(StackName=stack)["StackEvents"]
    return "\n".join(event.get("ResourceStatusReason", "") for event in events)
