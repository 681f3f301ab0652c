"""Files of a transform job: split into requests, answered, and put together again.

As on SageMaker, a file with a record that cannot be answered has no output at all, the others
have theirs, and the job has failed.
"""

import gzip
import http.client
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from local_aws.sagemaker.endpoints.fleets import Fleet
from local_aws.sagemaker.endpoints.servers import HOST
from local_aws.sagemaker.transform.json_paths import NoSuchPartError
from local_aws.sagemaker.transform.records import JSON, processing

_DEFAULT_SECONDS = 600
_DEFAULT_RETRIES = 3
_CLIENT_ERROR = 400
_SERVER_ERROR = 500


class TransformFailedError(Exception):
    """The job cannot go on; the message is its failure reason."""


class TransformStoppedError(Exception):
    """The job was asked to stop."""


@dataclass(frozen=True, slots=True)
class _Request:
    """One request to the model, and the records in it."""

    records: tuple[bytes, ...]
    body: bytes


class Transformer:
    """Sends files to a model's servers as the job's request says.

    Args:
        fleet: The servers, one an instance.
        request: The CreateTransformJob request.
        payload: The most bytes of one request to a server.
        stopping: Set when the job is to end.
    """

    def __init__(
        self, fleet: Fleet, request: dict[str, Any], payload: int, stopping: threading.Event
    ) -> None:
        self._fleet = fleet
        self._payload = payload
        self._stopping = stopping
        self._processing = processing(request)
        source, output = request["TransformInput"], request["TransformOutput"]
        self._gzip = source.get("CompressionType") == "Gzip"
        self._by_line = source.get("SplitType") == "Line"
        self._single = request.get("BatchStrategy") == "SingleRecord"
        self._lines_out = output.get("AssembleWith") == "Line"
        # AWS's 0 is "as many as SageMaker thinks fit".
        self._workers = max(1, request.get("MaxConcurrentTransforms", 1))
        client = request.get("ModelClientConfig", {})
        self._seconds: int = client.get("InvocationsTimeoutInSeconds", _DEFAULT_SECONDS)
        self._retries: int = client.get("InvocationsMaxRetries", _DEFAULT_RETRIES)
        headers = {"Content-Type": source.get("ContentType"), "Accept": output.get("Accept")}
        self._headers = {name: value for name, value in headers.items() if value is not None}

    def transform(self, files: Sequence[tuple[Path, Path]]) -> list[str]:
        """Write the answers of files, shared out among the instances; what failed, and why.

        Args:
            files: Sources and their targets.

        Raises:
            TransformStoppedError: If the job is to end.
        """
        instances = self._fleet.spec.count
        pools = [ThreadPoolExecutor(self._workers) for _ in range(instances)]
        try:
            # Requests have pools of their own: files that wait for them keep none from being sent.
            with ThreadPoolExecutor(instances * self._workers) as readers:
                running = [
                    (source.name, readers.submit(self._file, source, target, index, pools[index]))
                    for number, (source, target) in enumerate(files)
                    for index in (number % instances,)
                ]
                outcomes = [(name, future.exception()) for name, future in running]
        finally:
            for pool in pools:
                pool.shutdown(cancel_futures=True)
        return [f"{name}: {error}" for name, error in outcomes if _failed(error)]

    def _file(self, source: Path, target: Path, instance: int, pool: ThreadPoolExecutor) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with (
                gzip.open(source) if self._gzip else source.open("rb") as lines,
                target.open("wb") as out,
            ):
                waiting: deque[tuple[_Request, Future[bytes]]] = deque()
                for request in self._requests(lines):
                    waiting.append((request, pool.submit(self._ask, request.body, instance)))
                    while len(waiting) > 2 * self._workers:
                        self._write(out, *waiting.popleft())
                while waiting:
                    self._write(out, *waiting.popleft())
        except (ValueError, NoSuchPartError) as error:
            target.unlink(missing_ok=True)
            raise TransformFailedError(
                f"ClientError: a record cannot be processed: {error}"
            ) from error
        except BaseException:
            target.unlink(missing_ok=True)
            raise

    def _requests(self, source: BinaryIO | gzip.GzipFile) -> Iterator[_Request]:
        if not self._by_line:
            record = source.read()
            yield _Request((record,), self._within(self._processing.request(record)))
            return
        records: list[bytes] = []
        bodies: list[bytes] = []
        size = 0
        for raw in source:
            record = raw.rstrip(b"\r\n")
            if not record.strip():
                continue
            body = self._within(self._processing.request(record) + b"\n")
            if records and (self._single or size + len(body) > self._payload):
                yield _Request(tuple(records), b"".join(bodies))
                records, bodies, size = [], [], 0
            records.append(record)
            bodies.append(body)
            size += len(body)
        if records:
            yield _Request(tuple(records), b"".join(bodies))

    def _within(self, body: bytes) -> bytes:
        if len(body) > self._payload:
            raise TransformFailedError(
                f"ClientError: a record must be at most MaxPayloadInMB ({self._payload} bytes), "
                f"got {len(body)} bytes; raise MaxPayloadInMB"
            )
        return body

    def _ask(self, body: bytes, instance: int) -> bytes:
        attempt = 0
        while True:
            if self._stopping.is_set():
                raise TransformStoppedError
            try:
                status, answer = self._post(body, instance)
            except (OSError, http.client.HTTPException) as error:
                status, answer = _SERVER_ERROR, str(error).encode()
            if status < _CLIENT_ERROR:
                return answer
            attempt += 1
            if status < _SERVER_ERROR or attempt > self._retries:
                side = "ClientError" if status < _SERVER_ERROR else "AlgorithmError"
                said = answer.decode(errors="replace")[:500]
                raise TransformFailedError(
                    f"{side}: the model answered with status {status}: {said}"
                )
            self._stopping.wait(min(2.0**attempt, 10.0))

    def _post(self, body: bytes, instance: int) -> tuple[int, bytes]:
        servers = self._fleet.servers
        if not servers:
            raise TransformStoppedError
        port = servers[instance % len(servers)].port
        connection = http.client.HTTPConnection(HOST, port, timeout=self._seconds)
        try:
            connection.request("POST", "/invocations", body, self._headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def _write(self, out: BinaryIO, request: _Request, future: Future[bytes]) -> None:
        answer = self._processed(request.records, future.result())
        out.write(answer)
        if self._lines_out and not answer.endswith(b"\n"):
            out.write(b"\n")

    def _processed(self, records: tuple[bytes, ...], answer: bytes) -> bytes:
        if not self._processing.touches_answers:
            return answer
        answers = [answer] if self._processing.kind == JSON else answer.splitlines()
        if len(records) != len(answers):
            raise TransformFailedError(
                f"ClientError: the model must answer one line a record to be joined, got "
                f"{len(answers)} for {len(records)}"
            )
        pairs = zip(records, answers, strict=True)
        return b"\n".join(self._processing.answer(*pair) for pair in pairs)


def _failed(error: BaseException | None) -> bool:
    """Whether a file has failed; anything but that ends the job."""
    if error is None or isinstance(error, TransformFailedError):
        return error is not None
    raise error
