"""Output of jobs and model servers: to a file, and to CloudWatch Logs as SageMaker does.

SageMaker writes it as the role of the job or model, so that without that role's leave a job has no
log and a server no embedded metrics; neither of them fails or is told. What the role needs is in
SageMaker's guide, "How to use SageMaker execution roles", for each kind of job and for models: to
make the group, to look which streams it has, to make one, to write; and to put metrics of the
instance into a namespace of the group's name.
"""

import logging
import re
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local_aws import adapter
from local_aws.behaviours.playing import plays
from local_aws.policies.authorization import log_arn
from local_aws.sagemaker.context import Context

logger = logging.getLogger("fraudloop.sagemaker")

_FLUSH_SECONDS = 1.0
_BATCH = 500
_LONGEST = 200_000  # characters of one line; CloudWatch Logs takes 256 KiB
_NAMESPACE = re.compile(r"/aws/sagemaker/\w+")
_TAIL = 1000  # lines kept for metrics and failure reasons


class LogStream:
    """Lines of one process, written as they come.

    with LogStream(context, role, "/aws/sagemaker/TrainingJobs", "job/algo-1-1700000000") as log:
        log.write("loading")

    Args:
        context: Shared state.
        role_arn: The role that it is written to CloudWatch Logs as.
        group: Its log group.
        stream: Its name.
        on_line: Called with every line, before anything else is done with it.
    """

    def __init__(
        self,
        context: Context,
        role_arn: str,
        group: str,
        stream: str,
        on_line: Callable[[str], None] | None = None,
    ) -> None:
        self._on_line = on_line
        self._context = context
        self._role = role_arn
        self._client = context.admin_client("logs")
        self._names = {"logGroupName": group, "logStreamName": stream}
        self.path: Path = context.logs_dir / group.strip("/").replace("/", "-") / f"{stream}.log"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("a", encoding="utf-8", errors="replace")
        self._pending: list[tuple[int, str]] = []
        self._tail: deque[str] = deque(maxlen=_TAIL)
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._created = False
        self._refused: str | None = None
        self._flusher = threading.Thread(target=self._flush_often, daemon=True, name="job-logs")
        self._flusher.start()

    def write(self, line: str) -> None:
        """Keep one line."""
        if self._on_line is not None:
            self._on_line(line)
        with self._lock:
            self._file.write(line + "\n")
            self._file.flush()
            self._tail.append(line)
            if line:  # CloudWatch Logs refuses empty messages
                self._pending.append((int(time.time() * 1000), line[:_LONGEST]))

    def tail(self) -> list[str]:
        """The last lines."""
        with self._lock:
            return list(self._tail)

    def close(self) -> None:
        """Send what is left and release the file."""
        self._closed.set()
        self._flusher.join()
        self._send()
        self._file.close()

    def __enter__(self) -> "LogStream":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _flush_often(self) -> None:
        while not self._closed.wait(_FLUSH_SECONDS):
            self._send()

    def _send(self) -> None:
        with self._lock:
            lines, self._pending = self._pending, []
        try:
            if not lines or not (self._created or self._create()):
                return
            if not self._may("PutLogEvents", self._names["logStreamName"]):
                return
            for start in range(0, len(lines), _BATCH):
                events = [{"timestamp": t, "message": m} for t, m in lines[start : start + _BATCH]]
                self._client.put_log_events(**self._names, logEvents=events)
        except (BotoCoreError, ClientError):
            # The file has every line; a stopping server must not fail a job over its log.
            return

    def _create(self) -> bool:
        """Make the stream, and its group if there is none; whether the role may.

        Also where there is one: `Guess.LOG_GROUP_ANEW`.
        """
        group, stream = self._names.values()
        namespace = {"cloudwatch:namespace": _NAMESPACE.match(group)[0]}  # type: ignore[index]
        self._is_allowed("cloudwatch:PutMetricData", "*", namespace)
        there = plays("log-group-there", "logs") and self._is_there(group)
        if not there and not self._may("CreateLogGroup", ""):
            return False
        if not self._may("DescribeLogStreams", ""):
            return False
        if plays("log-group-absent", "made"):
            self._unless_there(self._client.create_log_group, logGroupName=group)
        elif not self._is_there(group):
            return False
        if self._may("CreateLogStream", stream):
            self._unless_there(self._client.create_log_stream, **self._names)
            self._created = True
        return self._created

    def _is_there(self, group: str) -> bool:
        found = self._client.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
        return any(each["logGroupName"] == group for each in found)

    def _may(self, action: str, stream: str) -> bool:
        context = self._context
        arn = log_arn(context.region, context.account, self._names["logGroupName"], stream)
        return self._is_allowed(f"logs:{action}", arn, {})

    def _is_allowed(self, action: str, resource: str, keys: dict[str, str]) -> bool:
        with adapter.request_scope(self._context.account, self._context.region):
            role = adapter.Role(arn=self._role, session="SageMaker")
            refused = role.denied(action, resource, keys)
        if refused is not None and refused != self._refused:
            logger.warning("%s; %s is written to no log", refused, self.path.name)
            self._refused = refused
        return refused is None

    @staticmethod
    def _unless_there(create: Callable[..., Any], **names: str) -> None:
        try:
            create(**names)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceAlreadyExistsException":
                raise
