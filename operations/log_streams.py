"""Log streams in CloudWatch of a job, a function or an endpoint: their last lines, and more."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from heapq import merge
from typing import Any

from botocore.exceptions import ClientError

from operations.target import Target
from operations.waiting import looks

__all__ = ["Line", "Log", "follow", "job_log", "last_lines"]

# By what an ARN calls a job.
_GROUPS = {
    "processing-job": "/aws/sagemaker/ProcessingJobs",
    "training-job": "/aws/sagemaker/TrainingJobs",
    "transform-job": "/aws/sagemaker/TransformJobs",
}
# A job writes one stream an instance; of a function or an endpoint the newest are looked at.
_STREAMS = 10


@dataclass(frozen=True, slots=True)
class Log:
    """Where something logs.

    Attributes:
        group: The log group.
        prefix: How the names of its streams begin; empty if the whole group is its own.
    """

    group: str
    prefix: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Line:
    """One line of a log."""

    at: datetime
    message: str


def job_log(arn: str) -> Log:
    """Where a job logs; `arn` is a processing, training or transform job's."""
    kind, _, name = arn.rpartition(":")[2].partition("/")
    # A tuning job logs nothing: its training jobs do, and their names begin as its own.
    end = "-" if kind == "hyper-parameter-tuning-job" else "/"
    return Log(_GROUPS.get(kind, _GROUPS["training-job"]), f"{name}{end}")


def last_lines(target: Target, log: Log, count: int) -> list[Line]:
    """The last lines of all streams together, oldest first; none if nothing was logged."""
    logs = target.client("logs")
    pages = (
        logs.get_log_events(
            logGroupName=log.group, logStreamName=stream, limit=count, startFromHead=False
        )["events"]
        for stream in _streams(logs, log)
    )
    return list(merge(*(map(_line, events) for events in pages)))[-count:]


def follow(target: Target, log: Log, count: int, ended: Callable[[], bool]) -> Iterator[Line]:
    """The last lines, and then what comes, until it has ended and everything was read."""
    logs, is_first = target.client("logs"), True
    tokens: dict[str, str] = {}
    for _ in looks():
        is_last, lines = ended(), list[Line]()
        for stream in _streams(logs, log):
            given: dict[str, Any] = {"startFromHead": True}
            if stream in tokens:
                given["nextToken"] = tokens[stream]
            elif is_first:
                given = {"startFromHead": False, "limit": count}
            page = logs.get_log_events(logGroupName=log.group, logStreamName=stream, **given)
            tokens[stream] = page["nextForwardToken"]
            lines += map(_line, page["events"])
        yield from sorted(lines)
        is_first = False
        if is_last and not lines:
            return


def _streams(logs: Any, log: Log) -> list[str]:
    order: dict[str, Any] = {"orderBy": "LastEventTime", "descending": True}
    if log.prefix:
        order = {"logStreamNamePrefix": log.prefix}
    try:
        found = logs.describe_log_streams(logGroupName=log.group, limit=_STREAMS, **order)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return []  # nothing of its kind has logged yet
    return [each["logStreamName"] for each in found["logStreams"]]


def _line(event: dict[str, Any]) -> Line:
    return Line(datetime.fromtimestamp(event["timestamp"] / 1000, UTC), event["message"].rstrip())
