"""Reads Parquet bodies in a process of their own, which a broken file may take down.

A footer that lies can end the process that looks into it (Arrow's metadata objects raise C++
exceptions where Python's binding expects none), and no check in the same process comes before that.

    python -m pipeline_code.serve.isolation   # the process; it ends when its input does
"""

import json
import resource
import struct
import subprocess
import sys
import threading
from typing import IO

import numpy as np

from pipeline_code.serve.parquet import rows_of_parquet
from pipeline_code.serve.refusals import BAD_REQUEST, RequestError
from pipeline_code.serve.rows import FeatureRows

__all__ = ["IsolatedReader"]

PROGRAM = ("-m", "pipeline_code.serve.isolation")
LENGTH = struct.Struct("<Q")
# Besides what the process has once it has started; the largest batch takes a third of it.
MOST_MEMORY = 2 * 1024**3
SECONDS_TO_READ = 60.0


class IsolatedReader:
    """Reads one body at a time, and starts another process for the next one if that breaks it.

    IsolatedReader().read(body)  # the same rows, or the same refusal, as rows_of_parquet(body)
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        # One at a time, so that whose body broke the process is known.
        self._lock = threading.Lock()

    def read(self, body: bytes) -> FeatureRows:
        """The rows of a Parquet file.

        Raises:
            RequestError: It is no such file, or it breaks a rule or the process.
        """
        with self._lock:
            process = self._started()
            watchdog = threading.Timer(SECONDS_TO_READ, process.kill)
            watchdog.start()
            try:
                return _exchange(process, body)
            except (OSError, EOFError):
                self._end()
                raise RequestError("body must be a Parquet file, got one that breaks") from None
            finally:
                watchdog.cancel()

    def close(self) -> None:
        """Ends the process."""
        with self._lock:
            self._end()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._end()
            self._process = subprocess.Popen(
                [sys.executable, *PROGRAM],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # its last words are no structured log
                process_group=0,  # a terminal's interrupt is the server's to handle
            )
        return self._process

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            # Closes the pipes, too.
            self._process.communicate()
            self._process = None


def _exchange(process: subprocess.Popen[bytes], body: bytes) -> FeatureRows:
    assert process.stdin is not None and process.stdout is not None  # noqa: S101
    process.stdin.write(LENGTH.pack(len(body)))
    process.stdin.write(body)
    process.stdin.flush()
    outcome = json.loads(_received(process.stdout))
    if "reason" in outcome:
        raise RequestError(outcome["reason"], outcome["status"])
    # A copy: compiled code takes no array that cannot be written to.
    values = np.frombuffer(_received(process.stdout), np.float32).reshape(outcome["shape"]).copy()
    ids = _received(process.stdout)
    count = len(values)
    return FeatureRows(values, np.frombuffer(ids, np.int64).tolist() if ids else [None] * count)


def _received(stream: IO[bytes]) -> bytes:
    (length,) = LENGTH.unpack(_exactly(stream, LENGTH.size))
    return _exactly(stream, length)


def _exactly(stream: IO[bytes], length: int) -> bytes:
    content = stream.read(length)
    if len(content) < length:
        raise EOFError
    return content


def _send(stream: IO[bytes], content: bytes) -> None:
    stream.write(LENGTH.pack(len(content)))
    stream.write(content)


def _answer(body: bytes, stream: IO[bytes]) -> None:
    try:
        rows = rows_of_parquet(body)
    except RequestError as refused:
        _send(stream, json.dumps({"reason": refused.reason, "status": refused.status}).encode())
        return
    except MemoryError:
        reason = "body must be a Parquet file, got one that unpacks to too much"
        _send(stream, json.dumps({"reason": reason, "status": BAD_REQUEST}).encode())
        return
    _send(stream, json.dumps({"shape": rows.values.shape}).encode())
    _send(stream, np.ascontiguousarray(rows.values).tobytes())
    has_ids = rows.ids[0] is not None
    _send(stream, np.array(rows.ids, np.int64).tobytes() if has_ids else b"")


def _limit_memory() -> None:
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - no path of ours
        pages = int(file.read().split()[0])
    most = pages * resource.getpagesize() + MOST_MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def main() -> None:
    """Answers bodies on standard input until it ends."""
    if sys.platform == "linux":
        _limit_memory()
    bodies, answers = sys.stdin.buffer, sys.stdout.buffer
    while True:
        try:
            body = _received(bodies)
        except EOFError:
            return
        _answer(body, answers)
        answers.flush()


if __name__ == "__main__":
    main()
