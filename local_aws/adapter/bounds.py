"""Bounds of what ministack keeps in memory, and writes anew at each checkpoint, without an end."""

from typing import Any

from ministack.services import cloudwatch_logs, eventbridge, ssm

# Of one stream.
MOST_EVENTS = 2500
# "Parameter Store retains the 100 most recently created versions of a parameter" (API reference,
# ParameterMaxVersionLimitExceeded).
MOST_VERSIONS = 100


def keep_memory_flat() -> None:
    """Have the oldest leave; once per process."""
    _of_log_streams()
    _of_parameters()
    # A list of all events ever put, which nobody reads.
    eventbridge._events_log_list = list


def _of_log_streams() -> None:
    inner = cloudwatch_logs._append_log_events

    def append_log_events(stream: dict[str, Any], events: list[dict[str, Any]]) -> None:
        inner(stream, events)
        # A second copy of each event, for GetLogRecord; Insights makes the ones that it names.
        for event in events:
            cloudwatch_logs._log_records.pop(event.get("eventId"), None)
        if len(stream["events"]) < 2 * MOST_EVENTS:
            return
        with cloudwatch_logs._log_events_lock:
            stream["events"] = stream["events"][-MOST_EVENTS:]
            stream["firstEventTimestamp"] = stream["events"][0]["timestamp"]

    cloudwatch_logs._append_log_events = append_log_events


def _of_parameters() -> None:
    inner = ssm._put_parameter

    def put_parameter(data: dict[str, Any]) -> Any:
        answer = inner(data)
        history = ssm._parameter_history.get(data.get("Name"))
        if history is not None:
            del history[:-MOST_VERSIONS]
        return answer

    ssm._put_parameter = put_parameter
