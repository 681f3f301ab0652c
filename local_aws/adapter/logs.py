"""A hook on what is written to CloudWatch Logs."""

from collections.abc import Callable
from typing import Any

from ministack.services import cloudwatch_logs


def on_messages(function: Callable[[list[str]], None]) -> None:
    """Have a function called with the messages of each write, in the writer's request scope."""
    inner = cloudwatch_logs._append_log_events

    def append_log_events(stream: dict[str, Any], events: list[dict[str, Any]]) -> None:
        inner(stream, events)
        function([event["message"] for event in events])

    cloudwatch_logs._append_log_events = append_log_events
