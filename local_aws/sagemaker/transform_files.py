"""One file of a transform job: split into requests, answered, and put together again."""

import gzip
import http.client
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

from local_aws.sagemaker.fleets import Fleet
from local_aws.sagemaker.servers import HOST

_DEFAULT_SECONDS = 600
_DEFAULT_RETRIES = 3
_CLIENT_ERROR = 400
_SERVER_ERROR = 500


class Failed(Exception):  # noqa: N818 - reads as the job's status
    """The job cannot go on; the message is its failure reason."""


class Stopped(Exception):  # noqa: N818 - not an error: somebody asked for it
    """The job was asked to stop."""


class Transformer:
    """Sends files to a model's server as the job's request says.

    Args:
        fleet: The server.
        request: The CreateTransformJob request.
        payload: The most bytes of one request to the server.
        stopping: Set when the job is to end.
    """

    def __init__(
        self, fleet: Fleet, request: dict[str, Any], payload: int, stopping: threading.Event
    ) -> None:
        self._fleet = fleet
        self._payload = payload
        self._stopping = stopping
        source, output = request["TransformInput"], request["TransformOutput"]
        self._gzip = source.get("CompressionType") == "Gzip"
        self._by_line = source.get("SplitType") == "Line"
        self._single = request.get("BatchStrategy") == "SingleRecord"
        self._lines_out = output.get("AssembleWith") == "Line"
        self._join = request.get("DataProcessing", {}).get("JoinSource") == "Input"
        self._workers = max(1, request.get("MaxConcurrentTransforms", 1))
        client = request.get("ModelClientConfig", {})
        self._seconds: int = client.get("InvocationsTimeoutInSeconds", _DEFAULT_SECONDS)
        self._retries: int = client.get("InvocationsMaxRetries", _DEFAULT_RETRIES)
        headers = {"Content-Type": source.get("ContentType"), "Accept": output.get("Accept")}
        self._headers = {name: value for name, value in headers.items() if value is not None}

    def transform(self, source: Path, target: Path) -> None:
        """Write a file's answers in the order of its records.

        Raises:
            Failed: If the server refuses a request.
            Stopped: If the job is to end.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        waiting: deque[tuple[bytes, Future[bytes]]] = deque()
        with (
            gzip.open(source) if self._gzip else source.open("rb") as lines,
            target.open("wb") as out,
            ThreadPoolExecutor(self._workers) as pool,
        ):
            for body in self._requests(lines):
                waiting.append((body, pool.submit(self._ask, body)))
                while len(waiting) > 2 * self._workers:
                    self._write(out, *waiting.popleft())
            while waiting:
                self._write(out, *waiting.popleft())

    def _requests(self, source: BinaryIO | gzip.GzipFile) -> Iterator[bytes]:
        if not self._by_line:
            body = source.read()
            if len(body) > self._payload:
                raise Failed(self._too_large(len(body)))
            yield body
            return
        batch: list[bytes] = []
        size = 0
        for raw in source:
            line = raw if raw.endswith(b"\n") else raw + b"\n"
            if not line.strip():
                continue
            if len(line) > self._payload:
                raise Failed(self._too_large(len(line)))
            if batch and (self._single or size + len(line) > self._payload):
                yield b"".join(batch)
                batch, size = [], 0
            batch.append(line)
            size += len(line)
        if batch:
            yield b"".join(batch)

    def _too_large(self, size: int) -> str:
        return (
            f"ClientError: a record must be at most MaxPayloadInMB ({self._payload} bytes), got "
            f"{size} bytes; raise MaxPayloadInMB"
        )

    def _ask(self, body: bytes) -> bytes:
        attempt = 0
        while True:
            if self._stopping.is_set():
                raise Stopped
            try:
                status, answer = self._post(body)
            except (OSError, http.client.HTTPException) as error:
                status, answer = _SERVER_ERROR, str(error).encode()
            if status < _CLIENT_ERROR:
                return answer
            attempt += 1
            if status < _SERVER_ERROR or attempt > self._retries:
                side = "ClientError" if status < _SERVER_ERROR else "AlgorithmError"
                said = answer.decode(errors="replace")[:500]
                raise Failed(f"{side}: the model answered with status {status}: {said}")
            self._stopping.wait(min(2.0**attempt, 10.0))

    def _post(self, body: bytes) -> tuple[int, bytes]:
        server = next(iter(self._fleet.servers), None)
        if server is None:
            raise Stopped
        connection = http.client.HTTPConnection(HOST, server.port, timeout=self._seconds)
        try:
            connection.request("POST", "/invocations", body, self._headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def _write(self, out: BinaryIO, body: bytes, future: Future[bytes]) -> None:
        answer = future.result()
        if self._join:
            answer = _joined(body, answer)
        out.write(answer)
        if self._lines_out and not answer.endswith(b"\n"):
            out.write(b"\n")


def _joined(body: bytes, answer: bytes) -> bytes:
    """Each record with its answer, as JoinSource Input has it."""
    records, answers = body.splitlines(), answer.splitlines()
    if len(records) != len(answers):
        raise Failed(
            f"ClientError: the model must answer one line a record to be joined, got "
            f"{len(answers)} for {len(records)}"
        )
    return b"".join(b"%b,%b\n" % pair for pair in zip(records, answers, strict=True))
