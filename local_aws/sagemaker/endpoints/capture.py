"""Data capture: requests and answers of an endpoint, kept in S3 as SageMaker writes them.

One JSON line an exchange, below `<destination>/<endpoint>/<variant>/yyyy/mm/dd/hh/`. Written by a
thread every two seconds, with the model's role, so that no request waits for it.
"""

import base64
import json
import logging
import random
import threading
import uuid
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from weakref import WeakSet

from botocore.exceptions import BotoCoreError, ClientError

from local_aws.sagemaker import data
from local_aws.sagemaker.context import Context

_LOG = logging.getLogger(__name__)
FLUSH_SECONDS = 2.0
MANY_EXCHANGES = 2_000
_MOST_WAITING = 200_000
_EVERYTHING = 100
# All that are open, for whoever has to see what an endpoint has captured so far.
_open: "WeakSet[Capture]" = WeakSet()
_opening = threading.Lock()


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer."""

    input_type: str
    input_body: bytes
    output_type: str
    output_body: bytes
    inference_id: str | None
    custom_attributes: str | None
    time: float


class Capture:
    """Captures one variant's exchanges.

    Args:
        context: Shared state.
        config: The endpoint configuration's DataCaptureConfig.
        endpoint: The endpoint's name.
        variant: The variant's name.
        role_arn: The model's role, which must be able to write the destination.
    """

    def __init__(
        self, context: Context, config: dict[str, Any], endpoint: str, variant: str, role_arn: str
    ) -> None:
        self._context = context
        self._config = config
        self._bucket, prefix = data.split(config["DestinationS3Uri"], "DestinationS3Uri")
        self._prefix = "/".join(part for part in (prefix.rstrip("/"), endpoint, variant) if part)
        self._role_arn = role_arn
        modes = {option["CaptureMode"] for option in config["CaptureOptions"]}
        self._input = bool(modes & {"Input", "InputAndOutput"})
        self._output = bool(modes & {"Output", "InputAndOutput"})
        self._percentage: int = config["InitialSamplingPercentage"]
        self._encodings = _encodings(config.get("CaptureContentTypeHeader", {}))
        self._random = random.Random()  # noqa: S311 - a sample, not a secret
        self._waiting: list[Exchange] = []
        self._lost = 0
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._wake = threading.Event()
        self._closed = threading.Event()
        self._client: Any = None
        name = f"capture-{endpoint}-{variant}"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()
        self.endpoint = endpoint
        with _opening:
            _open.add(self)

    def offer(self, exchange: Exchange) -> None:
        """Keep an exchange if the sample wants it."""
        if self._percentage < _EVERYTHING and (
            self._random.random() * _EVERYTHING >= self._percentage
        ):
            return
        with self._lock:
            if len(self._waiting) < _MOST_WAITING:
                self._waiting.append(exchange)
            else:
                self._lost += 1
            many = len(self._waiting) >= MANY_EXCHANGES
        if many:
            self._wake.set()

    def flush(self) -> None:
        """Write what is waiting now.

        Raises:
            ClientError: If S3 refuses it; it goes on waiting then.
        """
        with self._writing:
            with self._lock:
                exchanges, self._waiting = self._waiting, []
                lost, self._lost = self._lost, 0
            if lost:
                _LOG.warning("%d exchanges of %s are not captured", lost, self._prefix)
            hours: dict[str, list[Exchange]] = defaultdict(list)
            for exchange in exchanges:
                hours[f"{datetime.fromtimestamp(exchange.time, UTC):%Y/%m/%d/%H}"].append(exchange)
            while hours:
                hour = next(iter(hours))
                try:
                    self._write(hour, hours[hour])
                except (BotoCoreError, ClientError):
                    with self._lock:
                        unwritten = [exchange for part in hours.values() for exchange in part]
                        self._waiting[:0] = unwritten
                    raise
                del hours[hour]

    def close(self) -> None:
        """Write what is waiting, and stop."""
        self._closed.set()
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            self._wake.wait(FLUSH_SECONDS)
            self._wake.clear()
            last = self._closed.is_set()
            try:
                self.flush()
            except (BotoCoreError, ClientError):
                _LOG.warning(
                    "captured data could not be written to %s", self._prefix, exc_info=True
                )
            if last:
                return

    def _write(self, hour: str, exchanges: list[Exchange]) -> None:
        if self._client is None:
            self._client = self._context.role_session(self._role_arn, "SageMaker").client("s3")
        first = datetime.fromtimestamp(exchanges[0].time, UTC)
        name = f"{first:%M-%S}-{first.microsecond // 1000:03d}-{uuid.uuid4()}.jsonl"
        lines = [json.dumps(self._record(exchange)) for exchange in exchanges]
        encryption: dict[str, str] = {}
        if "KmsKeyId" in self._config:
            key = self._config["KmsKeyId"]
            encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key}
        self._client.put_object(
            Bucket=self._bucket,
            Key=f"{self._prefix}/{hour}/{name}",
            Body="\n".join(lines).encode() + b"\n",
            **encryption,
        )

    def _record(self, exchange: Exchange) -> dict[str, Any]:
        captured: dict[str, Any] = {}
        if self._input:
            captured["endpointInput"] = self._side(
                "INPUT", exchange.input_type, exchange.input_body
            )
        if self._output:
            side = self._side("OUTPUT", exchange.output_type, exchange.output_body)
            captured["endpointOutput"] = side
        moment = datetime.fromtimestamp(exchange.time, UTC)
        event: dict[str, Any] = {"eventId": str(uuid.uuid4())}
        if exchange.custom_attributes is not None:
            event["customAttributes"] = [exchange.custom_attributes]
        if exchange.inference_id is not None:
            event["inferenceId"] = exchange.inference_id
        event["inferenceTime"] = f"{moment:%Y-%m-%dT%H:%M:%SZ}"
        return {"captureData": captured, "eventMetadata": event, "eventVersion": "0"}

    def _side(self, mode: str, content_type: str, body: bytes) -> dict[str, str]:
        encoding = self._encodings.get(content_type.partition(";")[0].strip().lower(), "BASE64")
        try:
            text = body.decode() if encoding != "BASE64" else base64.b64encode(body).decode()
        except UnicodeDecodeError:
            encoding, text = "BASE64", base64.b64encode(body).decode()
        return {
            "observedContentType": content_type,
            "mode": mode,
            "data": text,
            "encoding": encoding,
        }


def enabled(config: Mapping[str, Any] | None) -> bool:
    """Whether a DataCaptureConfig captures: SageMaker does unless it is told not to."""
    return config is not None and bool(config.get("EnableCapture", True))


def flush(endpoint: str) -> None:
    """Write what an endpoint has captured so far.

    Raises:
        ClientError: If S3 refuses it.
    """
    with _opening:
        captures = [capture for capture in _open if capture.endpoint == endpoint]
    for capture in captures:
        capture.flush()


def _encodings(header: dict[str, list[str]]) -> dict[str, str]:
    """How each content type is kept; all others are kept as base64."""
    encodings = {kind.lower(): "CSV" for kind in header.get("CsvContentTypes", ())}
    return encodings | {kind.lower(): "JSON" for kind in header.get("JsonContentTypes", ())}
