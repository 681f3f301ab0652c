"""Output of jobs and model servers: to a file, and to CloudWatch Logs as SageMaker does."""

import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from botocore.exceptions import BotoCoreError, ClientError

from local_aws.sagemaker.context import Context

_FLUSH_SECONDS = 1.0
_BATCH = 500
_LONGEST = 200_000  # characters of one line; CloudWatch Logs takes 256 KiB
_TAIL = 1000  # lines kept for metrics and failure reasons


class LogStream:
    """Lines of one process, written as they come.

    with LogStream(context, "/aws/sagemaker/TrainingJobs", "job/algo-1-1700000000") as log:
        log.write("loading")

    Args:
        context: Shared state.
        group: Its log group.
        stream: Its name.
        on_line: Called with every line, before anything else is done with it.
    """

    def __init__(
        self,
        context: Context,
        group: str,
        stream: str,
        on_line: Callable[[str], None] | None = None,
    ) -> None:
        self._on_line = on_line
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
            if lines and not self._created:
                self._create()
            for start in range(0, len(lines), _BATCH):
                events = [{"timestamp": t, "message": m} for t, m in lines[start : start + _BATCH]]
                self._client.put_log_events(**self._names, logEvents=events)
        except (BotoCoreError, ClientError):
            # The file has every line; a stopping server must not fail a job over its log.
            return

    def _create(self) -> None:
        group = {"logGroupName": self._names["logGroupName"]}
        for create, names in (
            (self._client.create_log_group, group),
            (self._client.create_log_stream, self._names),
        ):
            try:
                create(**names)
            except ClientError as error:
                if error.response["Error"]["Code"] != "ResourceAlreadyExistsException":
                    raise
        self._created = True
